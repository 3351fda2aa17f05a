package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// Endpoints for tests.
var (
	client4 = netip.MustParseAddrPort("192.0.2.1:40000")
	server4 = netip.MustParseAddrPort("198.51.100.2:443")
	client6 = netip.MustParseAddrPort("[2001:db8::1]:40000")
	server6 = netip.MustParseAddrPort("[2001:db8::2]:443")
)

// realHello returns the ClientHello message of a real client.
func realHello(t testing.TB, name string) []byte {
	h := hellotest.Real(t)[name]
	require.NotNil(t, h, name)
	return slices.Clone(h.Raw)
}

// record returns a handshake record with a fragment.
func record(fragment []byte) []byte {
	return append([]byte{recordHandshake, 3, 1, byte(len(fragment) >> 8), byte(len(fragment))}, fragment...)
}

// records returns a message in records of n bytes.
func records(message []byte, n int) []byte {
	var b []byte
	for part := range slices.Chunk(message, n) {
		b = append(b, record(part)...)
	}
	return b
}

// hrrHello returns the record of a message after a HelloRetryRequest, with the
// ChangeCipherSpec that a client sends before it.
func hrrHello(message []byte) []byte {
	return append([]byte{recordChangeCipherSpec, 3, 3, 0, 1, 1}, record(message)...)
}

func bytesOf(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = append(b, byte(p))
		case uint16:
			b = binary.BigEndian.AppendUint16(b, p)
		case uint32:
			b = binary.BigEndian.AppendUint32(b, p)
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		default:
			panic("neither a number nor bytes")
		}
	}
	return b
}

// ether returns an Ethernet frame.
func ether(etherType uint16, payload []byte) []byte {
	return bytesOf("\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", etherType, payload)
}

// ip returns an IP packet of the version that its addresses have.
func ip(src, dst netip.Addr, protocol uint8, payload []byte) []byte {
	if src.Is6() {
		return bytesOf(uint32(6<<28), uint16(len(payload)), int(protocol), 64, src.AsSlice(), dst.AsSlice(), payload)
	}
	return bytesOf(0x45, 0, uint16(20+len(payload)), uint16(1), uint16(0), 64, int(protocol), uint16(0), src.AsSlice(), dst.AsSlice(), payload)
}

// ipFrame returns an Ethernet frame with an IP packet.
func ipFrame(packet []byte) []byte {
	if packet[0]>>4 == 6 {
		return ether(0x86dd, packet)
	}
	return ether(0x0800, packet)
}

// udp returns an IP packet with a UDP datagram.
func udp(src, dst netip.AddrPort, payload []byte) []byte {
	return ip(src.Addr(), dst.Addr(), ipUDP, bytesOf(src.Port(), dst.Port(), uint16(8+len(payload)), uint16(0), payload))
}

// A side is one end of a TCP connection that sends.
type side struct {
	src, dst netip.AddrPort
	isn      uint32 // sequence number of the SYN; the first byte of the stream has the next one
}

// at returns an IP packet with a TCP segment at an offset in the stream. The offset
// of the SYN is -1.
func (s side) at(offset int, flags int, payload []byte) []byte {
	return ip(s.src.Addr(), s.dst.Addr(), ipTCP, bytesOf(
		s.src.Port(), s.dst.Port(), s.isn+1+uint32(offset), uint32(0), 0x50, flags, uint16(0xffff), uint32(0), payload))
}

func (s side) syn() []byte                      { return s.at(-1, tcpSYN, nil) }
func (s side) data(offset int, p []byte) []byte { return s.at(offset, tcpACK, p) }
func (s side) reset(offset int) []byte          { return s.at(offset, tcpRST|tcpACK, nil) }

// segments returns b in segments of n bytes.
func (s side) segments(b []byte, n int) [][]byte {
	var packets [][]byte
	for i := 0; i < len(b); i += n {
		packets = append(packets, s.data(i, b[i:min(i+n, len(b))]))
	}
	return packets
}

// segmentsAt returns b in segments of n bytes, from an offset in the stream on.
func (s side) segmentsAt(offset int, b []byte, n int) [][]byte {
	s.isn += uint32(offset)
	return s.segments(b, n)
}

// all returns a list of packets from packets and lists of packets.
func all(parts ...any) [][]byte {
	var packets [][]byte
	for _, p := range parts {
		switch p := p.(type) {
		case []byte:
			packets = append(packets, p)
		case [][]byte:
			packets = append(packets, p...)
		}
	}
	return packets
}

// pcapOf returns a pcap file with packets of a link type.
func pcapOf(link LinkType, packets ...[]byte) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, pcapMicroseconds)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = le.AppendUint32(b, 262144)
	b = le.AppendUint32(b, uint32(link))
	for i, p := range packets {
		b = le.AppendUint32(b, 1700000000)
		b = le.AppendUint32(b, uint32(i))
		b = le.AppendUint32(b, uint32(len(p)))
		b = le.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

// rawPcap returns a pcap file of IP packets without a link layer.
func rawPcap(packets ...[]byte) []byte { return pcapOf(LinkRaw, packets...) }

// A found has the fields of a Hello that tests compare.
type found struct {
	Src, Dst  netip.AddrPort
	Transport parser.Transport
	Index     int
	Packet    int64
	Via       string
	Message   string
}

// read returns the hellos of a capture.
func read(t testing.TB, r *Reader, file []byte) ([]found, Stats, error) {
	t.Helper()
	var hellos []found
	stats, err := r.Read(context.Background(), bytes.NewReader(file), func(h *Hello) error {
		via := ""
		for i, l := range h.Encapsulation {
			if i > 0 {
				via += ","
			}
			via += l.String()
		}
		hellos = append(hellos, found{h.Src, h.Dst, h.Transport, h.Index, h.Packet, via, string(h.ClientHello.Raw)})
		return nil
	})
	return hellos, stats, err
}

// readAll returns the hellos of an undamaged capture.
func readAll(t testing.TB, file []byte) []found {
	t.Helper()
	hellos, _, err := read(t, new(Reader), file)
	require.NoError(t, err)
	return hellos
}

// file returns a reader of a file.
func file(b []byte) *bytes.Reader { return bytes.NewReader(b) }

// addrPortOf returns the address with another port.
func addrPortOf(a netip.AddrPort, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr(), port)
}

// addrPort returns a different address for each i below 2^16.
func addrPort(a netip.AddrPort, i int) netip.AddrPort {
	b := a.Addr().AsSlice()
	b[1], b[2] = byte(i>>8), byte(i)
	addr, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr, a.Port())
}
