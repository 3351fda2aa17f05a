package integration

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/pires/go-proxyproto"
	"github.com/soheilhy/cmux"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/netutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// A wrap puts a listener around another.
type wrap func(testing.TB, net.Listener) net.Listener

func own(_ testing.TB, l net.Listener) net.Listener { return &server.Listener{Listener: l} }

func limited(_ testing.TB, l net.Listener) net.Listener { return netutil.LimitListener(l, 10) }

// proxied reads a header of the PROXY protocol where there is one.
func proxied(_ testing.TB, l net.Listener) net.Listener {
	return &proxyproto.Listener{Listener: l, ConnPolicy: func(proxyproto.ConnPolicyOptions) (proxyproto.Policy, error) {
		return proxyproto.USE, nil
	}}
}

// muxed has the connections that cmux takes for TLS.
func muxed(t testing.TB, l net.Listener) net.Listener { return mux(t, l, cmux.TLS()) }

func mux(t testing.TB, l net.Listener, matcher cmux.Matcher) net.Listener {
	m := cmux.New(l)
	matched := m.Match(matcher)
	served := make(chan error, 1)
	go func() { served <- m.Serve() }()
	t.Cleanup(func() {
		l.Close()
		m.Close()
		<-served
	})
	return matched
}

// overTLS does the handshake below the listener of the server.
func overTLS(t testing.TB, l net.Listener) net.Listener {
	config := servertest.Config(t)
	config.NextProtos = []string{"h2", "http/1.1"}
	return tls.NewListener(l, config)
}

func listen(t testing.TB, wraps ...wrap) net.Listener {
	ln := servertest.Listen(t)
	for _, w := range wraps {
		ln = w(t, ln)
	}
	return ln
}

// dial opens a connection that begins with a header of the PROXY protocol, or
// with TLS if that is empty.
func dial(ctx context.Context, addr, header string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, header); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

const proxyHeader = "PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n"

// stacks are listeners above and below a server.Listener.
var stacks = []struct {
	name   string
	header string // of the PROXY protocol
	wraps  []wrap
}{
	{"alone", "", []wrap{own}},
	{"LimitListener above", "", []wrap{own, limited}},
	{"LimitListener below", "", []wrap{limited, own}},
	{"cmux above", "", []wrap{own, muxed}},
	{"cmux below", "", []wrap{muxed, own}},
	{"go-proxyproto above", "", []wrap{own, proxied}},
	{"go-proxyproto below", proxyHeader, []wrap{proxied, own}},
	{"header for the Listener, go-proxyproto above", proxyHeader, []wrap{trusting, proxied}},
	{"all above", "", []wrap{own, proxied, muxed, limited}},
	{"all below", proxyHeader, []wrap{limited, proxied, muxed, own}},
}

// trusting reads the header of the PROXY protocol itself.
func trusting(_ testing.TB, l net.Listener) net.Listener {
	return &server.Listener{Listener: l, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
}

// serveHTTP serves HTTP on ln: over TLS, or on connections that are over TLS.
func serveHTTP(t *testing.T, ln net.Listener, isTLS bool) {
	srv := &http.Server{
		ConnContext: server.ConnContext,
		TLSConfig:   servertest.Config(t),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if e, ok := server.EventOf(r, event.Full); ok {
				fmt.Fprint(w, text(&e))
			}
		}),
	}
	served := make(chan error, 1)
	go func() {
		if isTLS {
			served <- srv.ServeTLS(ln, "", "")
		} else {
			served <- srv.Serve(ln)
		}
	}()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
}

func text(e *event.Event) string {
	return fmt.Sprintln(*e.SNI, e.JA4() != "", e.SrcIP)
}

// want returns what text does for a client of a stack.
func want(header string) string {
	addr := "127.0.0.1"
	if header != "" {
		addr = "192.0.2.1"
	}
	return fmt.Sprintln("name.example", true, addr)
}

func getHTTP(t *testing.T, addr, header string) string {
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "name.example"},
		DialContext:     func(ctx context.Context, _, addr string) (net.Conn, error) { return dial(ctx, addr, header) },
	}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("https://" + addr)
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(answer)
}

func TestHTTP(t *testing.T) {
	for _, c := range stacks {
		t.Run(c.name, func(t *testing.T) {
			ln := listen(t, c.wraps...)
			serveHTTP(t, ln, true)
			assert.Equal(t, want(c.header), getHTTP(t, ln.Addr().String(), c.header))
		})
	}
}

// TestHTTPOverMuxedTLS: cmux looks at what is in TLS.
func TestHTTPOverMuxedTLS(t *testing.T) {
	ln := listen(t, own, overTLS, func(t testing.TB, l net.Listener) net.Listener { return mux(t, l, cmux.HTTP1Fast()) }, limited)
	serveHTTP(t, ln, false)
	assert.Equal(t, want(""), getHTTP(t, ln.Addr().String(), ""))
}

// serveGRPC serves the health service on ln. Calls send their Event to events, or ""
// without one.
func serveGRPC(t *testing.T, ln net.Listener, creds credentials.TransportCredentials) (events <-chan string) {
	texts := make(chan string, 1)
	s := grpc.NewServer(grpc.Creds(creds), grpc.UnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			if e, ok := EventOf(ctx, event.Full); ok {
				texts <- text(&e)
			} else {
				texts <- ""
			}
			return handler(ctx, req)
		}))
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Stop()
		<-served
	})
	return texts
}

func callGRPC(t *testing.T, addr, header string) {
	conn, err := grpc.NewClient("passthrough:///"+addr,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, ServerName: "name.example"})),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return dial(ctx, addr, header) }))
	require.NoError(t, err)
	defer conn.Close()
	resp, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	require.NoError(t, err)
	assert.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, resp.Status)
}

func TestGRPC(t *testing.T) {
	for _, c := range stacks {
		t.Run(c.name, func(t *testing.T) {
			ln := listen(t, c.wraps...)
			events := serveGRPC(t, ln, WithConn(credentials.NewTLS(servertest.Config(t))))
			callGRPC(t, ln.Addr().String(), c.header)
			assert.Equal(t, want(c.header), <-events)
		})
	}
}

// TestGRPCOverMuxedTLS: the handshake is over when gRPC gets the connection.
func TestGRPCOverMuxedTLS(t *testing.T) {
	ln := listen(t, own, overTLS, func(t testing.TB, l net.Listener) net.Listener { return mux(t, l, cmux.Any()) })
	events := serveGRPC(t, ln, WithConn(insecure.NewCredentials()))
	callGRPC(t, ln.Addr().String(), "")
	assert.Equal(t, want(""), <-events)
}

// TestGRPCWithoutListener finds no Event, and serves the call.
func TestGRPCWithoutListener(t *testing.T) {
	for _, creds := range []credentials.TransportCredentials{
		WithConn(credentials.NewTLS(servertest.Config(t))),
		credentials.NewTLS(servertest.Config(t)),
	} {
		ln := listen(t)
		events := serveGRPC(t, ln, creds)
		callGRPC(t, ln.Addr().String(), "")
		assert.Empty(t, <-events)
	}
}
