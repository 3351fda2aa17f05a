package capture

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

// stunMessage returns a STUN message with attributes.
func stunMessage(typ uint16, attributes []byte) []byte {
	return bytesOf(typ, uint16(len(attributes)), uint32(stunCookie), "transaction!", attributes)
}

// turnIndication returns a Send or Data indication.
func turnIndication(typ uint16, data []byte) []byte {
	return stunMessage(typ, bytesOf(uint16(0x12), uint16(8), 0, 1, uint16(5000), "\xe1\x12\xa6\x50", uint16(0x13), uint16(len(data)), data, make([]byte, -len(data)&3)))
}

// channelData returns a TURN channel data message with its padding.
func channelData(channel uint16, data []byte) []byte {
	return bytesOf(channel, uint16(len(data)), data, make([]byte, -len(data)&3))
}

// sslTCP is the hello with which Chromium's clients make TURN over TCP look like SSL.
const sslTCP = "\x80\x46\x01\x03\x01\x00\x2d\x00\x00\x00\x10\x01\x00\x80\x03\x00\x80\x07\x00\xc0\x06\x00\x40\x02\x00\x80\x04\x00\x80" +
	"\x00\x00\x04\x00\xfe\xff\x00\x00\x0a\x00\xfe\xfe\x00\x00\x09\x00\x00\x64\x00\x00\x62\x00\x00\x03\x00\x00\x06" +
	"\x1f\x17\x0c\xa6\x2f\x00\x78\xfc\x46\x55\x2e\xb1\x83\x39\xf1\xea"

func TestTURNOverTCP(t *testing.T) {
	initial, _ := initialDatagrams(t)
	dtls := realHello(t, "openssl-dtls")
	n := len(dtls) - messageHeader
	hello := dtlsFragment(dtls, 0, 0, n)
	parts := [][]byte{dtlsFragment(dtls, 0, 0, 40), dtlsFragment(dtls, 0, 40, 100), dtlsFragment(dtls, 0, 100, n)}
	allocate := stunMessage(3, []byte("\x00\x19\x00\x04\x11\x00\x00\x00"))
	data := func(p []byte) []byte { return channelData(0x4001, p) }
	send := func(p []byte) []byte { return turnIndication(0x16, p) }
	check := stunMessage(1, make([]byte, 40))
	media := append([]byte{0x80, 96}, make([]byte, 1000)...)
	fragments := bytesOf(data(parts[0]), data(parts[1]), data(parts[2]))
	start := bytesOf(allocate, allocate, send(check), data(check))
	at := len(start)
	s := side{client4, server4, 0xfffffff0}
	back := side{server4, client4, 9}
	for _, test := range []struct {
		name    string
		packets [][]byte
		want    []found // Transport, Index, Packet and Via; from a client if Src is not set
	}{
		{"channel data", all(s.syn(), s.data(0, start), s.data(at, data(hello))), []found{{Packet: 3, Via: "stun 16385"}}},
		{"a Send indication", all(s.syn(), s.data(0, start), s.data(at, send(hello))), []found{{Packet: 3, Via: "stun"}}},
		{"all in a segment", all(s.syn(), s.data(0, bytesOf(start, data(hello)))), []found{{Packet: 2, Via: "stun 16385"}}},
		{"30 messages in a segment", all(s.syn(), s.data(0, bytesOf(start, bytes.Repeat(data(check), 30), data(hello)))), []found{{Packet: 2, Via: "stun 16385"}}},
		{"fragments", all(s.syn(), s.data(0, bytesOf(start, fragments))), []found{{Packet: 2, Via: "stun 16385"}}},
		{"fragments with STUN between", all(s.syn(), s.data(0, bytesOf(start, data(parts[0]), allocate, data(parts[2]), send(check), data(parts[1])))), []found{{Packet: 2, Via: "stun 16385"}}},
		{"no padding, the last message", all(s.syn(), s.data(0, start), s.data(at, data(hello)[:channelHeader+len(hello)])), []found{{Packet: 3, Via: "stun 16385"}}},
		{"padding in a segment of its own", all(s.syn(), s.data(0, start), s.data(at, data(hello)[:channelHeader+len(hello)]), s.data(at+channelHeader+len(hello), bytesOf(data(hello)[channelHeader+len(hello):], allocate, channelData(0x4002, hello)))),
			[]found{{Packet: 3, Via: "stun 16385"}, {Packet: 4, Via: "stun 16386"}}},
		{"a channel above 4fff", all(s.syn(), s.data(0, start), s.data(at, channelData(0x7ffe, hello))), []found{{Packet: 3, Via: "stun 32766"}}},
		{"two channels", all(s.syn(), s.data(0, start), s.data(at, data(hello)), s.data(at+len(data(hello)), channelData(0x4002, hello))), []found{{Packet: 3, Via: "stun 16385"}, {Packet: 4, Via: "stun 16386"}}},
		{"QUIC", all(s.syn(), s.data(0, start), s.data(at, data(initial))), []found{{Transport: parser.QUIC, Packet: 3, Via: "stun 16385"}}},
		{"after a proxy's answer", all(s.syn(), s.data(0, []byte("CONNECT a.test:3478 HTTP/1.1\r\n\r\n")), s.data(33, bytesOf(start, data(hello)))), []found{{Packet: 3, Via: "stun 16385"}}},
		{"media before the hello", all(s.syn(), s.data(0, start), s.data(at, bytes.Repeat(data(media), 20)), s.data(at+20*len(data(media)), bytesOf(allocate[:0], data(check), data(hello)))), []found{{Packet: 4, Via: "stun 16385"}}},
		{"a TLS hello after STUN", all(s.syn(), s.data(0, allocate), s.data(len(allocate), record(realHello(t, "python-tls12")))), []found{{Transport: parser.TLS, Packet: 3}}},
		{"from the server", all(back.data(0, stunMessage(0x113, nil)), back.data(20, stunMessage(0x103, nil)), back.data(40, data(hello)[:50]), back.data(90, data(hello)[50:])), []found{{Src: server4, Packet: 4, Via: "stun 16385"}}},
		{"a Data indication", all(back.data(0, turnIndication(0x17, hello))), []found{{Src: server4, Packet: 1, Via: "stun"}}},

		{"no SYN, channel data", all(s.data(at, data(hello))), []found{{Packet: 1, Via: "stun 16385"}}},
		{"no SYN, a Send indication", all(s.data(at, send(hello))), []found{{Packet: 1, Via: "stun"}}},
		{"no SYN, QUIC", all(s.data(at, data(initial))), []found{{Transport: parser.QUIC, Packet: 1, Via: "stun 16385"}}},
		{"no SYN, STUN first", all(s.data(at, bytesOf(allocate, data(check), data(hello)))), []found{{Packet: 1, Via: "stun 16385"}}},
		{"no SYN, a check before the hello and media after it", all(s.data(at, bytesOf(data(check), data(hello), data(media)))), []found{{Packet: 1, Via: "stun 16385"}}},
		{"no SYN, media after the hello, cut short", all(s.data(at, bytesOf(data(hello), data(media)[:20]))), []found{{Packet: 1, Via: "stun 16385"}}},
		{"no SYN, fragments", all(s.data(at, data(parts[0])), s.data(at+len(data(parts[0])), data(parts[1])), s.data(at+len(fragments)-len(data(parts[2])), data(parts[2]))), []found{{Packet: 3, Via: "stun 16385"}}},
		{"no SYN, fragments in reverse order", all(s.data(at+len(fragments)-len(data(parts[2])), data(parts[2])), s.data(at+len(data(parts[0])), data(parts[1])), s.data(at, data(parts[0]))), []found{{Packet: 3, Via: "stun 16385"}}},
		{"no SYN, fragments in a segment", all(s.data(at, fragments)), []found{{Packet: 1, Via: "stun 16385"}}},
		{"no SYN, segments of 60 bytes", all(s.segmentsAt(at, data(hello), 60)), []found{{Packet: 4, Via: "stun 16385"}}},
		{"no SYN, the end of the message first", all(s.data(at, data(hello)[:50]), s.data(at+100, data(hello)[100:]), s.data(at+50, data(hello)[50:100])), []found{{Packet: 3, Via: "stun 16385"}}},
		{"behind a hole", all(s.syn(), s.data(0, start), s.data(at+5000, data(hello))), []found{{Packet: 3, Via: "stun 16385"}}},
		{"after much media", all(s.syn(), s.data(0, start), s.segmentsAt(at, bytes.Repeat(data(media), 70), len(data(media))), s.data(at+70*len(data(media)), data(hello))), []found{{Packet: 73, Via: "stun 16385"}}},
		{"retransmitted", all(s.syn(), s.data(0, start), s.data(0, start), s.data(at, data(hello)), s.data(at, data(hello)), s.data(0, bytesOf(start, data(hello)))), []found{{Packet: 4, Via: "stun 16385"}}},

		{"in a STUN request", all(s.syn(), s.data(0, stunMessage(1, turnIndication(0x16, hello)[20:]))), nil},
		{"after another protocol", all(s.syn(), s.data(0, bytesOf("another protocol", data(hello)))), nil},
		{"no SYN, after another protocol", all(s.data(0, bytesOf("another protocol", data(hello)))), nil},
		{"no SYN, a file goes on after it", all(s.data(0, bytesOf(data(hello), "a capture with TURN over UDP"))), nil},
		{"no SYN, media of another channel after it", all(s.data(0, bytesOf(data(hello), channelData(0x4002, media)))), nil},
		{"no SYN, other data of its channel after it", all(s.data(0, bytesOf(data(hello), data([]byte("a capture"))))), nil},
		{"no SYN, media before it", all(s.data(0, bytesOf(data(media), data(hello)))), nil},
		{"no SYN, no client hello", all(s.data(0, data(dtlsFragment(bytesOf(2, dtls[1:]), 0, 0, n)))), nil},
		{"no SYN, encrypted", all(s.data(0, data(bytesOf(hello[:4], 1, hello[5:])))), nil},
		{"no SYN, the record is longer than the datagram", all(s.data(0, data(hello[:len(hello)-1]))), nil},
		{"no SYN, the fragment is longer than the record", all(s.data(0, data(bytesOf(hello[:12], int(hello[12]-1), hello[13:len(hello)-1])))), nil},
		{"no SYN, the cookie is wrong", all(s.data(0, bytesOf(send(hello)[:5], 0, send(hello)[6:]))), nil},
		{"DTLS without TURN", all(s.data(0, hello)), nil},
		{"DTLS without TURN, with SYN", all(s.syn(), s.data(0, hello)), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := slices.Clone(test.want)
			for i := range want {
				w := &want[i]
				w.Message = string(dtls)
				if w.Index++; w.Src != server4 {
					w.Src, w.Dst = client4, server4
				} else {
					w.Dst = client4
				}
				switch {
				case test.name == "a TLS hello after STUN":
					w.Message = string(realHello(t, "python-tls12"))
				case w.Transport == parser.QUIC:
					w.Message = ""
				default:
					w.Transport = parser.DTLS
				}
			}
			var got []found
			for _, h := range readAll(t, rawPcap(test.packets...)) {
				if h.Transport == parser.QUIC {
					h.Message = ""
				}
				got = append(got, h)
			}
			assert.Equal(t, want, got)
			var frames [][]byte
			for _, p := range test.packets {
				frames = append(frames, ipFrame(p))
			}
			assert.Len(t, readAll(t, pcapOf(LinkEthernet, frames...)), len(want), "on the fast path")
		})
	}
}

// TestSSLTCP shows the hello that makes TURN look like SSL, and the real one after it.
func TestSSLTCP(t *testing.T) {
	dtls := realHello(t, "openssl-dtls")
	hello := channelData(0x4000, dtlsFragment(dtls, 0, 0, len(dtls)-messageHeader))
	turn := bytesOf(stunMessage(3, nil), hello)
	s := side{client4, server4, 1}
	for _, n := range []int{1, 10, 1000} {
		hellos := readAll(t, rawPcap(all(s.syn(), s.data(0, []byte(sslTCP)), s.segmentsAt(len(sslTCP), turn, n))...))
		require.Len(t, hellos, 2, "%d", n)
		assert.Equal(t, sslTCP, hellos[0].Message)
		assert.Equal(t, parser.TLS, hellos[0].Transport)
		assert.Equal(t, string(dtls), hellos[1].Message)
		assert.Equal(t, "stun 16384", hellos[1].Via)
	}
}

// TestTURNAndUDP keeps apart what has the same addresses over TCP and over UDP.
func TestTURNAndUDP(t *testing.T) {
	dtls := realHello(t, "openssl-dtls")
	n := len(dtls) - messageHeader
	first, second := turnIndication(0x16, dtlsFragment(dtls, 0, 0, 100)), turnIndication(0x16, dtlsFragment(dtls, 0, 100, n))
	s := side{client4, server4, 1}
	assert.Empty(t, readAll(t, rawPcap(udp(client4, server4, first), s.data(0, second))))
	assert.Len(t, readAll(t, rawPcap(udp(client4, server4, first), s.data(0, first), s.data(len(first), second), udp(client4, server4, second))), 2)
}

// TestFramedIncomplete counts hellos whose end is missing.
func TestFramedIncomplete(t *testing.T) {
	dtls := realHello(t, "openssl-dtls")
	whole := dtlsFragment(dtls, 0, 0, len(dtls)-messageHeader)
	first := dtlsFragment(dtls, 0, 0, 50)
	s := side{client4, server4, 1}
	for _, stream := range [][]byte{channelData(0x4000, whole)[:100], channelData(0x4000, first), frame4571(whole)[:100], frame4571(first), bytesOf(frame4571(first), frame4571(whole)[:30])} {
		hellos, stats, err := read(t, new(Reader), rawPcap(s.data(0, stream)))
		require.NoError(t, err)
		assert.Empty(t, hellos)
		assert.Positive(t, stats.Incomplete)
	}
}

// TestTURNEnds drops connections with media, and with something else after TURN.
func TestTURNEnds(t *testing.T) {
	s := side{client4, server4, 1}
	media := channelData(0x4000, append([]byte{0x90, 111}, make([]byte, 1000)...))
	check := channelData(0x4000, stunMessage(1, make([]byte, 40)))
	for name, test := range map[string]struct {
		stream []byte
		slots  int
	}{
		"much STUN":      {bytes.Repeat(check, 3000), 1},
		"some media":     {bytesOf(check, bytes.Repeat(media, 60)), 1},
		"much media":     {bytesOf(check, bytes.Repeat(media, 70)), 0},
		"something else": {bytesOf(bytes.Repeat(check, 300), "\xffsomething else"), 0},
	} {
		sc := newScanner(new(Reader), nil)
		stream := bytesOf(stunMessage(3, nil), test.stream)
		for _, p := range all(s.syn(), s.segments(stream, 1400)) {
			sc.packet = packet{data: p, wire: len(p), link: LinkRaw, stamp: stamp{rate: 1}}
			sc.scan()
			requireStreams(t, &sc.streams)
		}
		assert.Equal(t, test.slots, sc.streams.young.used, name)
		assert.LessOrEqual(t, sc.streams.byAge.Size(), 1<<12, name)
		assert.LessOrEqual(t, sc.examined, 4*len(stream), name)
	}
}

// TestNoFramings sends random segments that begin as messages of framings do, but
// without a hello.
func TestNoFramings(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	beginnings := []string{
		"\x40\x00\x00\xf0\x16\xfe\xfd\x00\x00\x00", "\x00\xf0\x16\xfe\xff\x00\x00\x00\x00", "\x12\x01\x00\x50\x00\x00\x01\x00", "\x12\x01\x00\x50\x00\x00\x01\x00\x16\x03\x01",
		"\x00\x16\x00\x40\x21\x12\xa4\x42", "\x00\x54\x00\x01\x00\x40\x21\x12\xa4\x42", "\x40", "\x00", "\x12", "\x01",
	}
	file := pcapOf(LinkEthernet)
	header := file[:24:24]
	for range 100 {
		var packets [][]byte
		for i := range 10000 {
			p := make([]byte, 20+r.IntN(120))
			for i := range p {
				p[i] = byte(r.Uint32())
			}
			copy(p, beginnings[r.IntN(len(beginnings))])
			packets = append(packets, ipFrame(side{addrPort(client4, i), server4, r.Uint32()}.data(0, p)))
		}
		require.Empty(t, readAll(t, append(header, pcapOf(LinkEthernet, packets...)[24:]...)))
	}
}
