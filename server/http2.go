package server

//lint:file-ignore SA1019 net/http itself serves HTTP/2 on no connection but a *tls.Conn, which cannot record.

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"

	"golang.org/x/net/http2"

	"github.com/tlspeek/tlspeek/fingerprint"
)

// ConfigureHTTP2 has srv speak HTTP/2 by golang.org/x/net/http2, over
// connections that note the client's HTTP/2 fingerprint on its way. It is to be
// called before srv serves.
func ConfigureHTTP2(srv *http.Server) error {
	h2 := &http2.Server{}
	if err := http2.ConfigureServer(srv, h2); err != nil {
		return err
	}
	srv.TLSNextProto["h2"] = func(srv *http.Server, c *tls.Conn, h http.Handler) {
		opts := &http2.ServeConnOpts{BaseConfig: srv, Handler: h}
		// How net/http hands down the connection's context.
		if base, ok := h.(interface{ BaseContext() context.Context }); ok {
			opts.Context = base.BaseContext()
		}
		h2.ServeConn(recordHTTP2(c), opts)
	}
	return nil
}

// recordHTTP2 returns c, or a connection around it that makes the fingerprint.
func recordHTTP2(c *tls.Conn) net.Conn {
	if conn := connOf(c); conn != nil {
		return &recorded{Conn: c, to: conn, recorder: new(fingerprint.HTTP2)}
	}
	return c
}

// A recorded connection shows what the client sends up to its first request to
// a recorder.
type recorded struct {
	*tls.Conn
	to       *Conn
	recorder *fingerprint.HTTP2 // nil afterwards
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
	c.http2, c.headers, c.full = text, names, nil
}
