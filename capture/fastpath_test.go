package capture

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scanChecked scans the packet at hand. If canSkip says that the packet has no
// effect, it requires that it has none. It reports what canSkip said.
func (s *scanner) scanChecked(t testing.TB) bool {
	if s.packet.link != LinkEthernet || !s.canSkip(s.packet.data) {
		s.scan()
		return false
	}
	before, slots := s.stats, slices.Concat(s.streams.young.slots, s.streams.old.slots)
	streams, flows := s.streams.byAge.Size(), s.flows.awaited.Size()+s.flows.done.Size()
	s.scan()
	require.Equal(t, before, s.stats, "%x", s.packet.data)
	require.True(t, slices.Equal(slots, slices.Concat(s.streams.young.slots, s.streams.old.slots)), "%x", s.packet.data)
	require.Equal(t, streams, s.streams.byAge.Size())
	require.Equal(t, flows, s.flows.awaited.Size()+s.flows.done.Size())
	return true
}

// TestSkippedPackets checks that the packets of captures that are skipped have no
// effect, and that there are some.
func TestSkippedPackets(t *testing.T) {
	g := newTraffic(t)
	files := captureFiles(t)
	for seed := range uint64(20) {
		files = append(files, g.capture(seed))
	}
	skipped, all := 0, 0
	for _, file := range files {
		s := newScanner(new(Reader), func(*Hello) error { return nil })
		packets, _ := readPackets(t, file)
		for _, p := range packets {
			s.packet = p
			all++
			if s.scanChecked(t) {
				skipped++
			}
		}
	}
	t.Logf("%d of %d packets are skipped", skipped, all)
	assert.Greater(t, skipped, all/20)
}

// TestCanSkip has frames of each kind that is skipped, and of those that are not.
func TestCanSkip(t *testing.T) {
	s := newScanner(new(Reader), func(*Hello) error { return nil })
	awaited := side{client4, server4, 7}
	other := side{server4, client4, 9}
	six := side{client6, server6, 7}
	hello := record(realHello(t, "python-tls12"))
	initial, _ := initialDatagrams(t)
	datagram := func(from, to int, payload []byte) []byte {
		return ipFrame(udp(netip.AddrPortFrom(client4.Addr(), uint16(from)), netip.AddrPortFrom(server4.Addr(), uint16(to)), payload))
	}
	s.packet = packet{data: ipFrame(awaited.syn()), link: LinkEthernet, stamp: stamp{rate: 1}}
	require.False(t, s.canSkip(s.packet.data))
	s.scan()
	for _, c := range []struct {
		what string
		b    []byte
		want bool
	}{
		{"a segment of a connection whose hello is awaited", ipFrame(awaited.data(0, []byte("EHLO"))), false},
		{"its acknowledgment", ipFrame(awaited.data(0, nil)), true},
		{"its FIN", ipFrame(awaited.at(0, tcpFIN|tcpACK, nil)), false},
		{"a segment of another connection", ipFrame(other.data(0, []byte("220 ok"))), true},
		{"the FIN of another connection", ipFrame(other.at(0, tcpFIN|tcpACK, nil)), true},
		{"a FIN with a hello", ipFrame(other.at(0, tcpFIN|tcpACK, hello)), false},
		{"a reset", ipFrame(other.at(0, tcpRST, nil)), false},
		{"a SYN", ipFrame(other.syn()), false},
		{"a SYN-ACK", ipFrame(other.at(0, tcpSYN|tcpACK, nil)), true},
		{"a hello", ipFrame(other.data(0, hello)), false},
		{"over IPv6", ipFrame(six.data(0, []byte("220 ok"))), true},
		{"a hello over IPv6", ipFrame(six.data(0, hello)), false},
		{"a ServerHello", ipFrame(other.data(0, record([]byte{2, 0, 0, 70, 3, 3, 31: 0}))), true},
		{"a handshake record, cut in the message header", ipFrame(other.data(0, []byte{22, 3, 1, 0, 90, 1})), false},
		{"a handshake record, cut before another message", ipFrame(other.data(0, []byte{22, 3, 1, 0, 90, 2})), true},
		{"STARTTLS", ipFrame(other.data(0, []byte("STARTTLS\r\n"))), true},
		{"STARTTLS and a hello", ipFrame(other.data(0, bytesOf("STARTTLS\r\n", hello))), false},
		{"lines of text", ipFrame(other.data(0, []byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde"))), true},
		{"a message with a body", ipFrame(other.data(0, []byte("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"))), false},
		{"a GET request", ipFrame(other.data(0, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))), true},
		{"RTP", datagram(50000, 50002, append([]byte{0x80, 96, 0, 1}, make([]byte, 40)...)), true},
		{"QUIC after the handshake", datagram(443, 50002, append([]byte{0x45}, make([]byte, 40)...)), true},
		{"data of a TURN channel", datagram(50000, 3478, append([]byte{0x40, 1, 0, 40}, make([]byte, 40)...)), false},
		{"a QUIC Initial", datagram(50000, 443, initial), false},
		{"the first byte of a QUIC Initial, then zeros", datagram(50000, 443, append([]byte{0xc3}, make([]byte, 40)...)), true},
		{"a DTLS handshake record", datagram(50000, 4433, append([]byte{22, 0xfe, 0xfd}, make([]byte, 40)...)), false},
		{"a DTLS record of application data", datagram(50000, 4433, append([]byte{23, 0xfe, 0xfd}, make([]byte, 40)...)), true},
		{"RADIUS", datagram(50000, 1812, accessRequest("a", nil)), false},
		{"the code of RADIUS, then zeros", datagram(50000, 1812, append([]byte{radiusRequest, 0, 1, 0}, make([]byte, 40)...)), true},
		{"a request for an OpenVPN session", datagram(50000, 443, vpnPackets(hello, 20, 0)[0]), false},
		{"the first byte of an OpenVPN request, then zeros", datagram(50000, 443, append([]byte{vpnHardReset << 3}, make([]byte, 40)...)), true},
		{"an OpenVPN control packet", datagram(50000, 443, vpnPackets(hello, 64, 3)[2]), false},
		{"the first byte of an OpenVPN control packet, as in DTLS 1.3", datagram(50000, 443, append([]byte{0x25}, make([]byte, 40)...)), true},
		{"a TURN indication", datagram(50000, 3478, bytesOf(uint16(0x16), uint16(20), uint32(0x2112a442), make([]byte, 32))), false},
		{"a STUN request", datagram(50000, 3478, bytesOf(uint16(1), uint16(20), uint32(0x2112a442), make([]byte, 32))), true},
		{"the port of VXLAN", datagram(50000, 4789, append([]byte{0x50}, make([]byte, 40)...)), false},
		{"truncated payload", ipFrame(other.data(0, make([]byte, 500)))[:100], true},
		{"truncated TCP header", ipFrame(other.data(0, make([]byte, 500)))[:50], false},
		{"an empty frame", nil, false},
	} {
		assert.Equal(t, c.want, s.canSkip(c.b), c.what)
		if len(c.b) == 0 {
			continue
		}
		tagged := append(bytes.Clone(c.b[:12]), 0x81, 0, 0, 5)
		assert.Equal(t, c.want, s.canSkip(append(tagged, c.b[12:]...)), "%s, with a VLAN", c.what)
		three := append(bytes.Clone(tagged), 0x88, 0xa8, 0, 6, 0x81, 0, 0, 7)
		assert.False(t, s.canSkip(append(three, c.b[12:]...)), "%s, with three VLANs", c.what)
	}
}

// TestSkippedLengths reports a packet that is too long even if it could be skipped
// and is in memory.
func TestSkippedLengths(t *testing.T) {
	frame := ipFrame(side{server4, client4, 9}.data(0, []byte("220 ok")))
	record := func(length uint32, data []byte) []byte {
		b := binary.LittleEndian.AppendUint32(make([]byte, 8), length)
		return append(binary.LittleEndian.AppendUint32(b, length), data...)
	}
	skippable := func(length uint32) []byte {
		return record(length, append(bytes.Clone(frame), make([]byte, int(length)-len(frame))...))
	}
	capture := slices.Concat(pcapOf(LinkEthernet),
		record(maxPacket, make([]byte, maxPacket)), // grows the window
		skippable(blockSize-pcapRecordHeader-100),  // grows it again
		skippable(2000), // beyond its end, so that it is filled again
		skippable(maxPacket+1))
	for _, file := range [][]byte{capture, slices.Concat(pcapOf(LinkEthernet), record(0xfffffff8, frame))} {
		stats, err := Read(t.Context(), bytes.NewReader(file), func(*Hello) error { return nil })
		require.ErrorIs(t, err, errPacketLength)
		assert.Less(t, stats.Packets, int64(4))
	}
}

// BenchmarkSkippedText measures canSkip for segments of unknown connections that begin
// like text.
func BenchmarkSkippedText(b *testing.B) {
	s := newScanner(new(Reader), nil)
	c := side{client4, server4, 7}
	for name, payload := range map[string][]byte{
		"Encrypted": append([]byte("a\x9b"), make([]byte, 1400)...),
		"Response":  []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nServer: a\r\n\r\n" + strings.Repeat("text ", 200)),
		"Lines":     []byte(strings.Repeat("a line\r\n", 150)),
		"Binary":    append([]byte("\x81\x9b"), make([]byte, 1400)...),
	} {
		frame := ipFrame(c.data(0, payload))
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if !s.canSkip(frame) {
					b.Fatal("not skipped")
				}
			}
		})
	}
}
