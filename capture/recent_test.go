package capture

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// A shown hello has what tests of hellos at the same place compare.
type shown struct {
	message string
	index   int
	overlap bool
	prefix  int64
}

func showAll(t testing.TB, packets [][]byte) (list []shown) {
	t.Helper()
	_, err := Read(t.Context(), file(rawPcap(packets...)), func(h *Hello) error {
		list = append(list, shown{string(h.ClientHello.Raw), h.Index, h.Overlap, h.Prefix})
		return nil
	})
	require.NoError(t, err)
	return list
}

// withName returns a hello with a server name and n bytes of padding.
func withName(name string, n int) []byte {
	return hellotest.Message(parser.VersionTLS12, []parser.CipherSuite{0xc02f, 0xc030},
		hellotest.Extension(parser.ExtServerName, hellotest.ServerName([]byte(name))),
		hellotest.Extension(parser.ExtPadding, make([]byte, n)))
}

// pieces returns a stream in n segments, from an offset in the stream on.
func pieces(s side, offset int, b []byte, n int) [][]byte {
	return s.segmentsAt(offset, b, (len(b)+n-1)/n)
}

// TestSamePlace finds both hellos that are sent at the same place, in any order, with
// or without a SYN, whole or in segments.
func TestSamePlace(t *testing.T) {
	chromium, curl := realHello(t, "chromium-156"), realHello(t, "curl-openssl-3.0")
	s := side{client4, server4, 0xffffff00}
	pairs := map[string][2][]byte{
		"other clients":                {chromium, curl},
		"the same random, same length": {withName("hidden.example.com", 900), withName("public.example.com", 900)},
		"the same random, longer":      {withName("a.example", 400), withName("www.public.example", 1100)},
		"another first half":           {withName("hidden.example.com", 1200), withName("public.example.com", 1200)},
	}
	for name, pair := range pairs {
		for _, first := range []int{0, 1} {
			a, b := pair[first], pair[1-first]
			for n := 1; n <= 4; n++ {
				for m := 1; m <= 4; m++ {
					for _, preface := range []string{"", "EHLO a.example\r\nSTARTTLS\r\n"} {
						for _, syn := range []bool{true, false} {
							at := len(preface)
							before := all()
							if syn {
								before = append(before, s.syn())
							}
							if at > 0 {
								before = append(before, s.data(0, []byte(preface)))
							}
							packets := slices.Concat(before, pieces(s, at, record(a), n), pieces(s, at, record(b), m), pieces(s, at, record(a), 1))
							got := showAll(t, packets)
							what := fmt.Sprintf("%s, %d first, %d and %d segments, preface %q, SYN %t", name, first, n, m, preface, syn)
							require.Len(t, got, 2, what)
							assert.Equal(t, string(a), got[0].message, what)
							assert.Equal(t, string(b), got[1].message, what)
							assert.False(t, got[0].overlap, what)
							assert.True(t, got[1].overlap, what)
							assert.Equal(t, []int{1, 1}, []int{got[0].index, got[1].index}, what)
							assert.Equal(t, got[0].prefix, got[1].prefix, what)
						}
					}
				}
			}
		}
	}
}

// TestSamePlaceInAnyOrder sends one hello, and then the other in segments in any
// order, with retransmissions of both.
func TestSamePlaceInAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	a, b := realHello(t, "chromium-156"), withName("public.example.com", 1500)
	s := side{client4, server4, 5}
	for i := range 2000 {
		first, second := record(a), record(b)
		if r.IntN(2) == 0 {
			first, second = second, first
		}
		parts := shuffled(r, s, second)
		for range r.IntN(3) {
			parts = slices.Insert(parts, r.IntN(len(parts)+1), s.data(0, first))
		}
		got := showAll(t, all(s.syn(), s.data(0, first), parts))
		require.Len(t, got, 2, i)
		require.Equal(t, string(first[recordHeader:]), got[0].message, i)
		require.Equal(t, string(second[recordHeader:]), got[1].message, i)
		require.True(t, got[1].overlap, i)
	}
}

// TestDesync has what programs send that hide the hello from who reads along.
func TestDesync(t *testing.T) {
	fake, hello := record(withName("public.example.com", 700)), record(withName("hidden.example.com", 700))
	other := record(realHello(t, "curl-openssl-3.0"))
	junk := func(n int) []byte { return make([]byte, n) }
	s := side{client4, server4, 0x1000}
	server := side{server4, client4, 0x9000}
	n, k := len(hello), 400
	name := 60 // an offset in the hello that is before its server name, in the first half
	for _, test := range []struct {
		name    string
		packets [][]byte
		want    int  // hellos
		overlap bool // of one of them
	}{
		{"fake and real", all(s.syn(), s.data(0, fake), s.data(0, hello)), 2, true},
		{"six fakes and the real one", all(s.syn(), s.data(0, fake), s.data(0, fake), s.data(0, fake), s.data(0, fake), s.data(0, fake), s.data(0, fake), s.data(0, hello), s.data(0, hello)), 2, true},
		{"fake, reset and real", all(s.syn(), s.data(0, fake), s.reset(n), s.data(0, hello)), 2, true},
		{"fake, reset with the first number and real", all(s.syn(), s.data(0, fake), s.reset(0), s.data(0, hello)), 2, true},
		{"fake in the SYN", all(s.at(-1, tcpSYN, fake), s.data(0, hello)), 2, true},
		{"three hellos", all(s.syn(), s.data(0, fake), s.data(0, other), s.data(0, hello), s.data(0, other), s.data(0, fake), s.data(0, hello)), 3, true},
		{"fakedsplit with parts of a hello", all(s.syn(), s.data(0, fake[:k]), s.data(0, hello[:k]), s.data(0, fake[:k]), s.data(k, fake[k:]), s.data(k, hello[k:]), s.data(k, fake[k:])), 1, true},
		{"fakedsplit with zeros", all(s.syn(), s.data(0, junk(k)), s.data(0, hello[:k]), s.data(0, junk(k)), s.data(k, junk(n-k)), s.data(k, hello[k:]), s.data(k, junk(n-k))), 1, true},
		{"zeros and the first half", all(s.syn(), s.data(0, junk(k)), s.data(0, hello[:k]), s.data(k, hello[k:])), 1, true},
		{"fakeddisorder", all(s.syn(), s.data(k, fake[k:]), s.data(k, hello[k:]), s.data(k, fake[k:]), s.data(0, fake[:k]), s.data(0, hello[:k]), s.data(0, fake[:k])), 2, true},
		{"only the second half faked", all(s.syn(), s.data(0, hello[:name]), s.data(name, fake[name:]), s.data(name, hello[name:])), 2, true},
		{"only the second half faked, the real one in two", all(s.syn(), s.data(0, hello[:name]), s.data(name, fake[name:]), s.data(name, hello[name:k]), s.data(k, hello[k:])), 2, true},
		{"only the first half faked", all(s.syn(), s.data(0, fake[:k]), s.data(0, hello[:k]), s.data(k, hello[k:])), 1, true},
		{"fake, and the real one from behind", all(s.syn(), s.data(0, fake), s.data(k, hello[k:]), s.data(0, hello[:k])), 2, true},
		{"a record header that leads nowhere", all(s.syn(), s.data(0, []byte("\x16\x03\x01\x00\x30\x01\x00")), s.data(0, hello)), 1, true},
		{"seqovl", all(s.syn(), s.data(-9, bytesOf(junk(9), hello[:k])), s.data(k, hello[k:])), 1, true},
		{"seqovl with a fake", all(s.syn(), s.data(-len(fake), bytesOf(fake, hello))), 1, true},
		{"seqovl with a part of a fake", all(s.syn(), s.data(-k, bytesOf(fake[:k], hello[:k])), s.data(k, hello[k:])), 1, true},
		{"seqovl after a fake", all(s.syn(), s.data(0, fake), s.data(-5, bytesOf(junk(5), hello))), 2, true},

		{"retransmitted", all(s.syn(), s.data(0, hello), s.data(0, hello)), 1, false},
		{"retransmitted in parts", all(s.syn(), s.data(0, hello), s.segments(hello, 300)), 1, false},
		{"retransmitted in parts, from behind", all(s.syn(), s.segments(hello, 500), s.data(500, hello[500:]), s.data(0, hello[:500])), 1, false},
		{"retransmitted together", all(s.syn(), s.segments(hello, 500), s.data(0, hello)), 1, false},
		{"retransmitted with what follows", all(s.syn(), s.data(0, hello), s.data(n, hrrHello(nil)[:6]), s.data(0, bytesOf(hello, hrrHello(nil)[:6]))), 1, false},
		{"retransmitted after a reset", all(s.syn(), s.data(0, hello), s.reset(n), s.data(0, hello)), 1, false},
		{"keep-alive", all(s.syn(), s.data(0, hello), s.data(n-1, []byte{1})), 1, false},
		{"the server's data", all(s.syn(), s.data(0, hello), server.data(0, junk(100)), server.data(50, junk(100))), 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := showAll(t, test.packets)
			require.Len(t, got, test.want)
			assert.Equal(t, test.overlap, slices.ContainsFunc(got, func(h shown) bool { return h.overlap }))
			for _, h := range got {
				assert.Equal(t, 1, h.index)
			}
		})
	}
}

// TestForgedEnd goes on after a RST or FIN with exactly the expected sequence number.
func TestForgedEnd(t *testing.T) {
	hello, second := record(realHello(t, "chromium-156")), realHello(t, "curl-openssl-3.0")
	s := side{client4, server4, 0x1000}
	again := side{client4, server4, 0x1000 + 900}
	server := side{server4, client4, 0x9000}
	n, k := len(hello), 700
	fin := func(offset int) []byte { return s.at(offset, tcpFIN|tcpACK, nil) }
	fromServer := func(offset int) []byte { // acknowledges what the client has sent
		p := server.at(0, tcpRST|tcpACK, nil)
		ack := s.isn + 1 + uint32(offset)
		copy(p[ipMinHeader+8:], bytesOf(ack))
		return p
	}
	for _, test := range []struct {
		name    string
		packets [][]byte
		indexes []int
	}{
		{"RST from the client", all(s.syn(), s.data(0, hello[:k]), s.reset(k), s.data(k, hello[k:])), []int{1}},
		{"RST from the server", all(s.syn(), s.data(0, hello[:k]), fromServer(k), s.data(k, hello[k:])), []int{1}},
		{"RST from both, three times", all(s.syn(), s.data(0, hello[:k]), s.reset(k), fromServer(k), s.reset(k), fromServer(k), s.reset(k), s.data(k, hello[k:])), []int{1}},
		{"RST between any two segments", all(s.syn(), s.reset(0), s.data(0, hello[:k]), s.reset(k), s.data(k, hello[k:1000]), s.reset(1000), s.data(1000, hello[1000:])), []int{1}},
		{"RST before a segment out of order", all(s.syn(), s.data(k, hello[k:]), s.reset(0), s.data(0, hello[:k])), []int{1}},
		{"FIN", all(s.syn(), s.data(0, hello[:k]), fin(k), s.data(k, hello[k:])), []int{1}},
		{"FIN with data", all(s.syn(), s.at(0, tcpFIN|tcpACK, hello[:k]), s.data(k, hello[k:])), []int{1}},
		{"RST, then all again", all(s.syn(), s.data(0, hello[:k]), s.reset(k), s.data(0, hello)), []int{1}},
		{"RST after a hello", all(s.syn(), s.data(0, hello), s.reset(n), s.data(n, record(second))), []int{1, 2}},
		{"RST after a hello, with a ChangeCipherSpec", all(s.syn(), s.data(0, hello), fromServer(n), s.data(n, hrrHello(second))), []int{1, 2}},
		{"RST after a hello, with a ChangeCipherSpec of its own", all(s.syn(), s.data(0, hello), fromServer(n), s.data(n, hrrHello(second)[:6]), s.data(n+6, record(second))), []int{1, 2}},
		{"RST in the second hello", all(s.syn(), s.data(0, hello), s.data(n, hrrHello(second)[:99]), fromServer(n+99), s.data(n+99, hrrHello(second)[99:])), []int{1, 2}},
		{"FIN after a hello", all(s.syn(), s.data(0, hello), fin(n), s.data(n, hrrHello(second))), []int{1, 2}},

		{"ports reused at once", all(s.syn(), s.data(0, hello[:k]), s.reset(k), again.syn(), again.data(0, record(second))), []int{1}},
		{"ports reused, the sequence numbers near", all(again.syn(), again.data(0, hello[:k]), again.reset(k), s.syn(), s.data(0, record(second))), []int{1}},
		{"ports reused without SYN", all(s.syn(), s.data(0, hello[:k]), s.reset(k), again.data(0, record(second))), []int{1}},
		{"ports reused after a hello", all(s.syn(), s.data(0, hello), s.reset(n), again.syn(), again.data(0, record(second))), []int{1, 1}},
		{"FIN, ports reused", all(s.syn(), s.data(0, hello[:k]), fin(k), again.syn(), again.data(0, record(second))), []int{1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var indexes []int
			for _, h := range showAll(t, test.packets) {
				indexes = append(indexes, h.index)
			}
			assert.Equal(t, test.indexes, indexes)
		})
	}
}

// TestSecondHelloSamePlace keeps the index of a hello that another one was sent before.
func TestSecondHelloSamePlace(t *testing.T) {
	fake, hello := record(withName("public.example.com", 700)), record(withName("hidden.example", 300))
	second, otherSecond := withName("hidden.example", 600), withName("public.example", 200)
	s := side{client4, server4, 0x1000}
	indexes := func(packets [][]byte) (list []int) {
		for _, h := range showAll(t, packets) {
			list = append(list, h.index)
		}
		return list
	}
	for _, n := range []int{len(fake), len(hello)} { // whichever the server took
		for _, first := range [][]byte{fake, hello} {
			other := hello
			if &first[0] == &hello[0] {
				other = fake
			}
			for _, next := range [][]byte{record(second), hrrHello(second)} {
				assert.Equal(t, []int{1, 1, 2}, indexes(all(s.syn(), s.data(0, first), s.data(0, other), s.data(n, next))), "%d %d", n, len(first))
			}
		}
	}
	n := len(hello)
	assert.Equal(t, []int{1, 2, 2}, indexes(all(s.syn(), s.data(0, hello), s.data(n, hrrHello(otherSecond)), s.data(n+6, record(second)))))
}

// TestRecentIsBounded sends many hellos at the same place.
func TestRecentIsBounded(t *testing.T) {
	s := side{client4, server4, 0x1000}
	packets := all(s.syn())
	for i := range 3000 {
		packets = append(packets, s.data(0, record(withName(fmt.Sprintf("%04d.example", i), 500))))
		for j := range 5 {
			packets = append(packets, s.data(60+100*j, []byte{byte(i), byte(j), 0, 1, 2, 3}))
		}
	}
	examined, came := examine(packets)
	assert.LessOrEqual(t, examined, maxExamined*came)

	sc := newScanner(new(Reader), func(*Hello) error { return nil })
	for _, p := range packets {
		sc.packet = packet{data: p, wire: len(p), link: LinkRaw, stamp: stamp{rate: 1}}
		sc.scan()
		requireStreams(t, &sc.streams)
	}
	assert.LessOrEqual(t, len(sc.streams.recent.buf), recentBytes)
	assert.Len(t, sc.streams.recent.entries, recentEntries)
	assert.Equal(t, int64(3000), sc.stats.Hellos)
}
