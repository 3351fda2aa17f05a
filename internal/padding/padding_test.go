package padding

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func TestIsDue(t *testing.T) {
	for n, want := range map[int]bool{0: false, 255: false, 256: true, 511: true, 512: false} {
		assert.Equal(t, want, IsDue(n), n)
	}
}

func TestLenWithout(t *testing.T) {
	h := hellotest.Hello()
	n, padded := LenWithout(h)
	assert.Equal(t, len(h.Raw), n)
	assert.False(t, padded)

	without := hellotest.Hello(hellotest.Extension(parser.ExtALPN, hellotest.ALPN("h2")))
	with := hellotest.Hello(hellotest.Extension(parser.ExtALPN, hellotest.ALPN("h2")), hellotest.Extension(parser.ExtPadding, make([]byte, 7)))
	n, padded = LenWithout(with)
	assert.Equal(t, len(without.Raw), n)
	assert.True(t, padded)
}
