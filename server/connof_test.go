package server_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/netutil"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// A muxConn is a connection as cmux has it: it reads what was looked at before
// from a buffer.
type muxConn struct {
	net.Conn
	buf io.Reader
}

func (c *muxConn) Read(p []byte) (int, error) { return c.buf.Read(p) }

type muxListener struct{ net.Listener }

func (l muxListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	first := make([]byte, 3)
	if _, err := io.ReadFull(conn, first); err != nil {
		return nil, err
	}
	return &muxConn{conn, io.MultiReader(bytes.NewReader(first), conn)}, nil
}

// TestConnOfWrappedConnections finds the Conn of a TLS connection that others have
// wrapped, above the Listener and below.
func TestConnOfWrappedConnections(t *testing.T) {
	inside := func(l net.Listener) net.Listener { return &server.Listener{Listener: l} }
	limit := func(l net.Listener) net.Listener { return netutil.LimitListener(l, 10) }
	proxy := func(l net.Listener) net.Listener {
		return &proxyproto.Listener{Listener: l, ConnPolicy: func(proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
			return proxyproto.USE, nil // also without a header
		}}
	}
	mux := func(l net.Listener) net.Listener { return muxListener{l} }
	for _, c := range []struct {
		name   string
		header string // of the PROXY protocol
		wrap   []func(net.Listener) net.Listener
	}{
		{"alone", "", []func(net.Listener) net.Listener{inside}},
		{"limit above", "", []func(net.Listener) net.Listener{inside, limit}},
		{"limit below", "", []func(net.Listener) net.Listener{limit, inside}},
		{"mux above", "", []func(net.Listener) net.Listener{inside, mux}},
		{"mux below", "", []func(net.Listener) net.Listener{mux, inside}},
		{"go-proxyproto above", "", []func(net.Listener) net.Listener{inside, proxy}},
		{"go-proxyproto below", "PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n", []func(net.Listener) net.Listener{proxy, inside}},
		{"all above", "", []func(net.Listener) net.Listener{inside, proxy, limit, mux, limit}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ln := servertest.Listen(t)
			for _, wrap := range c.wrap {
				ln = wrap(ln)
			}
			dialed := make(chan error, 1)
			go func() {
				conn, err := net.Dial("tcp", ln.Addr().String())
				if err == nil {
					defer conn.Close()
					_, err = io.WriteString(conn, c.header)
				}
				if err == nil {
					err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: "wrapped.example"}).Handshake()
				}
				dialed <- err
			}()
			conn, err := ln.Accept()
			require.NoError(t, err)
			defer conn.Close()
			over := tls.Server(conn, servertest.Config(t))
			require.NoError(t, over.Handshake())
			require.NoError(t, <-dialed)
			for _, wrapped := range []net.Conn{conn, over, &muxConn{Conn: over}, struct{ *tls.Conn }{over}} {
				found := server.ConnOf(wrapped)
				require.NotNil(t, found)
				e, ok := found.Event(event.Full)
				require.True(t, ok)
				require.NotNil(t, e.SNI)
				assert.Equal(t, "wrapped.example", *e.SNI)
				assert.Equal(t, c.header != "", e.SrcIP.String() == "192.0.2.1")
			}
		})
	}
}

// A wrapper is a connection in an exported field, and may be its own.
type wrapper struct{ net.Conn }

// A fork has several inner connections.
type fork struct {
	net.Conn
	Left, Right net.Conn
	hidden      net.Conn
}

// A method has an inner connection, but no field that shows it.
type method struct {
	net.Conn // nil
	inner    net.Conn
}

func (m *method) NetConn() net.Conn { return m.inner }

// A text is no struct.
type text string

func (text) Read([]byte) (int, error)         { return 0, io.EOF }
func (text) Write([]byte) (int, error)        { return 0, io.EOF }
func (text) Close() error                     { return nil }
func (text) LocalAddr() net.Addr              { return nil }
func (text) RemoteAddr() net.Addr             { return nil }
func (text) SetDeadline(time.Time) error      { return nil }
func (text) SetReadDeadline(time.Time) error  { return nil }
func (text) SetWriteDeadline(time.Time) error { return nil }

// TestConnOfOddConnections: none of them has ConnOf panic or run for ever.
func TestConnOfOddConnections(t *testing.T) {
	own := &server.Conn{}
	loop := &wrapper{}
	loop.Conn = loop
	forks := &fork{}
	forks.Conn, forks.Left, forks.Right = forks, forks, forks
	deep := net.Conn(own)
	for range 30 {
		deep = &wrapper{deep}
	}
	bottomless := deep
	for range 1000 {
		bottomless = &wrapper{bottomless}
	}
	for _, c := range []struct {
		name string
		conn net.Conn
		want *server.Conn
	}{
		{"nil", nil, nil},
		{"nil Conn", (*server.Conn)(nil), nil},
		{"nil tls.Conn", (*tls.Conn)(nil), nil},
		{"nil wrapper", (*wrapper)(nil), nil},
		{"nil proxyproto.Conn", (*proxyproto.Conn)(nil), nil},
		{"nil in a wrapper", wrapper{}, nil},
		{"nil wrapper in a wrapper", wrapper{(*wrapper)(nil)}, nil},
		{"nil tls.Conn in a struct", struct{ *tls.Conn }{}, nil},
		{"nil struct in a struct", struct{ *method }{}, nil},
		{"empty tls.Conn", &tls.Conn{}, nil},
		{"no struct", text(""), nil},
		{"loop", loop, nil},
		{"loop of forks", forks, nil},
		{"too deep", bottomless, nil},
		{"hidden", &fork{hidden: own}, nil},
		{"itself", own, own},
		{"value", wrapper{own}, own},
		{"deep", deep, own},
		{"second of a fork", &fork{Conn: wrapper{}, Left: text(""), Right: own}, own},
		{"beside a loop", &fork{Conn: own, Left: loop}, own},
		{"method", &method{inner: own}, own},
		{"promoted method", struct{ *method }{&method{inner: own}}, own},
		{"embedded", struct{ *server.Conn }{own}, own},
	} {
		for range 2 { // the second time from what is remembered of the type
			assert.Same(t, c.want, server.ConnOf(c.conn), c.name)
		}
	}
}
