package capture

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

// TestCAPWAPControl reads the DTLS handshake between an access point and its controller.
func TestCAPWAPControl(t *testing.T) {
	hello, cookie := realHello(t, "openssl-dtls"), realHello(t, "openssl-dtls-cookie")
	n := len(hello) - 4
	whole := dtlsFragment(hello, 0, 0, n)
	again := dtlsFragment(cookie, 1, 0, len(cookie)-4)
	header := func(p []byte) []byte { return bytesOf(uint32(1<<24), p) }
	reply := func(p []byte) []byte { r := append([]byte(nil), p...); r[dtlsRecordHeader] = 3; return r } // HelloVerifyRequest
	discovery := bytesOf(uint32(2<<19|1<<9), uint32(0), uint32(1), 9, uint16(20), 0, make([]byte, 20))
	for _, test := range []struct {
		name      string
		port      uint16
		datagrams [][]byte
		indexes   []int
	}{
		{"control channel", 5246, all(discovery, header(whole)), []int{1}},
		{"with a cookie", 5246, all(header(whole), header(again)), []int{1, 2}},
		{"retransmitted", 5246, all(header(whole), header(whole)), []int{1}},
		{"data channel", 5247, all(header(whole)), []int{1}},
		{"fragments", 5246, all(header(dtlsFragment(hello, 0, 100, n)), header(dtlsFragment(hello, 0, 0, 100))), []int{1}},
		{"fragments in order", 5246, all(header(dtlsFragment(hello, 0, 0, 100)), header(dtlsFragment(hello, 0, 100, n))), []int{1}},
		{"reserved bits set", 5246, all(bytesOf("\x01\xff\xff\xff", whole)), []int{1}},
		{"preamble of one byte", 5246, all(bytesOf(1, whole)), []int{1}},
		{"without preamble", 5246, all(whole), []int{1}},
		{"the reply", 5246, all(header(reply(whole))), nil},
		{"another version", 5246, all(bytesOf("\x11\x00\x00\x00", whole)), nil},
		{"another port", 5245, all(header(whole)), nil},
		{"a discovery that ends in a hello", 5246, all(bytesOf(discovery, whole)), nil},
		{"truncated", 5246, all(header(whole)[:16]), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var packets [][]byte
			for _, d := range test.datagrams {
				packets = append(packets, udp(client4, addrPortOf(server4, test.port), d))
			}
			hellos := readAll(t, rawPcap(packets...))
			require.Len(t, hellos, len(test.indexes))
			for i, index := range test.indexes {
				assert.Equal(t, parser.DTLS, hellos[i].Transport)
				assert.Equal(t, index, hellos[i].Index)
				assert.Equal(t, client4, hellos[i].Src)
				assert.Equal(t, test.port, hellos[i].Dst.Port())
				if test.name != "without preamble" {
					assert.Equal(t, "capwap", hellos[i].Via)
				}
			}
		})
	}
}
