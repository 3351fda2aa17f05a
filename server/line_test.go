package server

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestIsRequestLine(t *testing.T) {
	for line, want := range map[string]bool{
		"GET / HTTP/1.1\r":        true,
		"GET / HTTP/1.0":          true,
		"OPTIONS * HTTP/1.1\r":    true,
		"PRI * HTTP/2.0\r":        true,
		"GET http://x/ HTTP/1.1":  true,
		"GET /":                   false,
		"GET me":                  false,
		"get / HTTP/1.1":          false,
		"hello":                   false,
		"":                        false,
		" HTTP/1.1":               false,
		"I like HTTP/1.1 a lot":   false,
		"GET / HTTP/1.1 trailing": false,
		"\x00\x01 HTTP/1.1":       false,
	} {
		assert.Equal(t, want, isRequestLine([]byte(line)), "%q", line)
	}
}

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
			var f flight
			got := -1
			for i := 0; i < len(stream) && got < 0; i += step {
				if f.ended([]byte(stream[i:min(i+step, len(stream))])) {
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
