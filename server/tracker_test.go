package server

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestFlightEnds has a server that has answered a hello.
func TestFlightEnds(t *testing.T) {
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
			f := flight{begun: true}
			got := -1
			for i := 0; i < len(stream) && got < 0; i += step {
				if f.ended([]byte(stream[i:min(i+step, len(stream))]), writtenOther) {
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

// TestFlightEndsInItsTurn has a record that would end a handshake of TLS 1.2
// where it can be none of that.
func TestFlightEndsInItsTurn(t *testing.T) {
	hello := "\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"
	ccs := "\x14\x03\x03\x00\x01\x01"
	other := "\x16\x03\x03\x00\x01\x02"
	data := "\x17\x03\x03\x00\x02hi"
	for w, want := range map[written]bool{writtenNothing: false, writtenRetry: false, writtenOther: true} {
		f := flight{begun: true}
		assert.False(t, f.ended([]byte(hello+ccs), w))
		assert.Equal(t, want, f.ended([]byte(other), w), "%d", w)
	}
	f := flight{begun: true}
	assert.False(t, f.ended([]byte(hello+ccs+other+hello), writtenRetry))
	assert.True(t, f.ended([]byte(data), writtenRetry))
}

func TestWrittenBy(t *testing.T) {
	retry := "\x16\x03\x03\x00\x58\x02\x00\x00\x54\x03\x03" + helloRetryRandom + "\x00"
	assert.Equal(t, writtenRetry, writtenBy([]byte(retry)))
	for n := range len(retry) - 1 {
		assert.Equal(t, writtenOther, writtenBy([]byte(retry[:n])), "%d bytes", n)
	}
	assert.Equal(t, writtenOther, writtenBy([]byte("\x15"+retry[1:])))
	assert.Equal(t, writtenOther, writtenBy([]byte(retry[:20]+"x"+retry[21:])))
}
