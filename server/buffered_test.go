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
