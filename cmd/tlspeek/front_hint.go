package main

import (
	"bytes"
	"regexp"
)

// requestLine is the beginning of a request of HTTP/1, or that of HTTP/2.
var requestLine = regexp.MustCompile(`^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS|CONNECT|TRACE) [^ \r\n]|^PRI \* HTTP/2`)

// notTLS says what a client probably means who sends something other than TLS, or "". The
// header of a trusted proxy is not among what was received.
func notTLS(received []byte) string {
	switch {
	case bytes.HasPrefix(received, []byte("\r\n\r\n\x00\r\nQUIT\n")), bytes.HasPrefix(received, []byte("PROXY ")):
		return "a header of the PROXY protocol, from an address that is not in --trusted-proxies"
	case requestLine.Match(received):
		return "HTTP without TLS"
	}
	return ""
}
