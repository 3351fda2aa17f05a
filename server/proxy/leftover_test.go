package proxy_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server/proxy"
)

const leftover = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"

// TestLeftovers: what a backend sends behind an answer is never the answer to another
// request, and costs none its own.
func TestLeftovers(t *testing.T) {
	for _, c := range []struct {
		name   string
		pieces []string // one answer, in the pieces that are written
	}{
		{"one segment", []string{okAnswer + leftover}},
		{"bytes", []string{okAnswer + "xx"}},
		{"no body", []string{"HTTP/1.1 204 No Content\r\n\r\n" + leftover}},
		{"chunks", []string{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + leftover}},
		{"late", []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ok" + leftover}},
	} {
		for _, network := range []string{"tcp", "unix", "tls"} {
			t.Run(c.name+" over "+network, func(t *testing.T) {
				p, conns := serveRaw(t, network, func(conn net.Conn, r *bufio.Reader) {
					for {
						req, err := http.ReadRequest(r)
						if err != nil {
							return
						}
						if _, err := io.Copy(io.Discard, req.Body); err != nil {
							return
						}
						pieces := []string{okAnswer}
						if req.URL.Path == "/more" {
							pieces = c.pieces
						}
						for _, piece := range pieces {
							if _, err := io.WriteString(conn, piece); err != nil {
								return
							}
						}
					}
				})
				const clients = 16
				rounds := 100
				if network == "tls" {
					rounds = 20
				}
				var wrong atomic.Int64
				var first atomic.Value
				var running sync.WaitGroup
				for client := range clients {
					running.Go(func() {
						for i := range rounds {
							method, path, body := http.MethodGet, "/", ""
							switch {
							case (client+i)%2 == 0:
								path = "/more"
							case i%3 == 0:
								method, body = http.MethodPost, "some"
							case i%3 == 1:
								method = http.MethodPost
							}
							w, r := newRecorder(), newRequest(method, "https://x"+path)
							if body != "" {
								r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
							}
							p.ServeHTTP(w, r)
							if got := w.Body.String(); w.Code >= 300 || strings.Contains(got, "EVIL") {
								wrong.Add(1)
								first.CompareAndSwap(nil, method+" "+path+": "+http.StatusText(w.Code)+" "+got)
							}
						}
					})
				}
				running.Wait()
				assert.Zero(t, wrong.Load(), first.Load())
				assert.Greater(t, conns.Load(), int64(clients*rounds/4), "a connection with something left is not used again")
			})
		}
	}
}

// TestLateLeftover: what comes when the answer has been passed on, and before the next
// request, ends the connection.
func TestLateLeftover(t *testing.T) {
	for _, network := range []string{"tcp", "unix", "tls"} {
		t.Run(network, func(t *testing.T) {
			more, sent := make(chan bool), make(chan bool)
			ended := make(chan struct{})
			p, _ := serveRaw(t, network, func(conn net.Conn, r *bufio.Reader) {
				for answer(conn, r, okAnswer) {
					select {
					case evil := <-more:
						if evil {
							_, err := io.WriteString(conn, leftover)
							assert.NoError(t, err)
						}
						sent <- true
					case <-ended:
						return
					}
				}
			})
			t.Cleanup(func() { close(ended) })
			for i := range 300 {
				w, r := newRecorder(), newRequest(http.MethodPost, "https://x/")
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader("some")), 4
				p.ServeHTTP(w, r)
				require.Equal(t, http.StatusOK, w.Code)
				require.Equal(t, "ok", w.Body.String())
				more <- i%2 == 0
				<-sent
			}
		})
	}
}

// serveRaw returns a Reverse whose backend has handle serve each connection, and how many
// there were.
func serveRaw(t *testing.T, network string, handle func(net.Conn, *bufio.Reader)) (*proxy.Reverse, *atomic.Int64) {
	var ln net.Listener
	p := new(proxy.Reverse)
	url := ""
	switch network {
	case "unix":
		path := filepath.Join(t.TempDir(), "s")
		var err error
		ln, err = net.Listen("unix", path)
		require.NoError(t, err)
		url = "unix:" + path
	case "tls":
		config := servertest.Config(t)
		leaf, err := x509.ParseCertificate(config.Certificates[0].Certificate[0])
		require.NoError(t, err)
		p.TLS = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost"}
		p.TLS.RootCAs.AddCert(leaf)
		ln = servertest.Listen(t)
		url = "https://" + ln.Addr().String()
		config = config.Clone()
		config.NextProtos = []string{"http/1.1"}
		ln = tls.NewListener(ln, config)
	default:
		ln = servertest.Listen(t)
		url = "http://" + ln.Addr().String()
	}
	p.Routes = []proxy.Route{{Backend: backend(t, url)}}
	conns := new(atomic.Int64)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Add(1)
			running.Go(func() {
				defer conn.Close()
				handle(conn, bufio.NewReader(conn))
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		p.CloseIdleConnections()
		running.Wait()
	})
	return p, conns
}
