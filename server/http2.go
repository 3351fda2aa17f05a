package server

import (
	"crypto/tls"
	"net/http"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
)

// ConfigureHTTP2 has srv serve HTTP/2 over connections that record the
// client's HTTP/2 fingerprint and the order of its header fields. Call it once,
// when srv is configured and before it serves. All that net/http knows for
// HTTP/2, such as timeouts, Shutdown and srv.HTTP2, works as without it, but
// for [http.Server.SetKeepAlivesEnabled], which has no effect on connections
// over HTTP/2. Do not configure srv with golang.org/x/net/http2, too.
func ConfigureHTTP2(srv *http.Server) error { return configureHTTP2(srv) }

// http2Config returns a server with the fields of srv that HTTP/2 is configured
// by.
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

// A recorded connection shows the HTTP/2 that the client sends, up to its first
// request, to a recorder.
type recorded struct {
	*tls.Conn
	to       *Conn
	recorder *fingerprint.HTTP2 // nil afterwards
}

// recordHTTP2 returns a recorded connection. Where c does not come from a [Listener]
// nothing is recorded.
func recordHTTP2(c *tls.Conn) *recorded {
	r := &recorded{Conn: c, to: connOf(c)}
	if r.to != nil {
		r.recorder = new(fingerprint.HTTP2)
	}
	return r
}

func (r *recorded) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if r.recorder != nil && n > 0 {
		_, failed := r.recorder.Write(p[:n])
		if failed != nil || r.recorder.Done() {
			r.to.setHTTP2(r.recorder)
			r.recorder = nil
		}
	}
	return n, err
}

// setHTTP2 keeps what the recorder has found, if that is anything.
func (c *Conn) setHTTP2(r *fingerprint.HTTP2) {
	text := r.Fingerprint()
	names := strings.Join(r.Names(), ",")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.http2, c.headers = text, names
	c.cache.invalidate()
}
