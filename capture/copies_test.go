package capture

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFakeParts finds a hello whose parts come between others at the same places.
func TestFakeParts(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	zeros := func(n int) []byte { return make([]byte, n) }
	s := side{client4, server4, 7}
	for _, name := range []string{"chromium-156", "python-tls12"} {
		message := realHello(t, name)
		for inRecords, hello := range map[string][]byte{"one record": record(message), "records": records(message, 300)} {
			for what, fake := range map[string]func(int) []byte{"zeros": zeros, "random": random} {
				for _, cut := range []int{1, 2, 4, 9, 11, 40, 162, len(hello) - 2} {
					a, b := s.data(0, hello[:cut]), s.data(cut, hello[cut:])
					fa, fb := s.data(0, fake(cut)), s.data(cut, fake(len(hello)-cut))
					junk := random(max(cut-1, 0))
					for order, packets := range map[string][][]byte{
						"around each part":               {fa, a, fa, fb, b, fb},
						"around each part, second first": {fb, b, fb, fa, a, fa},
						"before each part":               {fa, a, fb, b},
						"after the first":                {a, fa, fb, b, fb},
						"around the second":              {a, fb, b, fb},
						"before the first":               {fa, a, b},
						"second first, fakes before":     {fb, b, fa, a},
						"the second over the first":      {s.data(1, append(junk, hello[cut:]...)), s.data(0, hello[:max(cut, 2)])},
					} {
						for _, preface := range []string{"", "EHLO client.example\r\nSTARTTLS\r\n"} {
							c := s
							c.isn -= uint32(len(preface))
							all := append(all(c.syn(), c.data(0, []byte(preface))), packets...)
							if preface == "" {
								all = append([][]byte{c.syn()}, packets...)
							}
							got := readAll(t, pcapOf(LinkRaw, all...))
							if assert.NotEmpty(t, got, "%s, %s, %s, cut at %d, %s, %q", name, inRecords, what, cut, order, preface) {
								assert.Equal(t, string(message), got[len(got)-1].Message)
							}
						}
					}
				}
			}
		}
	}
}

// TestFakeHelloInParts shows two hellos whose parts come one after the other, and no
// mixture of them.
func TestFakeHelloInParts(t *testing.T) {
	s := side{client4, server4, 7}
	a, b := realHello(t, "chromium-156"), realHello(t, "python-tls12")
	ra, rb := record(a), record(b)
	for _, cut := range []int{1, 5, 30, 160, 200} {
		got := readAll(t, pcapOf(LinkRaw, s.syn(), s.data(0, ra[:cut]), s.data(0, rb[:cut]), s.data(cut, ra[cut:]), s.data(cut, rb[cut:])))
		var messages []string
		for _, h := range got {
			messages = append(messages, h.Message)
		}
		assert.Equal(t, []string{string(a), string(b)}, messages, cut)
	}
}

// TestCopiesAreBounded requires that the work for parts that come again with other
// bytes is linear in their length, and that what is kept of them is bounded.
func TestCopiesAreBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(43, 44))
	hello := record(realHello(t, "chromium-156"))
	s := side{client4, server4, 7}
	worst := 0
	for i := range 300 {
		n := []int{1, 2, 5, 20, 100, 700}[r.IntN(6)]
		packets := all(s.syn())
		for range 1 + r.IntN(6) {
			stream := bytes.Clone(hello)
			for at := 9; at < len(stream); at += 1 + r.IntN(2*n) {
				stream[at] = byte(r.Uint32())
			}
			parts := s.segments(stream, n)
			if r.IntN(2) == 0 {
				slices.Reverse(parts)
			}
			packets = append(packets, parts...)
		}
		if r.IntN(2) == 0 {
			r.Shuffle(len(packets)-1, func(i, j int) { packets[i+1], packets[j+1] = packets[j+1], packets[i+1] })
		}
		examined, came := examine(packets)
		require.LessOrEqual(t, examined, maxExamined*came, i)
		worst = max(worst, examined/came)
	}
	t.Logf("%d bytes examined for each one", worst)

	sc := newScanner(new(Reader), func(*Hello) error { return nil })
	for i := range 3000 {
		c := side{addrPort(client4, i), server4, 7}
		for _, p := range all(c.syn(), c.data(100, make([]byte, 1200)), c.data(100, hello[100:1300])) {
			sc.packet = packet{data: p, wire: len(p), link: LinkRaw, stamp: stamp{rate: 1}}
			sc.scan()
		}
	}
	assert.Len(t, sc.copies.byKey, sc.copies.byAge.Len())
	assert.LessOrEqual(t, sc.copies.byAge.Size(), maxCopies)
	assert.NotEmpty(t, sc.copies.byKey)
}
