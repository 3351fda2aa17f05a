package server

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func TestBrokenHelloSaysWhatIsWrong(t *testing.T) {
	p := &Page{}
	require.True(t, p.ready(httptest.NewRecorder()))
	raw := hellotest.Real(t)["chromium-156"].Raw[:77]
	_, cut := parser.Parse(raw)
	for _, c := range []struct {
		err  error
		want pageError
	}{
		{cut, pageError{"cipher_suites: truncated", 77, 8}},
		{fmt.Errorf("%w; %w", cut, errors.New("2 bytes follow the record")), pageError{"parser: cipher_suites: truncated at byte 77; 2 bytes follow the record", 77, 8}},
		{errors.New("a <record> is cut"), pageError{"a <record> is cut", 0, -1}},
	} {
		assert.Equal(t, &c.want, p.broken(raw, parser.TLS, c.err).Error)
	}
}

func TestQUICInWords(t *testing.T) {
	assert.Equal(t, "1 (RFC 9000), 0x00000001", quicVersion("0x00000001"))
	assert.Equal(t, "0xff00001d", quicVersion("0xff00001d"))
	for n, want := range map[int]string{0: "PADDING", 1: "PING", 2: "ACK", 3: "ACK", 6: "CRYPTO", 28: "CONNECTION_CLOSE", 64: "64"} {
		assert.Equal(t, want, frameType(n))
	}
}
