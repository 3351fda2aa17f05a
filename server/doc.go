// Package server reads the ClientHello of live clients, in front of crypto/tls
// and of quic-go, and lets a server act on it.
//
// A [Listener] is all that an http.Server needs:
//
//	srv := &http.Server{Handler: h, ConnContext: server.ConnContext}
//	srv.ServeTLS(&server.Listener{Listener: ln}, "server.pem", "server.key")
//
// In a handler, [EventOf] then returns the Event of the client: fingerprints,
// which clients send such hellos, and whether that fits the User-Agent. [Headers]
// passes that on to a backend. [ConnOf] finds the client for servers without HTTP.
// [ConfigureHTTP2] adds the fingerprint of HTTP/2, and [HTTP3] does the same over
// QUIC. [Server] serves a handler over HTTP/1.1, HTTP/2 and HTTP/3, and clients
// that speak no HTTP. [Listener.Decide] closes a connection, or chooses its
// configuration, before it costs a handshake; [Listener.DecideRequest] decides about
// requests.
//
// # Terms
//
// A hello is a ClientHello message. An observation is a hello with what its
// carrier shows: times, addresses, records or datagrams. An Event is an
// observation with all that follows from it, see package event. A connection is
// half-open until its handshake has ended. The outcome of a connection is its
// hello, or the reason why there is none: it ended, its time was up, or it sent
// something else.
//
// # The life of an Event
//
// A hello is seen when it is whole: [Listener.Observe] and [Listener.Decide] are called.
// Its Event is settled when no more will be known of its connection, and then
// [Listener.Settled] is called with it, once. By then it has the User-Agent and the HTTP/2
// fingerprint of the first request, the claim that follows from them, and the outcome of
// the handshake.
//
// # The wire
//
// Nothing on the wire changes. crypto/tls and quic-go read what the client sent,
// byte for byte. A [Conn] holds back a hello until it is whole, at most 64 KiB and its
// record headers, and nothing that crypto/tls could answer before. A malformed hello
// reaches crypto/tls too, which answers it as it would alone.
//
// # Concurrency
//
// Listener, Conn, HTTP3, Server and Limits are safe for use by several
// goroutines once their fields are set. Hooks such as Observe and Decide are
// called by several goroutines at once, each for another connection, except those
// of an HTTP3, which are called one after the other for each socket. The package
// starts goroutines only in Serve of Server and HTTP3, in handlers that
// ConfigureHTTP2 installs, and to hand on what has settled. All of them end with
// their connection, with their server, or when there is nothing left to hand on.
//
// # Compatibility
//
// From v1.0.0 on, exported names follow semantic versioning. Until then, a minor
// version may rename them, and CHANGELOG.md says so.
//
// The texts of errors are not part of the promise; the error values are, and so are
// the values of Headers, which backends compare.
package server
