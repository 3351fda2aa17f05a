package echo_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

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

// TestAnswersThatAreNotRead: a client over HTTP/2 sends as many requests as it may
// and reads no body. At most 16 answers are open for it at any time, the others are
// 503, and another client gets its answer. It has a fake clock.
func TestAnswersThatAreNotRead(t *testing.T) {
	config := servertest.Config(t)
	for _, path := range []string{"/", "/json?detail=1", "/json", "/api/all", "/hello.bin"} {
		synctest.Test(t, func(t *testing.T) {
			ln := servertest.NewPipes()
			p := new(page.Page)
			h := &echo.Handler{Page: p}
			p.Enter = h.Enter
			stop := serve(t, h, &server.Server{TLSConfig: config}, &server.Listener{Listener: ln})
			conn := tls.Client(ln.Dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: longALPN("h2")})
			require.NoError(t, conn.Handshake())
			f := http2.NewFramer(conn, conn)
			_, err := io.WriteString(conn, http2.ClientPreface)
			require.NoError(t, err)
			require.NoError(t, f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
			f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)

			began := time.Now()
			open := make(map[uint32]bool) // answers that have begun
			most, answered := 0, make(map[string]int)
			limit := uint32(0)
			settled := make(chan struct{})
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for {
					frame, err := f.ReadFrame()
					if err != nil {
						return
					}
					switch frame := frame.(type) {
					case *http2.SettingsFrame:
						if !frame.IsAck() {
							limit, _ = frame.Value(http2.SettingMaxConcurrentStreams)
							assert.NoError(t, f.WriteSettingsAck())
							close(settled)
						}
					case *http2.MetaHeadersFrame:
						status := frame.PseudoValue("status")
						answered[status]++
						switch status {
						case "200":
							open[frame.StreamID] = true
							most = max(most, len(open))
						case "503":
							assert.Equal(t, 15*time.Second, time.Since(began))
							assert.Contains(t, fmt.Sprint(frame.RegularFields()), `retry-after`)
						}
					case *http2.RSTStreamFrame:
						delete(open, frame.StreamID)
					case *http2.PingFrame:
						if !frame.IsAck() {
							assert.NoError(t, f.WritePing(true, frame.Data))
						}
					}
				}
			}()
			<-settled
			assert.EqualValues(t, 100, limit, "streams at once")
			var block strings.Builder
			e := hpack.NewEncoder(&block)
			for _, h := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "x"}, {":path", path}, {"accept", "text/html"}} {
				require.NoError(t, e.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}))
			}
			first := block.String()
			for i := range limit {
				require.NoError(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: []byte(first), EndStream: true, EndHeaders: true}))
			}
			time.Sleep(5 * time.Second)
			other := get11(t, ln, path)
			assert.Contains(t, other, "HTTP/1.1 200 OK")
			time.Sleep(2 * time.Minute)
			conn.NetConn().Close()
			<-ended
			assert.Equal(t, 16, most, path)
			assert.Equal(t, 100, answered["200"]+answered["503"], path)
			assert.NotZero(t, answered["503"], path)
			require.NoError(t, stop())
			time.Sleep(time.Second)
		})
	}
}

// get11 requests path over a new connection.
func get11(t *testing.T, ln *servertest.Pipes, path string) string {
	conn := tls.Client(ln.Dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
	require.NoError(t, conn.Handshake())
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)
	text, _ := io.ReadAll(conn)
	conn.NetConn().Close()
	return string(text)
}

// TestLinesThatAreNotRead: as many clients with large hellos as there may be
// answers read none of them.
func TestLinesThatAreNotRead(t *testing.T) {
	config := servertest.Config(t)
	synctest.Test(t, func(t *testing.T) {
		ln := servertest.NewPipes()
		stop := serve(t, new(echo.Handler), &server.Server{TLSConfig: config}, &server.Listener{Listener: ln})
		var conns []net.Conn
		for range 64 {
			conn := tls.Client(ln.Dial(), &tls.Config{InsecureSkipVerify: true, ServerName: strings.Repeat("a", 40_000), MaxVersion: tls.VersionTLS12})
			require.NoError(t, conn.Handshake())
			go io.WriteString(conn, "line\n")
			conns = append(conns, conn.NetConn())
		}
		synctest.Wait()
		began := time.Now()
		other := tls.Client(ln.Dial(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
		require.NoError(t, other.Handshake())
		_, err := io.WriteString(other, "line\n")
		require.NoError(t, err)
		answer := make([]byte, 1)
		_, err = io.ReadFull(other, answer)
		require.NoError(t, err)
		assert.Equal(t, "{", string(answer))
		assert.LessOrEqual(t, time.Since(began), 10*time.Second, "as long as a client may take for a part of its answer")
		other.NetConn().Close()
		for _, c := range conns {
			c.Close()
		}
		require.NoError(t, stop())
		time.Sleep(time.Second)
	})
}

// TestTooManyAnswers: every path answers 503, the page in HTML. What needs no hello
// is answered all the same.
func TestTooManyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(page.Page)
		h := &echo.Handler{Page: p}
		p.Enter = h.Enter
		get := func(method, path, accept string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(method, path, nil)
			r.Header.Set("Accept", accept)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		var leaves []func()
		for range 64 {
			leave, ok := h.Enter(t.Context())
			require.True(t, ok)
			leaves = append(leaves, leave)
		}
		paths := []string{"/", "/json", "/hello.bin", "/api/all", "/api/clean", "/api/browserleaks", "/compare"}
		for _, path := range paths {
			for _, accept := range []string{"*/*", "text/html"} {
				w := get("GET", path, accept)
				assert.Equal(t, 503, w.Code, path)
				assert.Equal(t, "10", w.Header().Get("Retry-After"), path)
				assert.Contains(t, w.Body.String(), "too many answers at once: try again in a moment", path)
			}
		}
		assert.Equal(t, 503, get("POST", "/compare", "text/html").Code)
		assert.Equal(t, 200, get("GET", "/static/style.css", "*/*").Code)
		assert.Equal(t, 204, get("OPTIONS", "/json", "*/*").Code)

		// The end of one makes room for one at a time.
		leaves[0]()
		for _, path := range append(paths, "/compare?client=x") {
			assert.NotEqual(t, 503, get("GET", path, "text/html").Code, path)
		}
	})
}

// TestBrowsersGetThePage: programs get JSON or, in this test, where nothing is known
// of the connection, an error as text.
func TestBrowsersGetThePage(t *testing.T) {
	h := &echo.Handler{Page: new(page.Page)}
	for accept, kind := range map[string]string{
		"text/html,application/xhtml+xml,*/*;q=0.8": "text/html; charset=utf-8",
		"TEXT/HTML":        "text/html; charset=utf-8",
		"*/*":              "text/plain; charset=utf-8",
		"":                 "text/plain; charset=utf-8",
		"application/json": "text/plain; charset=utf-8",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		assert.Equal(t, kind, w.Header().Get("Content-Type"), accept)
		assert.Equal(t, "Accept", w.Header().Get("Vary"), accept)
	}
}
