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
// From v1.0.0 on, exported names follow semantic versioning. Until then, a minor
// version may rename them, and CHANGELOG.md says so.
//
// The answers at / and /json are the JSON of package event, with the promise made
// there. A shape follows the endpoint that it copies.
package echo
