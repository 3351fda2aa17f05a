package capture

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

// maxExamined is how many bytes of a TCP stream are examined or copied at most for
// each byte that comes. Most of them are headers of short records: up to sniffRecords
// are read wherever a hello may start.
const maxExamined = 256

// examine returns how many bytes are examined when packets are scanned, and how many
// bytes of payload they have.
func examine(packets [][]byte) (examined, came int) {
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

// parallelChains returns a stream in which many hellos seem to start, 16 bytes apart,
// each in its own chain of records. The headers of a chain are in the records of the
// others. At the end of the stream the chains end one after the other.
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

// TestExamined requires that the work for a stream in which many hellos seem to start
// is linear in its length, whatever its segments.
func TestExamined(t *testing.T) {
	repeated := func(s string, n int) []byte { return bytes.Repeat([]byte(s), n/len(s)+1)[:n] }
	c := side{client4, server4, 7}
	long := repeated("\x01\x00\xff\xff\x03", 65000)
	for name, stream := range map[string][]byte{
		"starts in records of one byte":   bytesOf(records(long, 1), "\x17\x03\x03"),
		"starts in records of two bytes":  bytesOf(records(long, 2), "\x17\x03\x03"),
		"starts in records of five bytes": bytesOf(records(long, 5), "\x17\x03\x03"),
		"starts in records of 30 bytes":   bytesOf(records(long, 30), "\x17\x03\x03"),
		"unusual legacy_version":          bytesOf(records(repeated("\x01\x00\xff\x01", 60000), 1), "\x17\x03\x03"),
		"inconsistent lengths":            records(repeated("\x01\x00\x05", 60000), 3),
		"short messages":                  records(repeated("\x01\x00\x00\x40", 60000), 1),
		"only record headers":             repeated("\x16\x03\x01", 300000),
		"headers in headers":              repeated("\x16\x00\x16\x00\x05\x01\x00\x01\x00", 300000),
		"empty records":                   bytesOf(record(long[:100]), repeated("\x16\x03\x01\x00\x00", 300000)),
		"messages with a body":            repeated("POST / HTTP/1.1\r\nContent-Length:1\r\n\r\nx", 16000),
		"a long head":                     bytesOf("GET / HTTP/1.1\r\n", repeated("a:b\r\n", 16000)),
		"magic numbers":                   repeated("\xa1\xb2\xa1\x0a\x0d\x0d\x0a\x1a", 16000),
		"hellos after headers of TCP":     repeated("\x50\x10\x50\x10\x50\x10\x00\x00\x00\x00\x16\x03\x01", 16000),
		"only empty records":              repeated("\x16\x03\x01\x00\x00", 300000),
		"alerts between the records":      withAlerts(records(long[:8000], 1), 6, 1),
		"maxAlerts alerts between":        withAlerts(records(long[:2000], 1), 6, maxAlerts),
		"too many alerts":                 withAlerts(records(long[:2000], 1), 6, maxAlerts+1),
		"only alerts":                     repeated("\x15\x03\x01\x00\x02\x01\x16", 300000),
		"alerts before each record":       repeated("\x15\x03\x01\x00\x02\x01\x5a\x16\x03\x01\x00\x01\x01", 300000),
		"parts of message headers":        repeated("\x16\x03\x01\x00\x02\x01\x00", 300000),
		"consecutive records":             bytesOf(header(30), long[:30], repeated("\x16\x03\x01\x40\x00", 300000), "\x17"),
		"1000 parallel chains":            parallelChains(1000, 4),
		"300 parallel chains":             parallelChains(300, 13),
		"50 parallel chains":              parallelChains(50, 80),
	} {
		for _, n := range []int{1, 7, 100, 1400, 60000} {
			if n == 1 && len(stream) > 100000 {
				continue
			}
			examined, came := examine(all(c.syn(), c.segments(stream, n)))
			assert.LessOrEqual(t, examined, maxExamined*came, "%s, in segments of %d bytes", name, n)
			t.Logf("%s, in segments of %d bytes: %.1f", name, n, float64(examined)/float64(came))
		}
	}
}

// hostile returns a random stream of parts of record and message headers.
func hostile(r *rand.Rand, n int) []byte {
	var stream []byte
	tokens := []string{"\x16", "\x03\x01", "\x00", "\x01\x00", "\x01\x00\x01\x00", "\x01\x00\xff\xff\x03\x03", "\x16\x03\x01\x00\x01", "\x16\x03\x01\x00\x00", "\x16\x03\x01\x00\x02", "\x16\x00\x16\x00", "\x15\x03\x01\x00\x02\x01\x00", "\x14\x03\x03\x00\x01\x01"}
	var chosen []string
	for range 1 + r.IntN(6) {
		chosen = append(chosen, tokens[r.IntN(len(tokens))])
	}
	for len(stream) < n {
		stream = append(stream, chosen[r.IntN(len(chosen))]...)
	}
	if r.IntN(2) == 0 {
		stream = records(stream[:n/4], 1+r.IntN(20))
	}
	return stream[:min(n, len(stream))]
}

// TestExaminedAtRandom is TestExamined for random streams in segments in any order.
func TestExaminedAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	c := side{client4, server4, 7}
	worst := 0
	for i := range 3000 {
		stream := hostile(r, 100+r.IntN(20000))
		packets := all(c.syn(), shuffled(r, c, stream))
		examined, came := examine(packets)
		require.LessOrEqual(t, examined, maxExamined*came, i)
		worst = max(worst, examined/came)
	}
	t.Logf("at most %d bytes examined for each", worst)
}

// slowSearch returns the hellos in a stream. It tries each offset and assembles the
// records there from the start. sure is false if they depend on the segments, because
// something other than records follows a hello.
func slowSearch(stream []byte) (hellos []string, sure bool) {
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
			return hellos, true // more bytes could complete it
		default:
			if h, err := parser.Parse(message); err == nil && acceptable(h, nil) {
				return append(hellos, string(message)), new(scanner).mayFollowHello(stream[at+used:]) // the second hello is found in another way
			}
			at += used
		}
	}
	return hellos, true
}

// TestSearch compares the search with a slow one, in streams in which many hellos
// seem to start before a real one.
func TestSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 19))
	hello := realHello(t, "python-tls12")
	c := side{client4, server4, 7}
	found, hidden := 0, 0
	for i := range 5000 {
		stream := append(hostile(r, 1+r.IntN(6000)), "\x00"...)
		if sniff(stream) != noHello { // a malformed hello at the start of a connection is emitted
			stream[0]++
		}
		stream = append(stream, records(hello, 1+r.IntN(len(hello)))...)
		after := hostile(r, 1+r.IntN(2000))
		stream = append(stream, bytesOf(recordApplicationData, 3, 3, uint16(len(after)), after)...)
		want, sure := slowSearch(stream)
		if !sure {
			continue
		}
		var got []string
		packets := all(c.syn())
		for from := 0; from < len(stream); {
			to := min(from+1+r.IntN(len(stream)), len(stream))
			for to < len(stream) && stream[to] == recordHandshake { // and so is one at the start of a segment
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
