package server_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/echo"
)

func askHTTP3(t testing.TB, addr, name string, config *quic.Config) (answer, *http.Response) {
	transport := &http3.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: name},
		QUICConfig:      config,
	}
	defer transport.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "https://"+addr+"/json?detail=1", nil)
	require.NoError(t, err)
	resp, err := (&http.Client{Transport: transport}).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return decode(t, text), resp
}

// TestHTTP3: clients at once each get their own hello, whether a Retry has them
// prove their address or not.
func TestHTTP3(t *testing.T) {
	for _, c := range []struct {
		name       string
		retryAbove int
	}{{"no Retry", 0}, {"Retry", -1}} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			seen := make(map[string]int)
			conn := servertest.UDP(t)
			ln := &server.Listener{Listener: servertest.Listen(t), Observe: func(o *event.Observation) {
				mu.Lock()
				defer mu.Unlock()
				assert.NoError(t, o.Err)
				seen[string(o.Hello.ServerName)]++
			}}
			stop := serve(t, &server.Server{UDP: []*net.UDPConn{conn}, RetryAbove: c.retryAbove}, ln, time.Second)
			var wg sync.WaitGroup
			names := []string{"a.example", "b.example", "c.example", "d.example", strings.Repeat("long.", 40) + "example"}
			for _, name := range names {
				wg.Go(func() {
					a, resp := askHTTP3(t, conn.LocalAddr().String(), name, nil)
					assert.Equal(t, name, a.SNI)
					assert.True(t, strings.HasPrefix(a.JA4, "q13d"), a.JA4)
					assert.Equal(t, []string{"h3"}, a.ALPN)
					assert.Equal(t, "HTTP/3.0", resp.Proto)
					assert.NotEmpty(t, a.Raw)
				})
			}
			wg.Wait()
			require.NoError(t, stop())
			mu.Lock()
			defer mu.Unlock()
			for _, name := range names {
				assert.Equal(t, 1, seen[name], name)
			}
		})
	}
}

func TestHTTP3IsAnnounced(t *testing.T) {
	conn := servertest.UDP(t)
	ln := &server.Listener{Listener: servertest.Listen(t)}
	serve(t, &server.Server{UDP: []*net.UDPConn{conn}}, ln, 0)
	client := servertest.HTTPClient(true)
	defer client.CloseIdleConnections()
	_, port, err := net.SplitHostPort(conn.LocalAddr().String())
	require.NoError(t, err)
	assert.Eventually(t, func() bool { // HTTP/3 starts a little later
		resp, err := client.Get("https://" + ln.Addr().String() + "/")
		require.NoError(t, err)
		resp.Body.Close()
		return resp.Header.Get("Alt-Svc") == `h3=":`+port+`"; ma=2592000`
	}, 10*time.Second, 10*time.Millisecond)
}

func TestHeadersOverHTTP3(t *testing.T) {
	conn := servertest.UDP(t)
	h3 := &server.HTTP3{
		TLSConfig: servertest.Config(t),
		Handler: server.Headers{}.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e, ok := server.FromContext(r.Context())
			assert.True(t, ok)
			assert.Equal(t, e.JA4(), r.Header.Get("X-JA4-Fingerprint"))
			assert.Equal(t, e.JA3(), r.Header.Get("X-JA3-Fingerprint"))
			assert.Equal(t, "none; not HTTP/2", r.Header.Get("X-HTTP2-Fingerprint"))
			io.WriteString(w, "{}")
		})),
	}
	served := make(chan error, 1)
	go func() { served <- h3.Serve(conn) }()
	_, resp := askHTTP3(t, conn.LocalAddr().String(), "headers.example", nil)
	assert.Equal(t, 200, resp.StatusCode)
	require.NoError(t, h3.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
	assert.Zero(t, h3.HalfOpen())
}

// TestRetryAboveHalfOpenHandshakes: of clients that send their hello and receive
// nothing, the first two are not sent a Retry and the other four are.
func TestRetryAboveHalfOpenHandshakes(t *testing.T) {
	conn := servertest.UDP(t)
	ctx, cancel := context.WithCancel(t.Context())
	h3 := &server.HTTP3{TLSConfig: servertest.Config(t), RetryAbove: 2}
	served := make(chan error, 1)
	go func() { served <- h3.Serve(conn) }()
	var wg sync.WaitGroup
	for i := range 6 {
		retried := make(chan bool, 1)
		wg.Go(func() {
			transport := &quic.Transport{Conn: &lossySocket{servertest.UDP(t), retried}}
			defer transport.Close()
			_, err := transport.Dial(ctx, conn.LocalAddr(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}, nil)
			assert.Error(t, err)
		})
		assert.Equal(t, i >= 2, <-retried)
		assert.Equal(t, min(i+1, 2), h3.HalfOpen())
	}
	cancel()
	wg.Wait()
	require.NoError(t, h3.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
}

// A lossySocket receives nothing, but reports whether the first packet was a Retry.
type lossySocket struct {
	net.PacketConn
	retried chan<- bool
}

func (d *lossySocket) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, addr, err := d.PacketConn.ReadFrom(p)
		if err != nil {
			return n, addr, err
		}
		select {
		case d.retried <- p[0]&0xf0 == 0xf0: // RFC 9000, section 17.2.5
		default:
		}
	}
}

// TestSecondHelloOverQUIC: the server accepts a group that no client sends a share
// for.
func TestSecondHelloOverQUIC(t *testing.T) {
	var mu sync.Mutex
	var indexes []int
	config := servertest.Config(t)
	config.CurvePreferences = []tls.CurveID{tls.CurveP521}
	conn := servertest.UDP(t)
	h3 := &server.HTTP3{TLSConfig: config, Handler: new(echo.Handler), Observe: func(o *event.Observation) {
		mu.Lock()
		defer mu.Unlock()
		indexes = append(indexes, o.Index)
	}}
	served := make(chan error, 1)
	go func() { served <- h3.Serve(conn) }()
	a, _ := askHTTP3(t, conn.LocalAddr().String(), "second.example", nil)
	assert.Equal(t, "second.example", a.SNI)
	require.NoError(t, h3.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
	mu.Lock()
	defer mu.Unlock()
	assert.Equal(t, []int{1, 2}, indexes)
}

// TestHTTP3Destination: a socket may be bound to all addresses of the machine.
func TestHTTP3Destination(t *testing.T) {
	for _, c := range []struct{ network, bound, dialed string }{
		{"udp4", "0.0.0.0", "127.0.0.1"},
		{"udp4", "0.0.0.0", "127.0.0.2"},
		{"udp6", "::", "::1"},
		{"udp", "::", "127.0.0.1"},
		{"udp", "::", "::1"},
		{"udp4", "127.0.0.1", "127.0.0.1"},
	} {
		if c.dialed == "::1" {
			probe, err := net.ListenPacket("udp6", "[::1]:0")
			if err != nil { // a machine without IPv6
				continue
			}
			probe.Close()
		}
		conn, err := net.ListenUDP(c.network, &net.UDPAddr{IP: net.ParseIP(c.bound)})
		require.NoError(t, err)
		defer conn.Close()
		port := conn.LocalAddr().(*net.UDPAddr).Port
		observed := make(chan netip.AddrPort, 1)
		h3 := &server.HTTP3{TLSConfig: servertest.Config(t), Handler: new(echo.Handler), Observe: func(o *event.Observation) { observed <- o.Dst }}
		served := make(chan error, 1)
		go func() { served <- h3.Serve(conn) }()
		a, _ := askHTTP3(t, net.JoinHostPort(c.dialed, strconv.Itoa(port)), "x.example", nil)
		assert.Equal(t, c.dialed, a.DstIP, c)
		assert.Equal(t, c.dialed, (<-observed).Addr().String(), c)
		require.NoError(t, h3.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	}
}

// TestHTTP3Limits: the bounds on connections apply to QUIC too.
func TestHTTP3Limits(t *testing.T) {
	for _, c := range []struct {
		conns, perAddr int
		want           server.DropReason
	}{{1, 0, server.DropConns}, {0, 1, server.DropAddr}} {
		t.Run(string(c.want), func(t *testing.T) {
			drops := make(chan server.DropReason, 1)
			conn := servertest.UDP(t)
			ln := &server.Listener{Listener: servertest.Listen(t), Limits: &server.Limits{MaxConns: c.conns, MaxPerAddr: c.perAddr}}
			ln.Limits.Dropped = func(why server.DropReason) { // many times, while the third client tries
				select {
				case drops <- why:
				default:
				}
			}
			stop := serve(t, &server.Server{UDP: []*net.UDPConn{conn}}, ln, time.Second)
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			dial := func() (*quic.Conn, error) {
				return quic.DialAddr(ctx, conn.LocalAddr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}, nil)
			}
			first, err := dial()
			require.NoError(t, err)
			_, err = first.AcceptUniStream(ctx) // the server's control stream: it was accepted
			require.NoError(t, err)

			second, err := dial()
			if err == nil { // refused once it has proved its address
				_, err = second.AcceptUniStream(ctx)
			}
			require.Error(t, err)
			require.NoError(t, ctx.Err())
			assert.Equal(t, c.want, <-drops)

			require.NoError(t, first.CloseWithError(0, ""))
			require.Eventually(t, func() bool {
				third, err := dial()
				if err != nil {
					return false
				}
				defer third.CloseWithError(0, "")
				_, err = third.AcceptUniStream(ctx)
				return err == nil
			}, 15*time.Second, 10*time.Millisecond)
			require.NoError(t, stop())
		})
	}
}

func TestHTTP3StreamsAreBounded(t *testing.T) {
	conn := servertest.UDP(t)
	start(t, &server.Server{UDP: []*net.UDPConn{conn}}, time.Second)
	client, err := quic.DialAddr(t.Context(), conn.LocalAddr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}, nil)
	require.NoError(t, err)
	defer client.CloseWithError(0, "")
	for range 100 {
		_, err := client.OpenStream()
		require.NoError(t, err)
	}
	_, err = client.OpenStream()
	assert.ErrorAs(t, err, new(*quic.StreamLimitReachedError))
}
