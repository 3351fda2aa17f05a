package capture

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

// looksPerByte bounds how many bytes of a TCP stream are examined or copied for each
// byte that arrives, whatever the stream. Most of them are headers of short records:
// up to sniffRecords are read at each place where a hello may begin.
const looksPerByte = 256

// looks returns how many bytes are examined for packets, and how many bytes of
// payload the packets have.
func looks(packets [][]byte) (looked, came int) {
	s := newScanner(new(Reader), func(*Hello) error { return nil })
	for _, p := range packets {
		s.packet = packet{data: p, wire: len(p), link: LinkRaw, stamp: stamp{rate: 1}}
		s.scan()
		came += len(p) - ipMinHeader - tcpMinHeader
	}
	return s.examined, came
}

// header returns a record header.
func header(length int) []byte { return []byte{recordHandshake, 3, 1, byte(length >> 8), byte(length)} }

// parallelChains returns a stream in which many hellos seem to begin, 16 bytes
// apart, each in a chain of records of its own. The headers of a chain lie in the
// records of the others. At the end of the stream the chains end one by one.
func parallelChains(chains, blocks int) []byte {
	const space = 16
	block := space * chains
	stream := make([]byte, block*(blocks+1))
	for c := range chains {
		for b := range blocks {
			at := b*block + c*space
			copy(stream[at:], header(block-recordHeader))
			if b == 0 {
				copy(stream[at+recordHeader:], "\x01\x00\xff\xff\x03\x03")
			}
		}
	}
	return stream
}

// TestLooks: the work for a stream in which many hellos seem to begin is linear in
// its length, however it is cut.
func TestLooks(t *testing.T) {
	repeated := func(s string, n int) []byte { return bytes.Repeat([]byte(s), n/len(s)+1)[:n] }
	c := side{client4, server4, 7}
	long := repeated("\x01\x00\xff\xff\x03", 65000)
	for name, stream := range map[string][]byte{
		"beginnings in records of one byte": bytesOf(records(long, 1), "\x17\x03\x03"),
		"of two":                            bytesOf(records(long, 2), "\x17\x03\x03"),
		"of five":                           bytesOf(records(long, 5), "\x17\x03\x03"),
		"of 30":                             bytesOf(records(long, 30), "\x17\x03\x03"),
		"with an unusual legacy_version":    bytesOf(records(repeated("\x01\x00\xff\x01", 60000), 1), "\x17\x03\x03"),
		"whose lengths do not fit":          records(repeated("\x01\x00\x05", 60000), 3),
		"that are short":                    records(repeated("\x01\x00\x00\x40", 60000), 1),
		"record headers alone":              repeated("\x16\x03\x01", 300000),
		"headers in headers":                repeated("\x16\x00\x16\x00\x05\x01\x00\x01\x00", 300000),
		"empty records":                     bytesOf(record(long[:100]), repeated("\x16\x03\x01\x00\x00", 300000)),
		"empty records at first":            repeated("\x16\x03\x01\x00\x00", 300000),
		"alerts between the records":        withAlerts(records(long[:8000], 1), 6, 1),
		"as many alerts as there may be":    withAlerts(records(long[:2000], 1), 6, maxAlerts),
		"too many alerts":                   withAlerts(records(long[:2000], 1), 6, maxAlerts+1),
		"alerts alone":                      repeated("\x15\x03\x01\x00\x02\x01\x16", 300000),
		"alerts before each record":         repeated("\x15\x03\x01\x00\x02\x01\x5a\x16\x03\x01\x00\x01\x01", 300000),
		"parts of message headers":          repeated("\x16\x03\x01\x00\x02\x01\x00", 300000),
		"one record after the other":        bytesOf(header(30), long[:30], repeated("\x16\x03\x01\x40\x00", 300000), "\x17"),
		"one in a record of the other":      parallelChains(1000, 4),
		"one in a record of the other, 300": parallelChains(300, 13),
		"one in a record of the other, 50":  parallelChains(50, 80),
	} {
		for _, n := range []int{1, 7, 100, 1400, 60000} {
			if n == 1 && len(stream) > 100000 {
				continue
			}
			looked, came := looks(all(c.syn(), c.segments(stream, n)))
			assert.LessOrEqual(t, looked, looksPerByte*came, "%s, in segments of %d bytes", name, n)
			t.Logf("%s, in segments of %d bytes: %.1f", name, n, float64(looked)/float64(came))
		}
	}
}

// hostile returns a random stream of parts of record and message headers.
func hostile(r *rand.Rand, n int) []byte {
	var stream []byte
	tokens := []string{"\x16", "\x03\x01", "\x00", "\x01\x00", "\x01\x00\x01\x00", "\x01\x00\xff\xff\x03\x03", "\x16\x03\x01\x00\x01", "\x16\x03\x01\x00\x00", "\x16\x03\x01\x00\x02", "\x16\x00\x16\x00", "\x15\x03\x01\x00\x02\x01\x00", "\x14\x03\x03\x00\x01\x01"}
	var some []string
	for range 1 + r.IntN(6) {
		some = append(some, tokens[r.IntN(len(tokens))])
	}
	for len(stream) < n {
		stream = append(stream, some[r.IntN(len(some))]...)
	}
	if r.IntN(2) == 0 {
		stream = records(stream[:n/4], 1+r.IntN(20))
	}
	return stream[:min(n, len(stream))]
}

// TestLooksAtRandom is TestLooks for random streams, in segments in any order.
func TestLooksAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	c := side{client4, server4, 7}
	worst := 0
	for i := range 3000 {
		stream := hostile(r, 100+r.IntN(20000))
		packets := all(c.syn(), shuffled(r, c, stream))
		looked, came := looks(packets)
		require.LessOrEqual(t, looked, looksPerByte*came, i)
		worst = max(worst, looked/came)
	}
	t.Logf("at most %d looks a byte", worst)
}

// slowSearch returns the first hello in a stream, if any. It tries one byte after
// the other, and assembles what may begin there from scratch.
func slowSearch(stream []byte) (hellos []string) {
search:
	for at := 0; at < len(stream); {
		switch sniff(stream[at:]) {
		case noHello:
			at++
			continue
		case unusual:
			for i := at + 1; i < len(stream); i++ {
				if v := sniff(stream[i:]); v == likely || v == isHello {
					at = i
					continue search
				}
			}
		}
		var a parser.RecordAssembler
		message, used, err := a.Next(stream[at:])
		switch {
		case err != nil:
			at++
		case message == nil:
			return hellos // later bytes may complete it
		default:
			if h, err := parser.Parse(message); err == nil && acceptable(h, nil) {
				return append(hellos, string(message)) // a second one is searched for in another way
			}
			at += used
		}
	}
	return hellos
}

// TestSearch compares the search with a slow one, in streams in which many hellos
// seem to begin before a real one does.
func TestSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	hello := realHello(t, "python-tls12")
	c := side{client4, server4, 7}
	found, hidden := 0, 0
	for i := range 5000 {
		stream := append(hostile(r, 1+r.IntN(6000)), "\x00"...)
		if sniff(stream) != noHello { // a malformed hello at the start of a connection is reported
			stream[0]++
		}
		stream = append(stream, records(hello, 1+r.IntN(len(hello)))...)
		stream = append(stream, hostile(r, 1+r.IntN(2000))...)
		want := slowSearch(stream)
		var got []string
		packets := all(c.syn())
		for from := 0; from < len(stream); {
			to := min(from+1+r.IntN(len(stream)), len(stream))
			for to < len(stream) && stream[to] == recordHandshake { // so is one at the start of a segment
				to++
			}
			packets = append(packets, c.data(from, stream[from:to]))
			from = to
		}
		for _, h := range readAll(t, rawPcap(packets...)) {
			if h.Index == 1 {
				got = append(got, h.Message)
			}
		}
		require.Equal(t, want, got, i)
		if len(got) > 0 {
			found++
		} else {
			hidden++
		}
	}
	assert.Greater(t, found, 1000)
	assert.Greater(t, hidden, 100)
}
