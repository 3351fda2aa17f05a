package capture

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

// vpnPackets returns the packets of an OpenVPN client up to the end of its hello, of
// which each has 100 bytes. They have an HMAC of the given length, or none, and acks
// acknowledgments.
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
		packets = append(packets, vpnPacket("session!", 0, mac, acks, number, part))
		number++
	}
	return packets
}

// vpnPacket returns a control packet.
func vpnPacket(session string, key int, mac []byte, acks int, number uint32, payload []byte) []byte {
	list := make([]byte, 4*acks)
	if acks > 0 {
		list = append(list, "another!"...)
	}
	return bytesOf(vpnControl<<3|key, session, mac, acks, list, number, payload)
}

func TestOpenVPN(t *testing.T) {
	hello := realHello(t, "chromium-156")
	s, other := side{client4, server4, 1}, side{client6, server6, 1}
	overTCP := func(packets [][]byte) (stream []byte) {
		for _, p := range packets {
			stream = append(binary.BigEndian.AppendUint16(stream, uint16(len(p))), p...)
		}
		return stream
	}
	overUDP := func(packets [][]byte) (list [][]byte) {
		for _, p := range packets {
			list = append(list, udp(client4, server4, p))
		}
		return list
	}
	swap := func(packets [][]byte, i, j int) [][]byte {
		packets[i], packets[j] = packets[j], packets[i]
		return packets
	}
	again, otherKey := vpnPackets(hello, 0, 0), vpnPackets(hello, 0, 0)
	longRequest := vpnPackets(hello, 20, 1)
	longRequest[0] = append(longRequest[0], 0, 0, 0, 0)
	for i := range again {
		copy(again[i][1:], "session?")
		otherKey[i][0] |= 1
	}
	for _, test := range []struct {
		name    string
		packets [][]byte
		want    int
	}{
		{"TCP", all(s.syn(), s.segments(overTCP(vpnPackets(hello, 0, 0)), 1400)), 1},
		{"TCP, HMAC, small segments", all(s.syn(), s.segments(overTCP(vpnPackets(hello, 20, 1)), 44)), 1},
		{"UDP", overUDP(vpnPackets(hello, 0, 0)), 1},
		{"UDP, without the request for a session", overUDP(vpnPackets(hello, 0, 0)[1:]), 1},
		{"UDP, with an HMAC, without the request for a session", overUDP(vpnPackets(hello, 20, 2)[1:]), 1},
		{"UDP, first packet last", overUDP(swap(vpnPackets(hello, 20, 1), 1, 3)), 1},
		{"UDP, first packet last, without the request for a session", overUDP(swap(vpnPackets(hello, 20, 1), 1, 3)[1:]), 0},
		{"UDP, a packet of another session in between", overUDP(slices.Insert(vpnPackets(hello, 0, 0), 2, vpnPacket("another!", 0, nil, 0, 2, make([]byte, 100)))), 1},
		{"UDP, a new session from the same port", overUDP(all(vpnPackets(hello, 0, 0)[:4], again)), 1},
		{"UDP, another key of the session", overUDP(all(vpnPackets(hello, 0, 0)[:4], otherKey)), 1},
		{"UDP, acknowledgments", overUDP(vpnPackets(hello, 0, 3)), 1},
		{"UDP, HMAC of 16 bytes", overUDP(vpnPackets(hello, 16, 0)), 1},
		{"UDP, HMAC of 28 bytes", overUDP(vpnPackets(hello, 28, 0)), 1},
		{"UDP, HMAC of 48 bytes", overUDP(vpnPackets(hello, 48, 8)), 1},
		{"UDP, HMAC of 64 bytes", overUDP(vpnPackets(hello, 64, 2)), 1},
		{"UDP, out of order", overUDP(swap(vpnPackets(hello, 20, 0), 4, 9)), 1},
		{"UDP, repeated", overUDP(all(vpnPackets(hello, 20, 0), vpnPackets(hello, 20, 0))), 1},
		{"UDP, a packet missing", overUDP(slices.Delete(vpnPackets(hello, 20, 0), 3, 4)), 0},
		{"TCP, encrypted", all(s.syn(), s.data(0, overTCP(vpnPackets(make([]byte, 300), 20, 0)))), 0},
		{"TCP, HMAC of 48 bytes", all(s.syn(), s.segments(overTCP(vpnPackets(hello, 48, 0)), 1400)), 1},
		{"TCP, additional fields in the request for a session", all(s.syn(), s.segments(overTCP(longRequest), 1400)), 1},
		{"UDP, additional fields in the request for a session", overUDP(longRequest), 1},
		{"TCP, a packet of another session in between", all(s.syn(), s.segments(overTCP(slices.Insert(vpnPackets(hello, 0, 0), 2, vpnPacket("another!", 0, nil, 0, 2, make([]byte, 100)))), 1400)), 1},
		{"TCP, out of order, after another connection", all(other.syn(), other.data(5, []byte("x")), s.syn(), swap(s.segments(overTCP(vpnPackets(hello, 0, 0)), 100), 0, 1)), 1},
		{"TCP, without SYN", all(s.data(50, overTCP(vpnPackets(hello, 0, 0)))), 0},
		{"TCP, first packets missing", all(s.syn(), s.data(0, overTCP(vpnPackets(hello, 0, 0)[1:]))), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			hellos := readAll(t, rawPcap(test.packets...))
			require.Len(t, hellos, test.want)
			for _, h := range hellos {
				assert.Equal(t, found{client4, server4, parser.TLS, 1, h.Packet, "openvpn", string(hello)}, h)
			}
		})
	}
}

// TestOpenVPNOnAnyPort finds OpenVPN on any port, also with QUIC between the same
// ports.
func TestOpenVPNOnAnyPort(t *testing.T) {
	hello := realHello(t, "chromium-156")
	initial, _ := initialDatagrams(t)
	for _, port := range []uint16{53, 443, 1194, 1198, 4500, 8080, 51820} {
		client, server := addrPortOf(client4, 30000), addrPortOf(server4, port)
		var packets [][]byte
		for _, p := range vpnPackets(hello, 20, 1) {
			packets = append(packets, ipFrame(udp(client, server, p)), ipFrame(udp(client, server, initial)))
		}
		hellos := readAll(t, pcapOf(LinkEthernet, packets...))
		require.Len(t, hellos, 2, port)
		assert.Equal(t, parser.QUIC, hellos[0].Transport)
		assert.Equal(t, found{client, server, parser.TLS, 1, hellos[1].Packet, "openvpn", string(hello)}, hellos[1])
	}
}

// TestOpenVPNSecondHello finds the hello after a HelloRetryRequest as the second one,
// and no further one.
func TestOpenVPNSecondHello(t *testing.T) {
	hello := realHello(t, "python-tls12")
	var packets [][]byte
	number := uint32(1)
	send := func(stream []byte) {
		for part := range slices.Chunk(stream, 100) {
			packets = append(packets, udp(client4, server4, vpnPacket("session!", 0, nil, 1, number, part)))
			number++
		}
	}
	send(record(hello))
	first := len(packets)
	hello[10]++
	send(hrrHello(hello))
	send([]byte("\x17\x03\x03\x00\x20" + string(make([]byte, 32))))
	packets[first], packets[first+1] = packets[first+1], packets[first]
	var indexes, datagrams []int
	_, err := Read(t.Context(), file(rawPcap(packets...)), func(h *Hello) error {
		indexes, datagrams = append(indexes, h.Index), append(datagrams, h.Datagrams)
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, []int{1, 2}, indexes)
	assert.Equal(t, []int{first, (len(hrrHello(hello)) + 99) / 100}, datagrams)
}

// TestOpenVPNSecondHelloOverTCP follows a connection up to the hello after a
// HelloRetryRequest, or to what shows that there is none.
func TestOpenVPNSecondHelloOverTCP(t *testing.T) {
	first := realHello(t, "python-tls12")
	second := slices.Clone(first)
	second[len(second)-1]++ // the random is the same
	s := side{client4, server4, 1}
	frame := func(p []byte) []byte { return bytesOf(uint16(len(p)), p) }
	ack := frame(bytesOf(5<<3, "session!", 1, uint32(0), "another!"))
	control := func(number uint32, payload []byte) []byte {
		return frame(vpnPacket("session!", 0, nil, 1, number, payload))
	}
	request := frame(vpnPackets(nil, 0, 0)[0])
	finished := control(9, bytesOf("\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x20", make([]byte, 32)))
	keyExchange := control(3, record([]byte{16, 0, 0, 4, 1, 2, 3, 4}))
	data := frame(bytesOf(9<<3, "abcdefgh", make([]byte, 500)))
	start := bytesOf(request, ack, control(1, record(first)[:150]), control(2, record(first)[150:]), ack)
	again := bytesOf(control(3, hrrHello(second)[:100]), ack, control(4, hrrHello(second)[100:]))
	whole := bytesOf(start, again, finished, data, data)
	const n = 100
	for _, test := range []struct {
		name    string
		packets [][]byte
		indexes []int
	}{
		{"one segment", all(s.syn(), s.data(0, whole)), []int{1, 2}},
		{"1-byte segments", all(s.syn(), s.segments(whole, 1)), []int{1, 2}},
		{"10-byte segments", all(s.syn(), s.segments(whole, 10)), []int{1, 2}},
		{"segments of 99 bytes", all(s.syn(), s.segments(whole, 99)), []int{1, 2}},
		{"a segment for each hello", all(s.syn(), s.data(0, start), s.data(len(start), again), s.data(len(start)+len(again), finished)), []int{1, 2}},
		{"second hello out of order", all(s.syn(), s.data(0, start), s.data(len(start)+n, again[n:]), s.data(len(start), again[:n])), []int{1, 2}},
		{"all out of order", all(s.syn(), s.data(n, whole[n:]), s.data(0, whole[:n])), []int{1, 2}},
		{"retransmitted", all(s.syn(), s.data(0, whole), s.data(0, whole)), []int{1, 2}},
		{"no second hello", all(s.syn(), s.data(0, bytesOf(start, keyExchange, data, again))), []int{1}},
		{"no second hello, TLS 1.3", all(s.syn(), s.data(0, bytesOf(start, control(3, []byte("\x17\x03\x03\x00\x01x")), again))), []int{1}},
		{"another protocol after the hello", all(s.syn(), s.data(0, bytesOf(start, "not OpenVPN", again))), []int{1}},
		{"long data, second hello lost", all(s.syn(), s.data(0, start), s.segmentsAt(len(start), bytes.Repeat(data, 100), 1000)), []int{1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var indexes []int
			r := newScanner(new(Reader), func(h *Hello) error {
				indexes = append(indexes, h.Index)
				message := first
				if h.Index == 2 {
					message = second
				}
				assert.Equal(t, message, h.ClientHello.Raw)
				assert.Equal(t, []Layer{{Kind: LayerOpenVPN}}, h.Encapsulation)
				assert.Positive(t, h.Segments)
				assert.Equal(t, 1, h.Records)
				return nil
			})
			for _, p := range test.packets {
				r.packet = packet{data: p, wire: len(p), link: LinkRaw, stamp: stamp{rate: 1}}
				r.scan()
			}
			assert.Equal(t, test.indexes, indexes)
			if test.name != "retransmitted" {
				assert.Zero(t, r.streams.young.used, "the connection is still awaited")
				assert.Zero(t, r.streams.byAge.Size())
			}
		})
	}
}

// TestOpenVPNIncomplete counts a hello whose end is missing.
func TestOpenVPNIncomplete(t *testing.T) {
	var overUDP [][]byte
	var stream []byte
	for _, p := range vpnPackets(realHello(t, "python-tls12"), 0, 0)[:3] {
		overUDP = append(overUDP, udp(client4, server4, p))
		stream = bytesOf(stream, uint16(len(p)), p)
	}
	s := side{client4, server4, 1}
	for _, packets := range [][][]byte{overUDP, {s.syn(), s.data(0, stream)}, {s.syn(), s.data(0, stream), s.reset(len(stream))}} {
		_, stats, err := read(t, new(Reader), rawPcap(packets...))
		require.NoError(t, err)
		assert.Equal(t, int64(1), stats.Incomplete)
	}
}

// TestNotOpenVPN finds a hello after a preface that begins like OpenVPN.
func TestNotOpenVPN(t *testing.T) {
	hello := record(realHello(t, "python-tls12"))
	s := side{client4, server4, 1}
	stream := bytesOf("\x00\x10\x38 and what not\x00\x00\x00\x00\x00, is not it", hello)
	assert.Len(t, readAll(t, rawPcap(s.syn(), s.data(0, stream))), 1)
	assert.Len(t, readAll(t, rawPcap(all(s.syn(), s.segments(stream, 1))...)), 1)
}

// TestHelloInPieces requires that a hello with the headers of another protocol in it
// is not reported.
func TestHelloInPieces(t *testing.T) {
	hello := record(realHello(t, "python-tls12"))
	s := side{client4, server4, 1}
	stream := bytesOf("a header", hello[:100], "a header", hello[100:])
	assert.Empty(t, readAll(t, rawPcap(s.syn(), s.data(0, stream))))
	assert.Empty(t, readAll(t, rawPcap(all(s.syn(), s.segments(stream, 50))...)))
	assert.Len(t, readAll(t, rawPcap(s.syn(), s.data(0, bytesOf("a header", hello)))), 1)
}
