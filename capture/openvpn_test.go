package capture

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

// vpnPackets returns what an OpenVPN client sends up to its hello: control packets
// of 100 bytes, with an HMAC of that length, or none, and acks acknowledgements.
func vpnPackets(hello []byte, hmac, acks int) [][]byte {
	mac := make([]byte, hmac)
	for i := range mac {
		mac[i] = byte(0x80 | i)
	}
	if hmac > 0 {
		mac = append(mac, "\x00\x00\x00\x01\x60\x00\x00\x00"...)
	}
	packets := [][]byte{bytesOf(vpnHardReset<<3, "session!", mac, 0, uint32(0))}
	number := uint32(1)
	for part := range slices.Chunk(record(hello), 100) {
		list := make([]byte, 4*acks)
		if acks > 0 {
			list = append(list, "another!"...)
		}
		packets = append(packets, bytesOf(vpnControl<<3, "session!", mac, acks, list, number, part))
		number++
	}
	return packets
}

func TestOpenVPN(t *testing.T) {
	hello := realHello(t, "chromium-156")
	server := netip.AddrPortFrom(server4.Addr(), portOpenVPN)
	s := side{client4, server, 1}
	overTCP := func(packets [][]byte) (stream []byte) {
		for _, p := range packets {
			stream = append(binary.BigEndian.AppendUint16(stream, uint16(len(p))), p...)
		}
		return stream
	}
	overUDP := func(packets [][]byte) (list [][]byte) {
		for _, p := range packets {
			list = append(list, udp(client4, server, p))
		}
		return list
	}
	swap := func(packets [][]byte, i, j int) [][]byte {
		packets[i], packets[j] = packets[j], packets[i]
		return packets
	}
	for _, test := range []struct {
		name    string
		packets [][]byte
		want    int
	}{
		{"TCP", all(s.syn(), s.segments(overTCP(vpnPackets(hello, 0, 0)), 1400)), 1},
		{"TCP, HMAC, small segments", all(s.syn(), s.segments(overTCP(vpnPackets(hello, 20, 1)), 44)), 1},
		{"UDP", overUDP(vpnPackets(hello, 0, 0)), 1},
		{"UDP, acknowledgements", overUDP(vpnPackets(hello, 0, 3)), 1},
		{"UDP, HMAC of 16 bytes", overUDP(vpnPackets(hello, 16, 0)), 1},
		{"UDP, HMAC of 64 bytes", overUDP(vpnPackets(hello, 64, 2)), 1},
		{"UDP, out of order", overUDP(swap(vpnPackets(hello, 20, 0), 4, 9)), 1},
		{"UDP, repeated", overUDP(all(vpnPackets(hello, 20, 0), vpnPackets(hello, 20, 0))), 1},
		{"UDP, a packet missing", overUDP(slices.Delete(vpnPackets(hello, 20, 0), 3, 4)), 0},
		{"TCP, encrypted", all(s.syn(), s.data(0, overTCP(vpnPackets(make([]byte, 300), 20, 0)))), 0},
		{"TCP, without SYN", all(s.data(50, overTCP(vpnPackets(hello, 0, 0)))), 0},
		{"TCP, first packets missing", all(s.syn(), s.data(0, overTCP(vpnPackets(hello, 0, 0)[1:]))), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			hellos := readAll(t, rawPcap(test.packets...))
			require.Len(t, hellos, test.want)
			for _, h := range hellos {
				assert.Equal(t, found{client4, server, parser.TLS, 1, h.Packet, "openvpn", string(hello)}, h)
			}
		})
	}
}

// TestNotOpenVPN: a preface that begins as OpenVPN does hides no hello.
func TestNotOpenVPN(t *testing.T) {
	hello := record(realHello(t, "python-tls12"))
	s := side{client4, server4, 1}
	stream := bytesOf("\x00\x10\x38 and what not\x00\x00\x00\x00\x00, is not it", hello)
	assert.Len(t, readAll(t, rawPcap(s.syn(), s.data(0, stream))), 1)
	assert.Len(t, readAll(t, rawPcap(all(s.syn(), s.segments(stream, 1))...)), 1)
}

// TestHelloInPieces: a hello with the headers of another protocol within is none.
func TestHelloInPieces(t *testing.T) {
	hello := record(realHello(t, "python-tls12"))
	s := side{client4, server4, 1}
	stream := bytesOf("a header", hello[:100], "a header", hello[100:])
	assert.Empty(t, readAll(t, rawPcap(s.syn(), s.data(0, stream))))
	assert.Empty(t, readAll(t, rawPcap(all(s.syn(), s.segments(stream, 50))...)))
	assert.Len(t, readAll(t, rawPcap(s.syn(), s.data(0, bytesOf("a header", hello)))), 1)
}
