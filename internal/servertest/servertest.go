// Package servertest has what the tests of servers share.
package servertest

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/listen"
	"github.com/tlspeek/tlspeek/server"
)

// Listen returns a listener on loopback, which is closed with the test.
func Listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	return ln
}

// UDP returns a socket on loopback, which is closed with the test.
func UDP(t testing.TB) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

// Certificate returns the files of a self-signed certificate for localhost.
func Certificate(t testing.TB) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile, err := listen.SelfSigned(filepath.Join(t.TempDir(), "state"))
	require.NoError(t, err)
	return certFile, keyFile
}

// Config returns a configuration with a self-signed certificate.
func Config(t testing.TB) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(Certificate(t))
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

// HTTPClient returns a client that accepts any certificate.
func HTTPClient(http2 bool) *http.Client {
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: http2,
	}}
}

// Serve has srv serve l until stop is called, or the test ends. Connections
// then have the grace period, and stop returns the error of Serve, or nil.
func Serve(t testing.TB, srv *server.Server, l *server.Listener, grace time.Duration) (stop func() error) {
	t.Helper()
	if srv.TLSConfig == nil {
		srv.TLSConfig = Config(t)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	stop = sync.OnceValue(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		_ = srv.Shutdown(ctx)
		if err := <-served; err != http.ErrServerClosed {
			return err
		}
		return nil
	})
	t.Cleanup(func() { stop() })
	return stop
}

// Pipes is a listener of connections in memory, which may be in a bubble of
// testing/synctest.
type Pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewPipes returns a listener that accepts what Dial connects.
func NewPipes() *Pipes { return &Pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

// Dial returns the client's end of a connection, once it is accepted.
func (p *Pipes) Dial() net.Conn {
	near, far := net.Pipe()
	p.conns <- near
	return far
}

// DialFrom is Dial for a client with an address.
func (p *Pipes) DialFrom(client netip.AddrPort) net.Conn {
	near, far := net.Pipe()
	p.conns <- addressed{near, client}
	return far
}

// An addressed connection comes from a client with an address.
type addressed struct {
	net.Conn
	client netip.AddrPort
}

func (c addressed) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.client) }

// Accept waits for a connection.
func (p *Pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close has Accept return net.ErrClosed.
func (p *Pipes) Close() error { p.once.Do(func() { close(p.closed) }); return nil }

// Addr returns an address that means nothing.
func (p *Pipes) Addr() net.Addr { return &net.TCPAddr{} }

// A Buffer is a bytes.Buffer for several goroutines at once.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends p.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns what was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
