// Package proxy puts a [server.Listener] in front of servers that are not written in Go.
//
// A [Pass] leaves TLS to the server behind, and tells it in the PROXY protocol who the
// client is. An [AccessLog] has a line for each request.
package proxy
