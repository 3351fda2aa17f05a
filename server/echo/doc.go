// Package echo is an endpoint that tells each client what its hello was: as JSON
// over HTTP, in the forms of other endpoints, and line by line to clients that
// speak no HTTP.
//
//	h := new(echo.Handler)
//	srv := &server.Server{Handler: h, Lines: h.ServeLines, TLSConfig: config}
//
// # Terms
//
// An answer is what the endpoint sends about a hello. A shape is the JSON of
// another endpoint, for programs that parse that: tls.peet.ws and
// tls.browserleaks.com. The line protocol answers each line, whatever it says,
// with the Event as one line of JSON.
//
// # Concurrency
//
// A Handler is safe for use by several goroutines once its fields are set. The
// package starts a goroutine only in RunLines, and it ends with the connection.
//
// # Compatibility
//
// The Go API follows Go's compatibility promise from version 1.0 on. What / and
// /json answer is the JSON of package event, with the promise made there. The
// shapes follow the endpoints whose they are.
package echo
