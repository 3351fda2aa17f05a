// Package guard has a server do what a policy says. It sits between package server,
// which knows no policy, and package policy, which knows no server:
//
//	g := &guard.Guard{Policy: func() *policy.Policy { return rules }}
//	l := &server.Listener{Listener: ln}
//	g.Attach(l)
//	srv := &http.Server{Handler: g.Handler(h), ConnContext: server.ConnContext}
//	srv.ServeTLS(l, "server.pem", "server.key")
//
// At the hello stage the rules decide before crypto/tls has answered anything, so that
// what they refuse is a connection. At the request stage they know the request, and refuse
// it with an answer:
//
//	action    a hello                    a request
//	deny      closes the connection      403
//	close     closes the connection      closes the connection
//	limit     closes the connection      429 with Retry-After
//	tarpit    waits, and closes          waits, and answers 403
//	config    uses another certificate   -
//
// A client that has no HTTP is asked about as a request when its first line has come, if
// a [server.Server] serves it, and is closed for each of these. Over QUIC no hello waits: a
// tarpit closes the connection at once. Before the handshake a client waits for no longer
// than [server.Listener.HandshakeTimeout].
//
// What a Guard decides is in the Event, as rule, action and tags: see
// [server.Listener.DecideRequest].
//
// A Guard starts no goroutine. It is safe for use by several goroutines.
//
// # Compatibility
//
// From v1.0.0 on, exported names follow semantic versioning. Until then, a minor
// version may rename them, and CHANGELOG.md says so.
package guard
