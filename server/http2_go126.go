//go:build !go1.27

package server

//lint:file-ignore SA1019 net/http of Go 1.26 serves HTTP/2 only on a *tls.Conn, which cannot record.

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"

	"golang.org/x/net/http2"
)

// configureHTTP2 has golang.org/x/net/http2 serve HTTP/2, which it does on any
// connection.
func configureHTTP2(srv *http.Server) error {
	h2 := &http2.Server{}
	if err := http2.ConfigureServer(srv, h2); err != nil {
		return err
	}
	config := sync.OnceValue(func() *http.Server {
		config := http2Config(srv)
		config.ConnState = func(c net.Conn, state http.ConnState) { srv.ConnState(c.(*recorded).Conn, state) }
		return config
	})
	srv.TLSNextProto["h2"] = func(_ *http.Server, c *tls.Conn, h http.Handler) {
		opts := &http2.ServeConnOpts{BaseConfig: srv, Handler: h}
		// net/http passes the context of the connection in this way.
		if base, ok := h.(interface{ BaseContext() context.Context }); ok {
			opts.Context = base.BaseContext()
		}
		if srv.ConnState != nil { // which expects the connection that srv has accepted
			opts.BaseConfig, opts.Handler = config(), inContextOf(srv, h)
		}
		h2.ServeConn(recordHTTP2(c), opts)
	}
	return nil
}

// inContextOf returns a handler whose requests have srv as their server, and not
// the one that configures http2.
func inContextOf(srv *http.Server, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, srv)))
	})
}
