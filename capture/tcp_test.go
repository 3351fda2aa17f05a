package capture

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestTCP has what can happen to a hello in a TCP stream.
func TestTCP(t *testing.T) {
	message := realHello(t, "chromium-156")
	other := realHello(t, "firefox-153")
	hello := record(message)
	n := len(hello)
	s := side{client4, server4, 0x1000}
	wraps := side{client4, server4, 1<<32 - 700}
	again := side{client4, server4, 0x9000_0000}
	server := side{server4, client4, 77}
	serverHello := append([]byte{22, 3, 3, 0, 80, 2, 0, 0, 76, 3, 3}, make([]byte, 74)...)
	finished := bytesOf("\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x20", make([]byte, 32))
	swap := func(packets [][]byte, i, j int) [][]byte {
		packets[i], packets[j] = packets[j], packets[i]
		return packets
	}
	reversed := func(packets [][]byte) [][]byte {
		slices.Reverse(packets)
		return packets
	}
	differing := slices.Clone(hello)
	for i := 600; i < 700; i++ {
		differing[i] ^= 0xff
	}
	early := append(slices.Clone(hello), finished...)
	zeros := make([]byte, 20000)

	for _, test := range []struct {
		name    string
		packets [][]byte
		indexes []int // of the hellos, which are all the same message
	}{
		{"one segment", all(s.syn(), s.data(0, hello)), []int{1}},
		{"without SYN", all(s.data(0, hello)), []int{1}},
		{"without SYN, two segments", all(s.segments(hello, 1000)), []int{1}},
		{"three segments", all(s.syn(), s.segments(hello, 700)), []int{1}},
		{"1-byte segments", all(s.syn(), s.segments(hello, 1)), []int{1}},
		{"in reverse order", all(s.syn(), reversed(s.segments(hello, 100))), []int{1}},
		{"1-byte segments in reverse order", all(s.syn(), reversed(s.segments(hello, 1))), []int{1}},
		{"1-byte records", all(s.syn(), s.segments(records(message, 1), 1400)), []int{1}},
		{"1-byte records, 1-byte segments", all(s.syn(), s.segments(records(message, 1), 1)), []int{1}},
		{"two records in one segment", all(s.syn(), s.data(0, records(message, n-1000))), []int{1}},
		{"short first record", all(s.syn(), s.data(0, bytesOf(record(message[:3]), record(message[3:])))), []int{1}},
		{"out of order", all(s.syn(), swap(s.segments(hello, 700), 0, 2)), []int{1}},
		{"SYN last", all(s.segments(hello, 700), s.syn()), []int{1}},
		{"SYN twice", all(s.syn(), s.data(0, hello[:500]), s.syn(), s.data(500, hello[500:])), []int{1}},
		{"sequence numbers wrap", all(wraps.syn(), wraps.segments(hello, 600)), []int{1}},
		{"sequence numbers wrap, in reverse order", all(wraps.syn(), reversed(wraps.segments(hello, 600))), []int{1}},
		{"retransmitted", all(s.syn(), s.data(0, hello), s.data(0, hello)), []int{1}},
		{"retransmitted in other segments", all(s.syn(), s.segments(hello, 700), s.segments(hello, 500)), []int{1}},
		{"retransmitted after the next record", all(s.syn(), s.data(0, hello), s.data(n, finished), s.data(0, hello)), []int{1}},
		{"retransmitted, without SYN", all(s.data(0, hello), s.data(n, finished), s.data(0, hello)), []int{1}},
		{"overlap", all(s.syn(), s.data(0, hello[:1000]), s.data(500, hello[500:])), []int{1}},
		{"overlap that differs", all(s.syn(), s.data(0, hello[:1000]), s.data(500, differing[500:])), []int{1}},
		{"overlap that differs, after a hole", all(s.syn(), s.data(500, hello[500:]), s.data(0, differing[:1000])), []int{1}},
		{"keep-alive", all(s.syn(), s.data(0, hello[:700]), s.data(699, []byte{0}), s.data(700, hello[700:]), s.data(n-1, []byte{0})), []int{1}},
		{"FIN with data", all(s.syn(), s.data(0, hello[:700]), s.at(700, tcpFIN|tcpACK, hello[700:])), []int{1}},
		{"FIN before the data", all(s.syn(), s.at(700, tcpFIN|tcpACK, hello[700:]), s.data(0, hello[:700])), []int{1}},
		{"data in the SYN", all(s.at(-1, tcpSYN, hello)), []int{1}},
		{"data in the SYN, retransmitted", all(s.at(-1, tcpSYN, hello), s.data(0, hello)), []int{1}},
		{"reset with another sequence number", all(s.syn(), s.data(0, hello[:700]), s.reset(5000), s.data(700, hello[700:])), []int{1}},
		{"ports reused", all(s.syn(), s.data(0, hello), s.reset(n), again.syn(), again.data(0, hello)), []int{1, 1}},
		{"ports reused, without FIN", all(s.syn(), s.data(0, hello), again.syn(), again.data(0, hello)), []int{1, 1}},
		{"ports reused in the middle", all(s.syn(), s.data(0, hello[:700]), again.syn(), again.data(0, hello)), []int{1}},
		{"ports reused, only hellos", all(s.data(0, hello), again.data(0, hello), s.data(5, hello)), []int{1, 1, 1}},
		{"hello from the server", all(s.syn(), server.data(0, hello)), []int{1}},
		{"with the next records in the same segment", all(s.syn(), s.data(0, early)), []int{1}},

		{"HelloRetryRequest", all(s.syn(), s.data(0, hello), server.data(0, serverHello), s.data(n, hrrHello(message)), s.data(2*n+6, finished)), []int{1, 2}},
		{"HelloRetryRequest, both in one segment", all(s.syn(), s.data(0, bytesOf(hello, hrrHello(message)))), []int{1, 2}},
		{"HelloRetryRequest, segments of 300 bytes", all(s.syn(), s.segments(bytesOf(hello, hrrHello(message)), 300)), []int{1, 2}},
		{"HelloRetryRequest, out of order", all(s.syn(), s.data(0, hello), s.data(n+6, hello[:700]), s.data(n, hrrHello(nil)[:6]), s.data(n+706, hello[700:])), []int{1, 2}},
		{"HelloRetryRequest, without ChangeCipherSpec", all(s.syn(), s.data(0, hello), s.data(n, hello)), []int{1, 2}},
		{"HelloRetryRequest, ChangeCipherSpec lost", all(s.syn(), s.data(0, hello), s.data(n+6, hello)), []int{1, 2}},
		{"HelloRetryRequest, part of the first hello lost", all(s.syn(), s.data(0, hello[:700]), s.data(n, hrrHello(nil)[:6]), s.data(n+6, hello)), []int{2}},

		{"STARTTLS", all(s.syn(), s.data(0, []byte("EHLO x\r\n")), s.data(8, []byte("STARTTLS\r\n")), s.data(18, hello)), []int{1}},
		{"STARTTLS, segments of 25 bytes", all(s.syn(), s.segments(bytesOf("EHLO x\r\nSTARTTLS\r\n", hello), 25)), []int{1}},
		{"STARTTLS, without SYN", all(s.data(8, []byte("STARTTLS\r\n")), s.data(18, hello[:700]), s.data(718, hello[700:])), []int{1}},
		{"STARTTLS, command lost", all(s.syn(), s.data(18, hello)), []int{1}},
		{"STARTTLS, 1-byte segments", all(s.syn(), s.segments(bytesOf("EHLO x\r\nSTARTTLS\r\n", hello), 1)), []int{1}},
		{"CONNECT in the same segment", all(s.syn(), s.data(0, bytesOf("CONNECT x:443 HTTP/1.1\r\n\r\n", hello))), []int{1}},
		{"SOCKS 5", all(s.syn(), s.data(0, []byte("\x05\x01\x00")), s.data(3, []byte("\x05\x01\x00\x01\x01\x02\x03\x04\x01\xbb")), s.data(13, hello)), []int{1}},
		{"PROXY v1", all(s.syn(), s.data(0, bytesOf("PROXY TCP4 1.2.3.4 5.6.7.8 22 22\r\n", hello))), []int{1}},
		{"PROXY v2", all(s.syn(), s.segments(bytesOf("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x16\x16\x16\x03", hello), 40)), []int{1}},
		{"preface that looks like a record", all(s.syn(), s.segments(bytesOf("\x16\x03\x01\x02\x00\x01\x00\x01\x00\x02\x16\x03\x01\x00", hello), 10)), []int{1}},
		{"preface that begins like OpenVPN", all(s.syn(), s.data(0, []byte{0, 0x20}), s.data(2, hello)), []int{1}},
		{"preface that begins like SSLv2", all(s.syn(), s.data(0, []byte{0x80}), s.data(1, hello)), []int{1}},
		{"preface that begins like a long SSLv2 hello", all(s.syn(), s.data(0, bytesOf("\xff\xfa\x01\x03\x01", uint16(0x7fd7), uint16(0), uint16(26))), s.data(11, hello)), []int{1}},
		{"padded acknowledgment before the hello", all(s.syn(), s.data(0, []byte{0, 0}), s.data(0, hello)), []int{1}},
		{"far into the connection, at the start of a segment", all(s.syn(), s.data(0, zeros), s.data(20000, hello)), []int{1}},

		{"one segment truncated by the snap length, and retransmitted", all(s.syn(), s.data(0, hello[:1000])[:540], s.data(1000, hello[1000:]), s.data(400, hello[400:1000])), []int{1}},

		{"one segment truncated by the snap length", all(s.syn(), s.data(0, hello[:1000])[:540], s.data(1000, hello[1000:])), nil},
		{"all segments truncated by the snap length", all(s.syn(), s.data(0, hello[:1000])[:96], s.data(1000, hello[1000:])[:96]), nil},
		{"record header only", all(s.syn(), s.data(0, hello[:5])), nil},
		{"a part missing", all(s.syn(), s.data(0, hello[:700]), s.data(800, hello[800:])), nil},
		{"last byte missing", all(s.syn(), s.data(0, hello[:n-1]), s.at(n-1, tcpFIN|tcpACK, nil)), nil},
		{"reset", all(s.syn(), s.data(0, hello[:700]), s.reset(700)), nil},
		{"forged reset", all(s.syn(), s.data(0, hello[:700]), s.reset(700), s.data(700, hello[700:])), []int{1}},
		{"far into the connection, inside a segment", all(s.syn(), s.data(0, zeros), s.data(20000, append([]byte{0}, hello...))), nil},
		{"inside a segment of an unknown connection", all(s.data(0, append([]byte{0}, hello...))), nil},
		{"ServerHello", all(s.syn(), s.data(0, serverHello)), nil},
		{"encrypted handshake", all(s.syn(), s.data(0, append([]byte{22, 3, 3, 0, 40}, zeros[:40]...))), nil},
		{"alert", all(s.syn(), s.data(0, []byte{21, 3, 3, 0, 2, 2, 40})), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var indexes []int
			hellos := readAll(t, rawPcap(test.packets...))
			for _, h := range hellos {
				assert.Equal(t, string(message), h.Message)
				indexes = append(indexes, h.Index)
			}
			assert.Equal(t, test.indexes, indexes)
		})
	}

	t.Run("two connections at once", func(t *testing.T) {
		s6 := side{client6, server6, 5}
		var packets [][]byte
		a, b := s.segments(record(message), 300), s6.segments(record(other), 300)
		for i := range a {
			packets = append(packets, a[i])
			if i < len(b) {
				packets = append(packets, b[i])
			}
		}
		hellos := readAll(t, rawPcap(packets...))
		require.Len(t, hellos, 2)
		slices.SortFunc(hellos, func(a, b found) int { return a.Src.Compare(b.Src) })
		assert.Equal(t, string(message), hellos[0].Message)
		assert.Equal(t, string(other), hellos[1].Message)
	})
}

// TestArrival checks what a Hello says of its records and segments.
func TestArrival(t *testing.T) {
	message := realHello(t, "chromium-156")
	s := side{client4, server4, 0x1000}
	type how struct {
		Records, Segments int
		Overlap           bool
		Packet            int64
		Version           int
	}
	differing := slices.Clone(message)
	differing[1000] ^= 1
	for _, test := range []struct {
		name    string
		packets [][]byte
		want    how
	}{
		{"one segment", all(s.syn(), s.data(0, record(message))), how{1, 1, false, 2, 0x301}},
		{"after a preface", all(s.syn(), s.data(0, []byte("STARTTLS")), s.data(8, record(message))), how{1, 1, false, 3, 0x301}},
		{"three segments", all(s.syn(), s.segments(record(message), 700)), how{1, 3, false, 4, 0x301}},
		{"three segments, in reverse order", all(s.syn(), s.data(1400, record(message)[1400:]), s.data(700, record(message)[700:1400]), s.data(0, record(message)[:700])), how{1, 3, false, 4, 0x301}},
		{"two records", all(s.syn(), s.data(0, records(message, 1000))), how{2, 1, false, 2, 0x301}},
		{"retransmitted part", all(s.syn(), s.data(0, record(message)[:700]), s.data(0, record(message)[:700]), s.data(700, record(message)[700:])), how{1, 2, false, 4, 0x301}},
		{"overlap", all(s.syn(), s.data(0, record(message)[:1200]), s.data(700, record(message)[700:])), how{1, 2, false, 3, 0x301}},
		{"keep-alive", all(s.syn(), s.data(0, record(message)[:1200]), s.data(1199, []byte{record(message)[1199] + 1}), s.data(1200, record(message)[1200:])), how{1, 2, false, 4, 0x301}},
		{"overlap that differs", all(s.syn(), s.data(0, record(message)[:1200]), s.data(700, record(differing)[700:])), how{1, 2, true, 3, 0x301}},
		{"overlap that differs, after a hole", all(s.syn(), s.data(700, record(message)[700:]), s.data(0, record(differing)[:1200])), how{1, 2, true, 3, 0x301}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []how
			stats, err := Read(t.Context(), file(rawPcap(test.packets...)), func(h *Hello) error {
				assert.Equal(t, string(message), string(h.ClientHello.Raw))
				got = append(got, how{h.Records, h.Segments, h.Overlap, h.Packet, int(h.RecordVersion)})
				return nil
			})
			require.NoError(t, err)
			assert.Equal(t, []how{test.want}, got)
			assert.Equal(t, test.want.Overlap, stats.Overlaps == 1)
		})
	}
}

// TestPrefix: the bytes before the first hello are counted if none is missing.
func TestPrefix(t *testing.T) {
	message := realHello(t, "chromium-156")
	hello := record(message)
	s := side{client4, server4, 0xfffffff0}
	connect := []byte("CONNECT a.test:443 HTTP/1.1\r\n\r\n")
	proxy := []byte("PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n")
	fake := bytesOf(recordHandshake, 0x03010005, 1, 0, uint16(1), 7) // a record that is no hello
	other := slices.Clone(message)
	other[messageHeader] = 9 // an unusual legacy_version
	other = append(other, 1) // one byte too many
	other[3]++
	for _, test := range []struct {
		name    string
		packets [][]byte
		want    []int64
	}{
		{"nothing", all(s.syn(), s.data(0, hello)), []int64{0}},
		{"STARTTLS", all(s.syn(), s.data(0, []byte("EHLO x\r\n")), s.data(8, []byte("STARTTLS\r\n")), s.data(18, hello)), []int64{18}},
		{"CONNECT in the same segment", all(s.syn(), s.data(0, bytesOf(connect, hello))), []int64{int64(len(connect))}},
		{"PROXY and CONNECT", all(s.syn(), s.segments(bytesOf(proxy, connect, hello), 100)), []int64{int64(len(proxy) + len(connect))}},
		{"segments of a byte", all(s.syn(), s.segments(bytesOf(connect, hello), 1)), []int64{int64(len(connect))}},
		{"a warning alert", all(s.syn(), s.data(0, bytesOf("\x15\x03\x01\x00\x02\x01\x70", hello))), []int64{7}},
		{"what resembles a hello", all(s.syn(), s.data(0, bytesOf(connect, fake, record(other), hello))), []int64{int64(len(connect) + len(fake) + len(record(other)))}},
		{"retransmitted", all(s.syn(), s.syn(), s.data(0, connect), s.data(0, connect), s.data(len(connect), hello)), []int64{int64(len(connect))}},
		{"out of order", all(s.syn(), s.data(4, connect[4:]), s.data(0, connect[:4]), s.data(len(connect), hello)), []int64{int64(len(connect))}},
		{"a second hello", all(s.syn(), s.data(0, bytesOf(connect, hello)), s.data(len(connect)+len(hello), hrrHello(message))), []int64{int64(len(connect)), 0}},
		{"without SYN", all(s.data(0, connect), s.data(len(connect), hello)), []int64{0}},
		{"a hole", all(s.syn(), s.data(0, connect[:4]), s.data(len(connect), hello)), []int64{0}},
		{"a new start", all(s.syn(), s.data(0, connect), s.data(2, hello)), []int64{0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []int64
			_, err := Read(t.Context(), file(rawPcap(test.packets...)), func(h *Hello) error {
				assert.Equal(t, string(message), string(h.ClientHello.Raw))
				assert.Equal(t, h.Prefix, h.Observation().Carrier.Prefix)
				got = append(got, h.Prefix)
				return nil
			})
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
		})
	}
}

// TestAnyOrder finds a hello in segments of any length, in any order, overlapping and
// retransmitted. The prefix is right, or not known.
func TestAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	messages := [][]byte{realHello(t, "chromium-156"), realHello(t, "firefox-153"), realHello(t, "python-tls12")}
	for range 400 {
		message := messages[r.IntN(len(messages))]
		stream := record(message)
		if r.IntN(2) == 0 {
			stream = records(message, 1+r.IntN(len(message)))
		}
		preface := make([]byte, r.IntN(3)*r.IntN(30))
		for i := range preface {
			preface[i] = []byte{22, 3, 1, 'x'}[r.IntN(4)]
		}
		stream = append(preface, stream...)
		s := side{client4, server4, r.Uint32()}
		packets := all(s.syn(), shuffled(r, s, stream))
		hellos := 0
		_, err := Read(t.Context(), file(rawPcap(packets...)), func(h *Hello) error {
			hellos++
			require.Equal(t, string(message), string(h.ClientHello.Raw))
			require.Contains(t, []int64{0, int64(len(preface))}, h.Prefix)
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, 1, hellos)
	}
}

// shuffled returns segments of a stream in any order.
func shuffled(r *rand.Rand, s side, stream []byte) [][]byte {
	var packets [][]byte
	size := 1 + r.IntN(len(stream))
	for at := 0; at < len(stream); {
		n := min(1+r.IntN(size), len(stream)-at)
		from := max(0, at-r.IntN(2)*r.IntN(20))
		packets = append(packets, s.data(from, stream[from:at+n]))
		if r.IntN(10) == 0 {
			packets = append(packets, packets[len(packets)-1])
		}
		at += n
	}
	if r.IntN(3) > 0 {
		r.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
	}
	return packets
}

// TestDecoy finds a hello of which a part looks like another hello, whatever the order
// of the segments.
func TestDecoy(t *testing.T) {
	decoy := realHello(t, "curl-openssl-3.0")
	whole := hellotest.Message(parser.VersionTLS12, []parser.CipherSuite{0xc02f},
		hellotest.Extension(0x1234, make([]byte, 600)), hellotest.Extension(0x1235, record(decoy)), hellotest.Extension(0x1236, make([]byte, 100)))
	stream := record(whole)
	at := bytes.Index(stream, record(decoy))
	end := at + len(record(decoy))
	s := side{client4, server4, 0x1000}
	parts := [][]byte{s.data(0, stream[:at]), s.data(at, stream[at:end]), s.data(end, stream[end:])}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}, {1, 0, 1, 2}, {1, 1, 2, 0, 0}, {2, 1, 0, 1, 2}} {
		packets := all(s.syn())
		for _, i := range order {
			packets = append(packets, parts[i])
		}
		hellos := map[string]int{}
		for _, h := range readAll(t, rawPcap(packets...)) {
			hellos[h.Message]++
		}
		assert.Equal(t, 1, hellos[string(whole)], order)
		assert.LessOrEqual(t, hellos[string(decoy)], 1, order)
		delete(hellos, string(whole))
		delete(hellos, string(decoy))
		assert.Empty(t, hellos, order)
	}
}

// TestLatePreface finds a hello once when a part of the preface comes after it.
func TestLatePreface(t *testing.T) {
	hello := record(realHello(t, "chromium-156"))
	preface := []byte("EHLO mail.example\r\nSTARTTLS\r\n")
	n := len(preface)
	s := side{client4, server4, 0x1000}
	packets := [][]byte{
		s.data(0, preface[:10]), s.data(10, preface[10:]),
		s.data(n, hello[:500]), s.data(n+500, hello[500:1000]), s.data(n+1000, hello[1000:]),
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		order := append(r.Perm(len(packets)), r.IntN(len(packets)), r.IntN(len(packets)))
		sent := all(s.syn())
		for _, i := range order {
			sent = append(sent, packets[i])
		}
		got := readAll(t, rawPcap(sent...))
		require.Len(t, got, 1, order)
		require.Equal(t, string(hello[5:]), got[0].Message, order)
	}
}

// TestCapturedTwice finds one hello in a connection that was captured twice, and the
// hello of another connection with the same ports and sequence numbers.
func TestCapturedTwice(t *testing.T) {
	s := side{client4, server4, 0x1000}
	whole := func(name string) []byte { return s.at(-1, tcpSYN|tcpFIN, record(realHello(t, name))) }
	chromium, firefox := whole("chromium-156"), whole("firefox-153")
	assert.Len(t, readAll(t, rawPcap(chromium, chromium, firefox, chromium, firefox)), 2)
}

// TestLostPreface drops a connection whose start was not captured before its end.
func TestLostPreface(t *testing.T) {
	hello := record(realHello(t, "curl-openssl-3.0"))
	bulk := append([]byte{recordApplicationData, 3, 3, 5, 0}, make([]byte, 0x500)...)
	r := newScanner(&Reader{}, func(*Hello) error { return nil })
	send := func(b []byte) {
		r.packet = packet{data: b, wire: len(b), link: LinkRaw, stamp: stamp{rate: 1e6}}
		r.scan()
	}
	s := side{client4, server4, 0x1000}
	send(s.syn())
	send(s.data(5, hello))
	assert.Equal(t, int64(1), r.stats.Hellos)
	for at := 5 + len(hello); at < 300<<10; at += len(bulk) {
		send(s.data(at, bulk))
	}
	assert.Zero(t, r.streams.young.used)
	assert.Zero(t, r.streams.byAge.Size())
}

// TestHoleIsBounded drops streams with holes that are never filled.
func TestHoleIsBounded(t *testing.T) {
	hello := record(realHello(t, "curl-openssl-3.0"))
	var packets [][]byte
	for i := range 3000 {
		s := side{addrPort(client4, i), server4, 0x1000}
		packets = append(packets, s.syn(), s.data(5, hello), s.data(3000, hello), s.data(9000, hello))
	}
	got, _, err := read(t, &Reader{MaxMemory: 1 << 20}, rawPcap(packets...))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(got), 3000)
}

// TestReverseOrder finds a hello in 20,000 segments in reverse order.
func TestReverseOrder(t *testing.T) {
	hello := records(realHello(t, "chromium-156")[:1700], 1)
	hello = append(hello, records(realHello(t, "chromium-156")[1700:], 1)...)
	s := side{client4, server4, 1}
	preface := make([]byte, 20000-len(hello))
	packets := s.segments(append(preface, hello...), 1)
	require.Len(t, packets, 20000)
	slices.Reverse(packets)
	assert.Len(t, readAll(t, rawPcap(append([][]byte{s.syn()}, packets...)...)), 1)
}

// TestHoles reads the most expensive input in reasonable time: segments with a hole
// between any two, and empty and short records.
func TestHoles(t *testing.T) {
	s := side{client4, server4, 1}
	packets := [][]byte{s.syn()}
	for i := range 100000 {
		packets = append(packets, s.data(300000-2*i, []byte{22}))
	}
	for i := range 30000 {
		packets = append(packets, side{client6, server6, 1}.data(5*i, []byte("\x16\x03\x01\x00\x00")))
	}
	short := bytes.Repeat([]byte("\x16\x03\x01\x00\x01\x16"), 200)
	for i := range 10000 {
		packets = append(packets, side{addrPort(client4, i), server4, 1}.syn(), side{addrPort(client4, i), server4, 1}.data(0, short))
	}
	assert.Empty(t, readAll(t, rawPcap(packets...)))
}

// TestMemory drops and counts half-open connections and parts of hellos, the oldest
// first, when they take too much memory.
func TestMemory(t *testing.T) {
	const streams = 40000
	hello := record(realHello(t, "chromium-156"))
	var packets [][]byte
	at := func(i int) side { return side{addrPort(client4, i), server4, uint32(i)} }
	for i := range streams {
		packets = append(packets, at(i).syn())
	}
	for _, i := range []int{0, streams - 1} {
		packets = append(packets, at(i).data(0, hello[:1000]), at(i).data(1000, hello[1000:]))
	}
	r := &Reader{MaxMemory: 1 << 20}
	hellos, stats, err := read(t, r, rawPcap(packets...))
	require.NoError(t, err)
	assert.Len(t, hellos, 2) // that of the first connection starts a segment
	assert.InDelta(t, streams-18000, stats.DroppedStreams, 8000)
	assert.Zero(t, stats.DroppedHellos)

	// Parts of hellos.
	packets = packets[:0]
	for i := range 1000 {
		packets = append(packets, at(i).data(0, hello[:1000]))
	}
	for i := range 1000 {
		packets = append(packets, at(i).data(1000, hello[1000:]))
	}
	hellos, stats, err = read(t, r, rawPcap(packets...))
	require.NoError(t, err)
	assert.InDelta(t, 120, len(hellos), 30)
	assert.Equal(t, int64(1000-len(hellos)), stats.DroppedHellos)
	assert.Equal(t, addrPort(client4, 1000-len(hellos)), hellos[0].Src, "the oldest are dropped")

	// The default limit has room for all.
	hellos, stats, err = read(t, new(Reader), rawPcap(packets...))
	require.NoError(t, err)
	assert.Len(t, hellos, 1000)
	assert.Zero(t, stats.DroppedStreams)
}

// TestIncomplete counts an incomplete hello once, however the connection ends.
func TestIncomplete(t *testing.T) {
	hello := record(realHello(t, "chromium-156"))
	s := side{client4, server4, 1}
	for name, packets := range map[string][][]byte{
		"end of file":  all(s.syn(), s.data(0, hello[:700])),
		"FIN":          all(s.syn(), s.data(0, hello[:700]), s.at(700, tcpFIN|tcpACK, nil)),
		"reset":        all(s.syn(), s.data(0, hello[:700]), s.reset(700)),
		"ports reused": all(s.syn(), s.data(0, hello[:700]), side{client4, server4, 1 << 30}.syn()),
	} {
		_, stats, err := read(t, new(Reader), rawPcap(packets...))
		require.NoError(t, err)
		assert.Equal(t, int64(1), stats.Incomplete, name)
	}
}

// TestAllocations requires that packets without hellos, and hellos in one segment,
// allocate nothing.
func TestAllocations(t *testing.T) {
	s := newScanner(new(Reader), func(*Hello) error { return nil })
	tcp := side{client4, server4, 1}
	hello := tcp.data(0, record(realHello(t, "chromium-156")))
	for name, p := range map[string][]byte{
		"acknowledgment": tcp.data(1, nil),
		"data":           side{server4, client4, 1}.data(5, make([]byte, 1000)),
		"DNS":            udp(client4, server4, make([]byte, 50)),
		"hello again":    hello,
	} {
		s.packet = packet{data: ipFrame(p), wire: len(p) + 14, link: LinkEthernet, stamp: stamp{rate: 1}}
		s.scan()
		assert.Zero(t, testing.AllocsPerRun(100, s.scan), name)
	}

	// A new connection with its hello, after the tables and the ClientHello have grown.
	syn, reset := tcp.syn(), tcp.reset(len(hello)-40)
	n := uint16(0)
	allocations := testing.AllocsPerRun(1000, func() {
		n++
		for _, p := range [...][]byte{syn, hello, reset} {
			p[20], p[21] = byte(n>>8), byte(n)
			s.packet = packet{data: p, wire: len(p), link: LinkRaw, stamp: stamp{rate: 1}}
			s.scan()
		}
	})
	assert.Zero(t, allocations)
	assert.Greater(t, s.stats.Hellos, int64(1000))
}
