package server

import (
	"crypto/tls"
	"net/http"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
)

// ConfigureHTTP2 has srv serve HTTP/2 over connections that record the
// client's HTTP/2 fingerprint and the order of its header fields. Call it once,
// when srv is configured and before it serves. Everything that net/http offers
// for HTTP/2, such as timeouts, Shutdown and srv.HTTP2, works as without it.
// Only [http.Server.SetKeepAlivesEnabled] has no effect on HTTP/2 connections. Do
// not configure srv with golang.org/x/net/http2 as well.
//
// Where GODEBUG or the cipher suites of srv.TLSConfig switch HTTP/2 off, it stays
// off. An error is that of net/http for a configuration that HTTP/2 does not
// allow.
func ConfigureHTTP2(srv *http.Server) error { return configureHTTP2(srv) }

// http2Config returns a server with those fields of srv that configure HTTP/2.
func http2Config(srv *http.Server) *http.Server {
	return &http.Server{
		ReadTimeout:       srv.ReadTimeout,
		ReadHeaderTimeout: srv.ReadHeaderTimeout,
		WriteTimeout:      srv.WriteTimeout,
		IdleTimeout:       srv.IdleTimeout,
		MaxHeaderBytes:    srv.MaxHeaderBytes,
		ErrorLog:          srv.ErrorLog,
		HTTP2:             srv.HTTP2,
	}
}

// A recorded connection passes what the client sends over HTTP/2, up to its first
// request, to a recorder.
type recorded struct {
	*tls.Conn
	below    *Conn
	recorder *fingerprint.HTTP2 // nil once it is done
}

// recordHTTP2 returns a recorded connection. It records nothing if c does not
// come from a [Listener].
func recordHTTP2(c *tls.Conn) *recorded {
	r := &recorded{Conn: c, below: connOf(c)}
	if r.below != nil {
		r.recorder = new(fingerprint.HTTP2)
	}
	return r
}

func (r *recorded) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if r.recorder != nil && n > 0 {
		_, failed := r.recorder.Write(p[:n])
		if failed != nil || r.recorder.Done() {
			r.below.setHTTP2(r.recorder)
			if r.recorder.Done() {
				r.below.firstRequest(r.recorder, r.Conn)
			}
			r.recorder = nil
		}
	}
	return n, err
}

// http2Seen is what the recorder has found.
type http2Seen struct {
	fingerprint string // in Akamai's format
	wire        string // as [fingerprint.HTTP2.Wire] returns it
	headers     string // names of those of the first request, in order
}

// setHTTP2 keeps what the recorder has found.
func (c *Conn) setHTTP2(r *fingerprint.HTTP2) {
	var seen *http2Seen
	if r.Done() {
		seen = &http2Seen{r.Fingerprint(), r.Wire(), strings.Join(r.Names(), ",")}
	}
	c.mu.Lock()
	c.http2 = seen
	l := c.makeLife()
	c.mu.Unlock()
	l.changed()
}

// firstRequest settles c with the first request over HTTP/2. It is called when the
// request has been read, and no lock is held.
//
// A server in front passes on requests of many clients: the handler has the first one
// with what the server says of its client.
func (c *Conn) firstRequest(r *fingerprint.HTTP2, above *tls.Conn) {
	if l := c.listener; l != nil && l.TrustHeader != "" && c.isShared() {
		return
	}
	says := claimFields{userAgent: r.UserAgent()}
	says.clientHints, says.platform = r.ClientHints()
	first := pendingRequest{says: says}
	first.method, first.host, first.uri = r.Target()
	state := above.ConnectionState()
	c.theLife().firstCame(first, c.timed(handshakeOf(&state)))
}
