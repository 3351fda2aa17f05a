// Package proxy passes what clients send on to servers that need not be written in Go, and
// tells these who the clients are.
//
// A [Reverse] ends TLS and passes requests on: HTTP/1.1, HTTP/2 and HTTP/3 in front,
// HTTP/1.1 and HTTP/2 behind. A [Pass] leaves TLS to the server behind, and tells it in the
// PROXY protocol who the client is. An [AccessLog] has a line for each request.
package proxy
