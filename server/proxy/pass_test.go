package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/proxy"
)

// TestMain runs the tests, which must leave no goroutine.
// A passTest is a Pass that serves.
type passTest struct {
	addr string

	mu   sync.Mutex
	done []proxy.PassedConn
}

// servePass has p serve l, which may be nil, until the test ends.
func servePass(t testing.TB, p *proxy.Pass, l *server.Listener) *passTest {
	t.Helper()
	if l == nil {
		l = &server.Listener{}
	}
	if l.Listener == nil {
		l.Listener = servertest.Listen(t)
	}
	pt := &passTest{addr: l.Addr().String()}
	p.Done = func(c *proxy.PassedConn) {
		pt.mu.Lock()
		defer pt.mu.Unlock()
		pt.done = append(pt.done, *c)
	}
	served := make(chan error, 1)
	go func() { served <- p.Serve(l) }()
	t.Cleanup(func() {
		p.Close()
		assert.Equal(t, http.ErrServerClosed, <-served)
	})
	return pt
}

// wait returns the connections that have ended, once there are n.
func (pt *passTest) wait(t testing.TB, n int) []proxy.PassedConn {
	t.Helper()
	var all []proxy.PassedConn
	require.Eventually(t, func() bool {
		pt.mu.Lock()
		defer pt.mu.Unlock()
		all = append([]proxy.PassedConn(nil), pt.done...)
		return len(all) >= n
	}, 20*time.Second, time.Millisecond)
	return all
}

// servePassBackend has f serve each connection of a listener, until the test ends. It closes
// the connection when f returns.
func servePassBackend(t testing.TB, ln net.Listener, f func(net.Conn)) string {
	t.Helper()
	var running sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	running.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			running.Go(func() {
				defer conn.Close()
				f(conn)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return ln.Addr().String()
}

// passBackend is servePassBackend on a port of its own.
func passBackend(t testing.TB, f func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return servePassBackend(t, ln, f)
}

// tlsBackend serves TLS behind a PROXY header. It answers each line with the same line.
func tlsBackend(t testing.TB, config *tls.Config, header func(*proxyproto.Header)) string {
	return passBackend(t, func(conn net.Conn) {
		c := proxyproto.NewConn(conn)
		if header != nil {
			header(c.ProxyHeader())
		}
		s := tls.Server(c, config)
		r := bufio.NewReader(s)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if _, err := io.WriteString(s, line); err != nil {
				return
			}
		}
	})
}

// ask sends a line over TLS and expects it back.
func ask(t testing.TB, c *tls.Conn) {
	t.Helper()
	require.NoError(t, c.SetDeadline(time.Now().Add(20*time.Second)))
	_, err := io.WriteString(c, "hello\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(c).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "hello\n", line)
}

// tlvsOf returns the TLVs of a header.
func tlvsOf(t testing.TB, h *proxyproto.Header) map[proxyproto.PP2Type]string {
	tlvs, err := h.TLVs()
	assert.NoError(t, err)
	m := make(map[proxyproto.PP2Type]string)
	for _, v := range tlvs {
		m[v.Type] = string(v.Value)
	}
	return m
}

// TestPassTLS has crypto/tls talk through a Pass: each version, a HelloRetryRequest,
// resumption and client certificates. The backend reads the TLVs.
func TestPassTLS(t *testing.T) {
	config := servertest.Config(t)
	for name, c := range map[string]struct{ server, client func(*tls.Config) }{
		"TLS 1.3":             {},
		"TLS 1.2":             {client: func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }},
		"HelloRetryRequest":   {server: func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP384} }},
		"client certificates": {server: func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }, client: func(c *tls.Config) { c.Certificates = config.Certificates }},
		"resumption":          {client: func(c *tls.Config) { c.ClientSessionCache = tls.NewLRUClientSessionCache(8) }},
	} {
		t.Run(name, func(t *testing.T) {
			serverConfig := config.Clone()
			if c.server != nil {
				c.server(serverConfig)
			}
			var mu sync.Mutex
			var headers []*proxyproto.Header
			to := tlsBackend(t, serverConfig, func(h *proxyproto.Header) {
				mu.Lock()
				defer mu.Unlock()
				headers = append(headers, h)
			})
			pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}}, &server.Listener{
				Decide: func(server.Client) server.Decision { return server.Decision{Rule: "r", Tags: []string{"a", "b,c"}} },
			})
			clientConfig := &tls.Config{InsecureSkipVerify: true, ServerName: "Shop.example", NextProtos: []string{"h2", "http/1.1"}}
			if c.client != nil {
				c.client(clientConfig)
			}
			for i := range 2 {
				raw, err := net.Dial("tcp", pt.addr)
				require.NoError(t, err)
				conn := tls.Client(raw, clientConfig)
				ask(t, conn)
				assert.Equal(t, name == "resumption" && i == 1, conn.ConnectionState().DidResume)
				require.NoError(t, conn.Close())
				done := pt.wait(t, i+1)[i]
				assert.NoError(t, done.Err)
				assert.Equal(t, "Shop.example", done.ServerName)
				assert.Equal(t, to, done.To)
				assert.Equal(t, raw.LocalAddr().String(), done.Client.String())
				assert.Greater(t, done.Sent, int64(200))
				assert.Greater(t, done.Received, int64(200))
				mu.Lock()
				h := headers[i]
				mu.Unlock()
				assert.Equal(t, raw.LocalAddr().String(), h.SourceAddr.String())
				assert.Equal(t, raw.RemoteAddr().String(), h.DestinationAddr.String())
				tlvs := tlvsOf(t, h)
				assert.Equal(t, "Shop.example", tlvs[0x02])
				assert.Equal(t, "h2", tlvs[0x01])
				assert.Equal(t, done.Event.JA3(), tlvs[0xe3])
				assert.Equal(t, done.Event.JA4(), tlvs[0xe4])
				assert.NotEmpty(t, tlvs[0xe4])
				assert.Equal(t, `a, b\x2cc`, tlvs[0xe6])
				assert.Equal(t, "passed", done.Event.Settled.String())
				assert.Equal(t, "r", done.Event.Rule)
			}
		})
	}
}

// TestPassLargeTransfers sends and receives 20 MB at once, over TCP and a Unix socket.
func TestPassLargeTransfers(t *testing.T) {
	const size = 20 << 20
	for _, network := range []string{"tcp", "unix"} {
		address, prefix := "127.0.0.1:0", ""
		if network == "unix" {
			address, prefix = filepath.Join(t.TempDir(), "s"), "unix:"
		}
		ln, err := net.Listen(network, address)
		require.NoError(t, err)
		data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		to := servePassBackend(t, ln, func(conn net.Conn) {
			c := tls.Server(proxyproto.NewConn(conn), servertest.Config(t))
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				c.Write(data)
				c.CloseWrite()
			}()
			got, err := io.ReadAll(c)
			assert.NoError(t, err)
			assert.True(t, bytes.Equal(data, got))
			<-sent
		})
		pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: prefix + to}}}, nil)
		c, err := tls.Dial("tcp", pt.addr, &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			c.Write(data)
			c.CloseWrite()
		}()
		got, err := io.ReadAll(c)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(data, got))
		<-sent
		c.Close()
		done := pt.wait(t, 1)[0]
		assert.NoError(t, done.Err)
		assert.Greater(t, done.Sent, int64(size))
		assert.Greater(t, done.Received, int64(size))
	}
}

// A lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestPassAlerts: clients that are not passed on are told why.
func TestPassAlerts(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed.Close()
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "other.example"}
	for name, c := range map[string]struct {
		route proxy.PassRoute
		alert tls.AlertError
		err   error
	}{
		"no route":        {proxy.PassRoute{Name: "shop.example", To: "127.0.0.1:1"}, 112, proxy.ErrNoRoute},
		"backend is down": {proxy.PassRoute{To: closed.Addr().String()}, 80, proxy.ErrBackend},
	} {
		t.Run(name, func(t *testing.T) {
			var logged lockedBuffer
			log := slog.New(slog.NewTextHandler(&logged, nil))
			pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{c.route}, Log: log}, nil)
			_, err := tls.Dial("tcp", pt.addr, config)
			require.EqualError(t, err, "remote error: "+c.alert.Error())
			assert.ErrorIs(t, pt.wait(t, 1)[0].Err, c.err)
			assert.Equal(t, c.err == proxy.ErrBackend, strings.Contains(logged.String(), "level=WARN") && strings.Contains(logged.String(), c.route.To), logged.String())
		})
	}
}

// TestPassNoTLS: what is no TLS gets no backend.
func TestPassNoTLS(t *testing.T) {
	pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: passBackend(t, func(net.Conn) { t.Error("a backend was asked") })}}}, nil)
	for sent, want := range map[string]string{
		"GET / HTTP/1.1\r\n\r\n": "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
		"SSH-2.0-OpenSSH\r\n":    "",
	} {
		c, err := net.Dial("tcp", pt.addr)
		require.NoError(t, err)
		for i := range sent {
			c.Write([]byte(sent[i : i+1])) // the rest may come too late
		}
		answer, _ := io.ReadAll(c)
		assert.Equal(t, want, string(answer))
		c.Close()
	}
	for _, done := range pt.wait(t, 2) {
		assert.Error(t, done.Err)
	}
}

// TestPassShutdown: what is passed on may finish; what is not ends at once.
func TestPassShutdown(t *testing.T) {
	to := tlsBackend(t, servertest.Config(t), nil)
	p := &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}}
	pt := servePass(t, p, nil)
	silent, err := net.Dial("tcp", pt.addr)
	require.NoError(t, err)
	c, err := tls.Dial("tcp", pt.addr, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	ask(t, c)
	ended := make(chan error, 1)
	go func() { ended <- p.Shutdown(context.Background()) }()
	_, err = silent.Read(make([]byte, 1))
	assert.Error(t, err)
	ask(t, c)
	c.Close()
	assert.NoError(t, <-ended)
	pt.wait(t, 2)
}

// TestPassShutdownInTime: what does not finish is ended.
func TestPassShutdownInTime(t *testing.T) {
	to := tlsBackend(t, servertest.Config(t), nil)
	p := &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}}
	pt := servePass(t, p, nil)
	c, err := tls.Dial("tcp", pt.addr, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	ask(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, p.Shutdown(ctx), context.Canceled)
	_, err = io.ReadAll(c)
	assert.Error(t, err)
	assert.ErrorIs(t, pt.wait(t, 1)[0].Err, net.ErrClosed)
}

// TestPassStall: a connection without a byte ends. One with bytes in either direction
// does not.
func TestPassStall(t *testing.T) {
	to := passBackend(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}, StallTimeout: 200 * time.Millisecond}, nil)
	c, err := net.Dial("tcp", pt.addr)
	require.NoError(t, err)
	defer c.Close()
	c.Write(record(hellotest.Real(t)["curl-openssl-3.0"].Raw))
	began := time.Now()
	for time.Since(began) < 600*time.Millisecond {
		_, err := c.Write([]byte("x"))
		require.NoError(t, err)
		time.Sleep(20 * time.Millisecond)
	}
	_, err = io.ReadAll(c)
	assert.Error(t, err)
	assert.ErrorIs(t, pt.wait(t, 1)[0].Err, proxy.ErrStalled)
}

// record returns a message in a record.
func record(msg []byte) []byte { return append([]byte{22, 3, 1}, hellotest.Vector16(msg)...) }
