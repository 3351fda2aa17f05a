package capture

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestShortHello finds a short hello whatever follows it.
func TestShortHello(t *testing.T) {
	message := hellotest.Message(parser.VersionTLS12, []parser.CipherSuite{0xc02f})
	s := side{client4, server4, 1}
	for n := 1; n <= len(message); n++ {
		stream := bytesOf("a preface", records(message, n), "\x17\x03\x03\x00\x01x")
		for _, packets := range [][][]byte{s.segments(stream, len(stream)), s.segments(stream, 40), s.segments(stream, 1)} {
			hellos := readAll(t, rawPcap(all(s.syn(), packets)...))
			require.Len(t, hellos, 1, "in records of %d bytes", n)
			assert.Equal(t, string(message), hellos[0].Message)
		}
	}
}

// TestLongSessionID finds a hello with a session id that is longer than TLS allows and
// ends in the second record or later. crypto/tls accepts it.
func TestLongSessionID(t *testing.T) {
	message := hellotest.Message(parser.VersionTLS12, []parser.CipherSuite{0xc02f}, hellotest.Extension(0x1234, make([]byte, 300)))
	const id = 4 + 2 + 32
	message = bytesOf(message[:id], 200, make([]byte, 200), message[id+1:])
	message[2], message[3] = byte((len(message)-4)>>8), byte(len(message)-4)
	for _, n := range []int{20, 72, 73, 80, 200, 300} {
		for _, version := range []byte{3, 4} {
			message[4] = version
			hellos := readAll(t, rawPcap(side{client4, server4, 1}.data(0, records(message, n))))
			require.Len(t, hellos, 1, "legacy_version %d.3 in records of %d bytes", version, n)
			assert.Equal(t, string(message), hellos[0].Message)
		}
	}
}

// TestSSLv2 finds a hello in SSLv2 format at the start of a connection only, and only
// if its lengths are consistent.
func TestSSLv2(t *testing.T) {
	hello := bytesOf("\x80\x2e\x01\x03\x01", uint16(21), uint16(0), uint16(16), make([]byte, 21), make([]byte, 16))
	s := side{client4, server4, 1}
	hellos := readAll(t, rawPcap(s.syn(), s.data(0, hello), s.data(0, hello)))
	require.Len(t, hellos, 1)
	assert.Equal(t, string(hello), hellos[0].Message)
	for i := range 11 {
		other := slices.Clone(hello)
		other[i] ^= 0x41
		assert.Empty(t, readAll(t, rawPcap(s.syn(), s.data(0, other))), i)
	}
	assert.Empty(t, readAll(t, rawPcap(s.syn(), s.data(0, []byte("x")), s.data(1, hello))))
	assert.Empty(t, readAll(t, rawPcap(s.syn(), s.data(0, hello[:40]))))
	for n := 1; n < len(hello); n++ {
		segments := 0
		_, err := Read(t.Context(), file(rawPcap(all(s.syn(), s.segments(bytesOf(hello, "more"), n))...)), func(h *Hello) error {
			assert.Equal(t, hello, h.ClientHello.Raw)
			segments += h.Segments
			return nil
		})
		require.NoError(t, err)
		assert.Equal(t, (len(hello)+n-1)/n, segments, "in segments of %d bytes", n)
	}

	// Another connection has the first stream.
	other := side{client6, server6, 1}
	hellos = readAll(t, rawPcap(other.syn(), other.data(5, []byte("x")), s.syn(), s.data(20, hello[20:]), s.data(0, hello[:20])))
	require.Len(t, hellos, 1, "out of order")
	assert.Equal(t, string(hello), hellos[0].Message)
}
