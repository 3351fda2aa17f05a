package server_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/echo"
)

// An asked remembers what Allow was asked for.
type asked struct {
	mu      sync.Mutex
	clients []string
	refuse  map[string]bool
	drops   []server.DropReason
}

// limits returns Limits that ask a.
func (a *asked) limits() *server.Limits {
	return &server.Limits{
		Allow: func(client netip.Addr) bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.clients = append(a.clients, client.String())
			return !a.refuse[client.String()]
		},
		Dropped: func(why server.DropReason) {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.drops = append(a.drops, why)
		},
	}
}

func (a *asked) list() ([]string, []server.DropReason) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.clients, a.drops
}

// TestAllow: a refused connection is closed by Accept, and costs no place.
func TestAllow(t *testing.T) {
	a := &asked{refuse: map[string]bool{"127.0.0.1": true}}
	l := &server.Listener{Listener: servertest.Listen(t), Limits: a.limits()}
	for range 3 {
		dial(t, l)
	}
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	other, err := d.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer other.Close()
	assert.Equal(t, other.LocalAddr().String(), accept(t, l).RemoteAddr().String())
	clients, drops := a.list()
	assert.ElementsMatch(t, []string{"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2"}, clients)
	assert.Equal(t, []server.DropReason{"rate", "rate", "rate"}, drops)
	assertCounts(t, l, 1, 1)
}

// TestAllowWithoutAddress: connections that have no IP address are not asked for.
func TestAllowWithoutAddress(t *testing.T) {
	a := new(asked)
	near, far := net.Pipe()
	defer far.Close()
	l := &server.Listener{Listener: one{near}, Limits: a.limits()}
	conn, err := l.Accept()
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	clients, _ := a.list()
	assert.Empty(t, clients)
}

// TestAllowBehindProxy: the client in the PROXY header is asked for, once, and not
// the proxy.
func TestAllowBehindProxy(t *testing.T) {
	hello := record(22, 0x0301, hellotest.Real(t)["curl-openssl-3.0"].Raw)
	for _, c := range []struct{ header, client, err string }{
		{"PROXY TCP4 198.51.100.7 203.0.113.9 1 2\r\n", "198.51.100.7", "refused: too many new connections"},
		{"PROXY TCP6 ::ffff:198.51.100.7 2001:db8::9 1 2\r\n", "198.51.100.7", "refused: too many new connections"},
		{"PROXY TCP4 198.51.100.8 203.0.113.9 1 2\r\n", "198.51.100.8", ""},
		{"PROXY TCP6 2001:db8::7 2001:db8::9 1 2\r\n", "2001:db8::7", ""},
		{"", "127.0.0.1", ""}, // a health check of the proxy
	} {
		a := &asked{refuse: map[string]bool{"198.51.100.7": true}}
		l := &server.Listener{Listener: servertest.Listen(t), Limits: a.limits(), TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
		client := dial(t, l)
		conn := accept(t, l)
		clients, _ := a.list()
		assert.Empty(t, clients, "before the header")
		_, err := client.Write(append([]byte(c.header), hello...))
		require.NoError(t, err)
		_, err = io.ReadAtLeast(conn, make([]byte, len(hello)), len(hello))
		clients, drops := a.list()
		assert.Equal(t, []string{c.client}, clients, c.header)
		if c.err == "" {
			assert.NoError(t, err, c.header)
			assert.Empty(t, drops)
		} else {
			assert.EqualError(t, err, c.err, c.header)
			assert.Equal(t, []server.DropReason{"rate"}, drops)
		}
	}
}

// TestAllowOverQUIC: a client is asked for when it has proved its address: before its
// handshake if a Retry did that, and after it otherwise.
func TestAllowOverQUIC(t *testing.T) {
	for name, retry := range map[string]bool{"Retry": true, "handshake": false} {
		t.Run(name, func(t *testing.T) {
			for _, refused := range []bool{false, true} {
				a := &asked{refuse: map[string]bool{"127.0.0.1": refused}}
				limits := a.limits()
				var unverified, decided atomic.Int64
				limits.AllowUnverified = func() bool { unverified.Add(1); return !retry }
				conn := servertest.UDP(t)
				h3 := &server.HTTP3{
					TLSConfig: servertest.Config(t), Handler: new(echo.Handler), Limits: limits,
					Decide: func(server.Client) server.Decision { decided.Add(1); return server.Decision{} },
				}
				served := make(chan error, 1)
				go func() { served <- h3.Serve(conn) }()
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				client, err := quic.DialAddr(ctx, conn.LocalAddr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}, nil)
				if err == nil {
					_, err = client.AcceptUniStream(ctx) // the server's control stream
				}
				assert.NoError(t, ctx.Err())
				assert.Equal(t, refused, err != nil, err)
				clients, drops := a.list()
				if refused { // each packet of its hello is refused
					assert.Contains(t, clients, "127.0.0.1")
					assert.Contains(t, drops, server.DropReason("rate"))
				} else {
					assert.Equal(t, []string{"127.0.0.1"}, clients)
					assert.Empty(t, drops)
				}
				assert.Positive(t, unverified.Load())
				assert.Equal(t, retry && refused, decided.Load() == 0, "the handshake costs nothing")
				require.NoError(t, h3.Close())
				require.ErrorIs(t, <-served, http.ErrServerClosed)
			}
		})
	}
}
