package echo_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tlspeek/tlspeek/internal/helloinput"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/echo"
	"github.com/tlspeek/tlspeek/server/page"
)

// longALPN returns protocols that make a hello of 18 KB.
func longALPN(first string) []string {
	list := []string{first}
	for i := range 9_000 {
		list = append(list, string(rune('a'+i%26)))
	}
	return list
}

// A target is an endpoint under attack, on pipes and with a fake clock.
type target struct {
	*testing.T
	ln      *servertest.Pipes
	handler *echo.Handler
	conns   []net.Conn // of attackers
}

// attack runs f against an endpoint. Afterwards all connections of attackers are closed,
// and nothing may be left over.
func attack(t *testing.T, f func(*target)) {
	config := servertest.Config(t)
	synctest.Test(t, func(t *testing.T) {
		live := new(page.Live)
		a := &target{T: t, ln: servertest.NewPipes()}
		a.handler = &echo.Handler{Page: &page.Page{Live: live, Read: helloinput.Observations}}
		stop := serve(t, a.handler, &server.Server{TLSConfig: config}, &server.Listener{Listener: a.ln})
		f(a)
		live.Stop()
		for _, c := range a.conns {
			c.Close()
		}
		synctest.Wait()
		for _, r := range a.handler.Resources() {
			assert.Zero(t, r.Used, "%s is used when all have gone", r.Name)
		}
		require.NoError(t, stop())
		time.Sleep(time.Second)
	})
}

// client returns the address of the n-th client.
func client(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 40_000)
}

// dial connects a client, as an attacker if its connection is to be closed at the end.
func (a *target) dial(from netip.AddrPort, config *tls.Config) *tls.Conn {
	config.InsecureSkipVerify = true
	conn := tls.Client(a.ln.DialFrom(from), config)
	require.NoError(a, conn.Handshake())
	a.conns = append(a.conns, conn.NetConn())
	return conn
}

// get returns the response to a request on a connection of its own.
func (a *target) get(from netip.AddrPort, method, path, body string) string {
	conn := a.dial(from, &tls.Config{NextProtos: []string{"http/1.1"}})
	accept := "text/html"
	if path == "/json" || strings.HasPrefix(path, "/api") {
		accept = "*/*"
	}
	_, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nAccept: %s\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", method, path, accept, len(body), body)
	require.NoError(a, err)
	if path == "/live/events" { // which does not end
		first := make([]byte, 15)
		_, err := io.ReadFull(conn, first)
		require.NoError(a, err)
		conn.NetConn().Close()
		return string(first)
	}
	text, err := io.ReadAll(conn)
	require.NoError(a, err)
	return string(text)
}

// honest has another client get every answer at once, whatever attackers do.
func (a *target) honest() {
	a.Helper()
	synctest.Wait()
	began := time.Now()
	for _, path := range []string{"/json", "/", "/json?detail=1", "/hello.bin", "/api/all", "/compare", "/live", "/live/events", "/static/style.css"} {
		assert.Contains(a, a.get(client(200), "GET", path, ""), "HTTP/1.1 200", path)
		assert.Zero(a, time.Since(began), path)
	}
	assert.Contains(a, a.get(client(200), "POST", "/compare", "hello=160301"), "HTTP/1.1 422")
	line := a.dial(client(200), &tls.Config{MaxVersion: tls.VersionTLS12})
	_, err := io.WriteString(line, "detail\n")
	require.NoError(a, err)
	first := make([]byte, 1)
	_, err = io.ReadFull(line, first)
	require.NoError(a, err)
	assert.Equal(a, "{", string(first))
	line.NetConn().Close()
	assert.Zero(a, time.Since(began))
}

// requireShares has nothing used by more than all may have, and by one client not by more
// than half of that.
func (a *target) requireShares(clients int) {
	a.Helper()
	synctest.Wait()
	for _, r := range a.handler.Resources() {
		assert.LessOrEqual(a, r.Used, r.Total, r.Name)
		if clients == 1 {
			assert.LessOrEqual(a, r.Used, r.Total/2, r.Name)
		}
	}
}

// used returns how much of a resource is used.
func (a *target) used(name string) int64 {
	synctest.Wait() // an answer may have been read before its handler returns
	for _, r := range a.handler.Resources() {
		if r.Name == name {
			return r.Used
		}
	}
	a.Fatalf("there is no %s", name)
	return 0
}

// A windowless client has a connection over HTTP/2 on which it sends as many requests as
// it may and lets no byte of a body come.
type windowless struct {
	statuses map[string]int
	closed   chan struct{} // when statuses has all
}

func (a *target) windowless(from netip.AddrPort, path string) *windowless {
	conn := a.dial(from, &tls.Config{NextProtos: longALPN("h2")})
	c := &windowless{make(map[string]int), make(chan struct{})}
	f := http2.NewFramer(conn, conn)
	_, err := io.WriteString(conn, http2.ClientPreface)
	require.NoError(a, err)
	require.NoError(a, f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	streams := make(chan uint32, 1)
	go func() {
		defer close(c.closed)
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					limit, _ := frame.Value(http2.SettingMaxConcurrentStreams)
					_ = f.WriteSettingsAck()
					streams <- limit
				}
			case *http2.MetaHeadersFrame:
				c.statuses[frame.PseudoValue("status")]++
				if frame.PseudoValue("status") == "503" {
					assert.Contains(a, fmt.Sprint(frame.RegularFields()), "retry-after")
				}
			case *http2.PingFrame:
				if !frame.IsAck() {
					_ = f.WritePing(true, frame.Data)
				}
			}
		}
	}()
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for i := range <-streams {
		block.Reset()
		for _, h := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "x"}, {":path", path}, {"accept", "text/html"}} {
			require.NoError(a, e.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}))
		}
		require.NoError(a, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}))
	}
	return c
}

var paths = []string{"/", "/json", "/json?detail=1", "/api/all", "/hello.bin", "/compare", "/live", "/static/style.css", "/none"}

// TestStreamsWithoutWindow: one client has three connections whose streams have no window.
func TestStreamsWithoutWindow(t *testing.T) {
	for _, path := range paths {
		attack(t, func(a *target) {
			var all []*windowless
			for range 3 {
				all = append(all, a.windowless(client(1), path))
			}
			a.requireShares(1)
			a.honest()
			assert.NotZero(a, a.used("requests"), path)
			assert.LessOrEqual(a, a.used("requests"), int64(128), path)
			time.Sleep(30 * time.Second)
			a.requireShares(1)
			a.honest()
			time.Sleep(2 * time.Minute)
			assert.Zero(a, a.used("requests"), "%s: stalled answers end", path)
			for _, c := range a.conns {
				c.Close()
			}
			for _, c := range all {
				<-c.closed
				assert.NotZero(a, c.statuses["200"]+c.statuses["404"]+c.statuses["503"], path)
				assert.Equal(a, 100, c.statuses["200"]+c.statuses["404"]+c.statuses["503"], path)
			}
		})
	}
}

// TestManyClientsWithoutWindow: fifty clients do so at once. Answers that are short are
// given all the same.
func TestManyClientsWithoutWindow(t *testing.T) {
	for _, path := range []string{"/", "/json?detail=1", "/json"} {
		attack(t, func(a *target) {
			for n := range 50 {
				a.windowless(client(n), path)
			}
			a.requireShares(50)
			began := time.Now()
			for range 3 {
				assert.Contains(a, a.get(client(200), "GET", "/json", ""), "HTTP/1.1 200", path)
			}
			assert.Zero(a, time.Since(began), path)
		})
	}
}

// TestUnreadAnswers: one client has many connections over HTTP/1.1, and reads nothing.
func TestUnreadAnswers(t *testing.T) {
	for _, path := range []string{"/", "/json", "/json?detail=1", "/compare"} {
		attack(t, func(a *target) {
			for range 150 {
				conn := a.dial(client(1), &tls.Config{NextProtos: longALPN("http/1.1")})
				_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n", path)
				require.NoError(a, err)
			}
			a.requireShares(1)
			a.honest()
			time.Sleep(2 * time.Minute)
			assert.Zero(a, a.used("requests"), path)
		})
	}
}

// TestSlowUploads: one client sends forms of all sizes slowly, and never to the end.
func TestSlowUploads(t *testing.T) {
	for _, length := range []int{10, 100_000, 8 << 20} {
		attack(t, func(a *target) {
			for range 20 {
				conn := a.dial(client(1), &tls.Config{NextProtos: []string{"http/1.1"}})
				_, err := fmt.Fprintf(conn, "POST /compare HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\nhello=", length)
				require.NoError(a, err)
			}
			a.requireShares(1)
			assert.NotZero(a, a.used("uploads"))
			assert.Zero(a, a.used("renders"), "what has not come holds no place of those that are read")
			a.honest()
			time.Sleep(2 * time.Minute)
			assert.Zero(a, a.used("uploads"), "they end")
		})
	}
}

// TestWatchers: one client watches on 70 connections. Eight may, and others are not
// kept from it.
func TestWatchers(t *testing.T) {
	attack(t, func(a *target) {
		statuses := make(map[string]int)
		for range 70 {
			conn := a.dial(client(1), &tls.Config{NextProtos: []string{"http/1.1"}})
			_, err := io.WriteString(conn, "GET /live/events HTTP/1.1\r\nHost: x\r\n\r\n")
			require.NoError(a, err)
			status := make([]byte, 12)
			_, err = io.ReadFull(conn, status)
			require.NoError(a, err)
			statuses[string(status)]++
		}
		assert.Equal(a, map[string]int{"HTTP/1.1 200": 8, "HTTP/1.1 503": 62}, statuses)
		a.requireShares(1)
		a.honest()
	})
}

// TestUnreadLines: one client with a large hello asks for details on 70 connections, and
// reads none.
func TestUnreadLines(t *testing.T) {
	for _, line := range []string{"detail\n", "\n"} {
		attack(t, func(a *target) {
			for range 70 {
				conn := a.dial(client(1), &tls.Config{ServerName: strings.Repeat("a", 40_000), MaxVersion: tls.VersionTLS12})
				go io.WriteString(conn, line)
			}
			a.requireShares(1)
			a.honest()
			time.Sleep(2 * time.Minute)
			a.requireShares(1)
		})
	}
}

// TestResets: one client resets each of its requests at once, with and without a body.
// Nothing of them remains.
func TestResets(t *testing.T) {
	for method, end := range map[string]bool{"GET": true, "POST": false} {
		attack(t, func(a *target) {
			conn := a.dial(client(1), &tls.Config{NextProtos: []string{"h2"}})
			_, err := io.WriteString(conn, http2.ClientPreface)
			require.NoError(a, err)
			batch := bufio.NewWriterSize(conn, 64<<10)
			f := http2.NewFramer(batch, conn)
			require.NoError(a, f.WriteSettings())
			go io.Copy(io.Discard, conn)
			var block bytes.Buffer
			e := hpack.NewEncoder(&block)
			reset := func(from, to uint32) {
				for i := from; i < to; i++ {
					block.Reset()
					for _, h := range [][2]string{{":method", method}, {":scheme", "https"}, {":authority", "x"}, {":path", "/json"}} {
						require.NoError(a, e.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}))
					}
					require.NoError(a, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: block.Bytes(), EndStream: end, EndHeaders: true}))
					require.NoError(a, f.WriteRSTStream(2*i+1, http2.ErrCodeCancel))
					if i%50 == 49 { // the next ones come before the handlers of these have begun
						require.NoError(a, batch.Flush())
						synctest.Wait()
					}
				}
			}
			reset(0, 100)
			before := liveHeap()
			reset(100, 8100)
			assert.Less(a, liveHeap()-before, int64(1<<20), "8,000 streams with %s", method)
			a.honest()
		})
	}
}

// liveHeap returns how many bytes are in use.
func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
