// Package echo is an endpoint that tells each client what its hello was: as
// JSON over HTTP, in the forms of other endpoints, and line by line to clients
// that speak no HTTP.
package echo
