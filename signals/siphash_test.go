package signals

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSipHash has the vectors of the reference implementation: the key is 00 to 0f, and
// the text as many bytes from 00 on.
func TestSipHash(t *testing.T) {
	s := secret{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	text := "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e"
	for n, want := range map[int]uint64{
		0:  0x726fdb47dd0e0e31,
		1:  0x74f839c593dc67fd,
		2:  0x0d6c8009d9a94f5a,
		15: 0xa129ca6149be45e5,
	} {
		assert.Equal(t, want, s.sipHash(text[:n]), n)
	}
}

// TestHashIsBounded: a text of any length takes the time of the first kilobyte.
func TestHashIsBounded(t *testing.T) {
	var s secret
	long := strings.Repeat("a", maxHashed)
	assert.Equal(t, s.hash(long), s.hash(long+"b"))
	assert.NotEqual(t, s.hash(long), s.hash(long[1:]))
	assert.Equal(t, uint64(0), s.hashText(""))
	assert.NotEqual(t, s.hash("a"), secret{1, 2}.hash("a"))
	assert.NotEqual(t, s.hashAddr(netip.MustParseAddr("192.0.2.1")), s.hashAddr(netip.MustParseAddr("192.0.2.2")))
}
