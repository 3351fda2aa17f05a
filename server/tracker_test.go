package server

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHandshakeEnds: the server has answered a hello.
func TestHandshakeEnds(t *testing.T) {
	hello := "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"
	ccs := "\x14\x03\x03\x00\x01\x01"
	data := "\x17\x03\x03\x00\x02hi"
	keyExchange := "\x16\x03\x03\x00\x04\x10\x00\x00\x00"
	finished := "\x16\x03\x03\x00\x04abcd"
	for stream, want := range map[string]int{
		hello:                                  -1,
		hello + ccs + data:                     len(hello + ccs + data),
		hello + data:                           len(hello + data),
		hello + keyExchange + ccs + finished:   len(hello + keyExchange + ccs + finished),
		hello + ccs + hello + keyExchange:      -1,
		hello + ccs + hello + data:             len(hello + ccs + hello + data),
		hello + ccs + hello + ccs + finished:   len(hello + ccs + hello + ccs + finished),
		hello + ccs + data[:len(data)-1]:       -1,
		hello + "\x15\x03\x03\x00\x02\x01\x00": -1,
	} {
		for _, step := range []int{1, 3, 1000} {
			f := handshakeTracker{helloRead: true}
			got := -1
			for i := 0; i < len(stream) && got < 0; i += step {
				if f.ended([]byte(stream[i:min(i+step, len(stream))]), sentOther) {
					got = i + step
				}
			}
			if step == 1 || want < 0 {
				assert.Equal(t, want, got, "%x", stream)
			} else {
				assert.GreaterOrEqual(t, got, want, "%x", stream)
			}
		}
	}
}

// TestHandshakeDoesNotEndEarly: a record would end a handshake of TLS 1.2, but that
// cannot have got so far.
func TestHandshakeDoesNotEndEarly(t *testing.T) {
	hello := "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"
	ccs := "\x14\x03\x03\x00\x01\x01"
	other := "\x16\x03\x03\x00\x01\x02"
	data := "\x17\x03\x03\x00\x02hi"
	for w, want := range map[sent]bool{sentNothing: false, sentRetry: false, sentOther: true} {
		f := handshakeTracker{helloRead: true}
		assert.False(t, f.ended([]byte(hello+ccs), w))
		assert.Equal(t, want, f.ended([]byte(other), w), "%d", w)
	}
	f := handshakeTracker{helloRead: true}
	assert.False(t, f.ended([]byte(hello+ccs+other+hello), sentRetry))
	assert.True(t, f.ended([]byte(data), sentRetry))
}

func TestClassify(t *testing.T) {
	retry := "\x16\x03\x03\x00\x58\x02\x00\x00\x54\x03\x03" + helloRetryRandom + "\x00"
	assert.Equal(t, sentRetry, classify([]byte(retry)))
	for n := range len(retry) - 1 {
		assert.Equal(t, sentOther, classify([]byte(retry[:n])), "%d bytes", n)
	}
	assert.Equal(t, sentOther, classify([]byte("\x15"+retry[1:])))
	assert.Equal(t, sentOther, classify([]byte(retry[:20]+"x"+retry[21:])))
}

// TestHandshakeTrackerSkipsRecords compares with following one byte at a time, where no
// record is skipped, over streams of random records.
func TestHandshakeTrackerSkipsRecords(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	endOf := func(stream []byte, step int, helloRead bool) int {
		f := handshakeTracker{helloRead: helloRead}
		for i := 0; i < len(stream); i += step {
			if f.ended(stream[i:min(i+step, len(stream))], sentOther) {
				return i
			}
		}
		return -1
	}
	ended := 0
	for i := range 5000 {
		var stream []byte
		for range 1 + rnd.IntN(12) {
			typ := []byte{22, 22, 22, 22, 20, 21, 23, 0}[rnd.IntN(6+rnd.IntN(3))]
			fragment := make([]byte, rnd.IntN(1<<rnd.IntN(9)))
			if len(fragment) > 0 {
				fragment[0] = byte(rnd.IntN(3))
			}
			stream = append(stream, typ, byte(rnd.IntN(17)), 1, byte(len(fragment)>>8), byte(len(fragment)))
			stream = append(stream, fragment...)
		}
		want := endOf(stream, 1, i%2 == 0)
		for _, step := range []int{7, 600, len(stream)} {
			got := endOf(stream, step, i%2 == 0)
			require.Equal(t, want < 0, got < 0, "%x, %d at a time", stream, step)
			require.True(t, want < 0 || got <= want && want < got+step, "%x, %d at a time: %d, not %d", stream, step, got, want)
		}
		if want >= 0 {
			ended++
		}
	}
	assert.Greater(t, ended, 1000)
	assert.Less(t, ended, 4000)
}
