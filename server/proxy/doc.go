// Package proxy puts a [server.Listener] in front of servers that are not written in Go.
// A [Pass] leaves TLS to the server behind, and tells it in the PROXY protocol who the
// client is.
package proxy
