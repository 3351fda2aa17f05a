package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/proxy"
)

// curlHello is a hello that asks for no route.
func curlHello(t testing.TB) []byte { return record(hellotest.Real(t)["curl-openssl-3.0"].Raw) }

// FuzzPassBytes has a client send bytes behind its hello, in pieces of random sizes, and
// the backend answer with others. Both arrive as they were sent.
func FuzzPassBytes(f *testing.F) {
	f.Add(uint64(1), 100, 5000)
	f.Add(uint64(2), 0, 0)
	f.Add(uint64(3), 3<<20, 1<<20)
	type job struct {
		want, answer []byte
		seed         uint64
		got          chan []byte
	}
	jobs := make(chan *job, 1)
	to := passBackend(f, func(c net.Conn) {
		j := <-jobs
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			sendPieces(c, j.answer, j.seed+1)
			c.(*net.TCPConn).CloseWrite()
		}()
		got, _ := io.ReadAll(c)
		<-answered
		j.got <- got
	})
	pt := servePass(f, &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}, ProxyProtocol: proxy.ProxyNone}, nil)
	hello := curlHello(f)
	f.Fuzz(func(t *testing.T, seed uint64, up, down int) {
		random := rand.New(rand.NewPCG(seed, 0))
		j := &job{randomBytes(random, up%(4<<20)), randomBytes(random, down%(4<<20)), seed, make(chan []byte, 1)}
		j.want = append(bytes.Clone(hello), j.want...)
		jobs <- j
		c, err := net.Dial("tcp", pt.addr)
		require.NoError(t, err)
		defer c.Close()
		go func() {
			sendPieces(c, j.want, seed)
			c.(*net.TCPConn).CloseWrite()
		}()
		answer, err := io.ReadAll(c)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(j.answer, answer), "%d of %d bytes", len(answer), len(j.answer))
		got := <-j.got
		assert.True(t, bytes.Equal(j.want, got), "%d of %d bytes", len(got), len(j.want))
	})
}

func randomBytes(random *rand.Rand, n int) []byte {
	b := make([]byte, max(n, 0))
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// sendPieces sends b in pieces, most of them small.
func sendPieces(w io.Writer, b []byte, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	for len(b) > 0 {
		n := min(len(b), 1+random.IntN(1<<random.IntN(18)))
		if _, err := w.Write(b[:n]); err != nil {
			return
		}
		b = b[n:]
	}
}

// TestPassHalfCloseOfEither: the end of one side does not end the other.
func TestPassHalfCloseOfEither(t *testing.T) {
	to := passBackend(t, func(c net.Conn) {
		all, _ := io.ReadAll(c)
		c.Write(all[len(all)-4:])
	})
	pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}, ProxyProtocol: proxy.ProxyV1}, nil)
	c, err := net.Dial("tcp", pt.addr)
	require.NoError(t, err)
	defer c.Close()
	c.Write(append(curlHello(t), "last"...))
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	got, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.Equal(t, "last", string(got))
	assert.NoError(t, pt.wait(t, 1)[0].Err)
}

// TestPassReset: a side that resets has the other one reset.
func TestPassReset(t *testing.T) {
	for _, bulk := range []bool{false, true} {
		for _, who := range []string{"client", "backend"} {
			begun, ended := make(chan bool, 1), make(chan error, 1)
			wrote := make(chan error, 1)
			to := passBackend(t, func(c net.Conn) {
				c.Read(make([]byte, 1))
				begun <- true
				if bulk { // so that much is under way
					go func() {
						_, err := c.Write(make([]byte, 8<<20))
						wrote <- err
					}()
				}
				if who == "backend" {
					c.(*net.TCPConn).SetLinger(0)
					c.Close()
					return
				}
				_, err := io.Copy(io.Discard, c)
				ended <- err
			})
			pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}}, nil)
			c, err := net.Dial("tcp", pt.addr)
			require.NoError(t, err)
			c.Write(curlHello(t))
			<-begun
			if who == "client" {
				if bulk {
					io.ReadFull(c, make([]byte, 1))
				}
				c.(*net.TCPConn).SetLinger(0)
				c.Close()
				err := <-ended
				if bulk && err == nil { // the system says it once, to who reads or to who writes
					err = <-wrote
				}
				assert.ErrorIs(t, err, syscall.ECONNRESET)
			} else {
				_, err := io.Copy(io.Discard, c)
				assert.ErrorIs(t, err, syscall.ECONNRESET)
			}
			c.Close()
			assert.Error(t, pt.wait(t, 1)[0].Err)
		}
	}
}

// TestPassAnswerBeforeReset: what a backend has sent arrives, although it closes with
// bytes unread, which resets its side.
func TestPassAnswerBeforeReset(t *testing.T) {
	to := passBackend(t, func(c net.Conn) {
		c.Read(make([]byte, 1))
		io.WriteString(c, "answer")
	})
	pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}}, nil)
	for range 20 {
		c, err := net.Dial("tcp", pt.addr)
		require.NoError(t, err)
		c.Write(append(curlHello(t), make([]byte, 1000)...))
		got := make([]byte, 6)
		_, err = io.ReadFull(c, got)
		require.NoError(t, err)
		assert.Equal(t, "answer", string(got))
		c.Close()
	}
	pt.wait(t, 20)
}

// TestPassSlowClients: many clients drip their hellos. An honest one is served at once.
func TestPassSlowClients(t *testing.T) {
	to := passBackend(t, func(c net.Conn) { io.WriteString(c, "served"); io.Copy(io.Discard, c) })
	pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}}, nil)
	hello := curlHello(t)
	stop := make(chan struct{})
	var running sync.WaitGroup
	for range 1000 {
		c, err := net.Dial("tcp", pt.addr)
		require.NoError(t, err)
		running.Go(func() {
			defer c.Close()
			for i := range 20 {
				c.Write(hello[i : i+1])
				select {
				case <-stop:
					return
				case <-time.After(100 * time.Millisecond):
				}
			}
			<-stop
		})
	}
	c, err := net.Dial("tcp", pt.addr)
	require.NoError(t, err)
	c.SetDeadline(time.Now().Add(5 * time.Second))
	c.Write(hello)
	got := make([]byte, 6)
	_, err = io.ReadFull(c, got)
	assert.NoError(t, err)
	c.Close()
	close(stop)
	running.Wait()
	pt.wait(t, 1001)
}

// TestPassBackends: a backend that closes at once or resets is the client's to see. One
// that takes no connection in time is told to it.
func TestPassBackends(t *testing.T) {
	closing := passBackend(t, func(net.Conn) {})
	pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: closing}}}, nil)
	_, err := tls.Dial("tcp", pt.addr, &tls.Config{InsecureSkipVerify: true})
	assert.Error(t, err)

	// 192.0.2.0/24 is for documents: nobody answers there, or the system says so at once.
	pt = servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: "192.0.2.1:443"}}, ConnectTimeout: 50 * time.Millisecond}, nil)
	_, err = tls.Dial("tcp", pt.addr, &tls.Config{InsecureSkipVerify: true})
	assert.EqualError(t, err, "remote error: tls: internal error")
	assert.ErrorIs(t, pt.wait(t, 1)[0].Err, proxy.ErrBackend)
}

// TestPassDecision: the policy of a hello is obeyed, and no backend is asked.
func TestPassDecision(t *testing.T) {
	var asked atomic.Int64
	to := passBackend(t, func(net.Conn) { asked.Add(1) })
	pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}}, &server.Listener{Decide: func(server.Client) server.Decision {
		return server.Decision{Close: true, Rule: "no"}
	}})
	c, err := net.Dial("tcp", pt.addr)
	require.NoError(t, err)
	defer c.Close()
	c.Write(curlHello(t))
	got, _ := io.ReadAll(c)
	assert.Empty(t, got)
	done := pt.wait(t, 1)[0]
	assert.ErrorIs(t, done.Err, server.ErrRefused)
	assert.Equal(t, "no", done.Event.Rule)
	assert.Zero(t, asked.Load())
}

// TestPassMalformed: a hello that cannot be read goes to the default, and without one is
// answered.
func TestPassMalformed(t *testing.T) {
	malformed := record([]byte{1, 0, 0, 1, 9})
	got := make(chan string, 1)
	to := passBackend(t, func(c net.Conn) {
		b := make([]byte, len(malformed))
		io.ReadFull(c, b)
		got <- string(b)
	})
	pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}, ProxyProtocol: proxy.ProxyNone}, nil)
	c, err := net.Dial("tcp", pt.addr)
	require.NoError(t, err)
	c.Write(malformed)
	assert.Equal(t, string(malformed), <-got)
	c.Close()

	pt = servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{Name: "a.example", To: to}}}, nil)
	c, err = net.Dial("tcp", pt.addr)
	require.NoError(t, err)
	defer c.Close()
	c.Write(malformed)
	answer, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.Equal(t, []byte{21, 3, 1, 0, 2, 2, 50}, answer)
}

// TestPassBehindProxyOfOthers: the address in a PROXY header is passed on, and no byte behind it is
// lost.
func TestPassBehindProxyOfOthers(t *testing.T) {
	hello := curlHello(t)
	headers := make(chan *proxyproto.Header, 1)
	to := passBackend(t, func(conn net.Conn) {
		c := proxyproto.NewConn(conn)
		headers <- c.ProxyHeader()
		b := make([]byte, len(hello)+4)
		io.ReadFull(c, b)
		c.Write(b)
	})
	pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}}, &server.Listener{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	for header, want := range map[string]string{
		"PROXY TCP4 198.51.100.7 203.0.113.9 12345 443\r\n":        "198.51.100.7:12345 203.0.113.9:443",
		"PROXY TCP6 2001:db8::7 2001:db8::9 12345 443\r\n":         "[2001:db8::7]:12345 [2001:db8::9]:443",
		"PROXY TCP6 ::ffff:198.51.100.7 2001:db8::9 12345 443\r\n": "198.51.100.7:12345 [2001:db8::9]:443",
	} {
		c, err := net.Dial("tcp", pt.addr)
		require.NoError(t, err)
		c.Write(append(append([]byte(header), hello...), "more"...))
		got := make([]byte, len(hello)+4)
		_, err = io.ReadFull(c, got)
		require.NoError(t, err)
		assert.Equal(t, string(hello)+"more", string(got))
		h := <-headers
		assert.Equal(t, want, h.SourceAddr.String()+" "+h.DestinationAddr.String())
		c.Close()
	}
}

// TestPassUnixFront: clients on a Unix socket have no address.
func TestPassUnixFront(t *testing.T) {
	for version, want := range map[proxy.ProxyProtocol]string{
		proxy.ProxyV1: "PROXY UNKNOWN\r\n",
		proxy.ProxyV2: "\r\n\r\n\x00\r\nQUIT\n\x20\x00",
	} {
		ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		require.NoError(t, err)
		got := make(chan string, 1)
		to := passBackend(t, func(c net.Conn) {
			b := make([]byte, len(want))
			io.ReadFull(c, b)
			got <- string(b)
		})
		pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}, ProxyProtocol: version}, &server.Listener{Listener: ln})
		c, err := net.Dial("unix", pt.addr)
		require.NoError(t, err)
		c.Write(curlHello(t))
		assert.Equal(t, want, <-got)
		c.Close()
	}
}

// TestPassHTTP: a server of net/http is behind a Pass, over HTTP/1.1 and HTTP/2, and with
// an upgraded connection.
func TestPassHTTP(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			io.WriteString(w, r.Proto+" "+r.RemoteAddr)
			return
		}
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(conn, rw)
	}))
	srv.Listener = &proxyproto.Listener{Listener: srv.Listener}
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: srv.Listener.Addr().String()}}}, nil)
	for i, http2 := range []bool{false, true} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: http2}}
		res, err := client.Get("https://" + pt.addr)
		require.NoError(t, err)
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		client.CloseIdleConnections()
		done := pt.wait(t, i+1)[i]
		assert.Equal(t, res.Proto+" "+done.Client.String(), string(body))
	}
	c, err := tls.Dial("tcp", pt.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	require.NoError(t, err)
	defer c.Close()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	assert.Equal(t, 101, res.StatusCode)
	for range 3 {
		io.WriteString(c, "echo\n")
		line, err := r.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, "echo\n", line)
	}
}

// TestPassHeaderIsBounded: long names and many tags are cut where that leaves a value.
func TestPassHeaderIsBounded(t *testing.T) {
	var tags []string
	for range 200 {
		tags = append(tags, strings.Repeat("t", 30)+",")
	}
	headers := make(chan *proxyproto.Header, 1)
	to := passBackend(t, func(conn net.Conn) { headers <- proxyproto.NewConn(conn).ProxyHeader() })
	pt := servePass(t, &proxy.Pass{Routes: []proxy.PassRoute{{To: to}}}, &server.Listener{Decide: func(server.Client) server.Decision {
		return server.Decision{Tags: tags}
	}})
	for name, want := range map[string]string{
		strings.Repeat("a.", 126) + "example": "",
		"line\nfeed.example":                  "",
		"\xff\xfe.example":                    "",
		"B\u00fccher.example":                 "B\u00fccher.example",
		"UPPER.example":                       "UPPER.example",
	} {
		c, err := net.Dial("tcp", pt.addr)
		require.NoError(t, err)
		c.Write(record(hellotest.Hello(hellotest.Extension(0, hellotest.ServerName([]byte(name))), hellotest.Extension(16, hellotest.ALPN("\x0a\x0a", "\x2a\x2a", "h2"))).Raw))
		h := <-headers
		require.NotNil(t, h)
		tlvs := tlvsOf(t, h)
		assert.Equal(t, want, tlvs[0x02])
		assert.Equal(t, "h2", tlvs[0x01])
		assert.NotEmpty(t, tlvs[0xe4])
		assert.LessOrEqual(t, len(tlvs[0xe6]), 512)
		for _, tag := range strings.Split(tlvs[0xe6], ", ") {
			assert.Equal(t, strings.Repeat("t", 30)+`\x2c`, tag)
		}
		c.Close()
	}
}

// TestPassTwice: a Pass that was shut down serves no more.
func TestPassTwice(t *testing.T) {
	p := &proxy.Pass{Routes: []proxy.PassRoute{{To: "127.0.0.1:1"}}}
	require.NoError(t, p.Close())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	assert.Equal(t, http.ErrServerClosed, p.Serve(&server.Listener{Listener: ln}))
	_, err = ln.Accept()
	assert.True(t, errors.Is(err, net.ErrClosed))
	require.NoError(t, p.Close())
}
