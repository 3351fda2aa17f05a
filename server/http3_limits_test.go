package server_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/quictest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// serveHTTP3 serves until the test ends, and returns the address.
func serveHTTP3(t *testing.T, h3 *server.HTTP3) string {
	conn := servertest.UDP(t)
	h3.TLSConfig = servertest.Config(t)
	served := make(chan error, 1)
	go func() { served <- h3.Serve(conn) }()
	t.Cleanup(func() {
		require.NoError(t, h3.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	return conn.LocalAddr().String()
}

func dialQUIC(t *testing.T, addr string) *quic.Conn {
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}
	client, err := quic.DialAddr(t.Context(), addr, config, &quic.Config{KeepAlivePeriod: 5 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { client.CloseWithError(0, "") })
	return client
}

// TestIdleOverHTTP3: a connection without a request is closed, even if a stream is open
// on which the header never ends, and the client keeps the connection alive.
func TestIdleOverHTTP3(t *testing.T) {
	addr := serveHTTP3(t, &server.HTTP3{Handler: http.NotFoundHandler(), IdleTimeout: 50 * time.Millisecond})
	client := dialQUIC(t, addr)
	str, err := client.OpenStream()
	require.NoError(t, err)
	_, err = str.Write(frame(1, 100, []byte{0, 0}))
	require.NoError(t, err)
	select {
	case <-client.Context().Done():
	case <-time.After(20 * time.Second):
		t.Fatal("it is still open")
	}
}

// TestLongRequestOverHTTP3: a connection is not idle while a handler answers.
func TestLongRequestOverHTTP3(t *testing.T) {
	const idle = 50 * time.Millisecond
	addr := serveHTTP3(t, &server.HTTP3{IdleTimeout: idle, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(4 * idle)
		io.WriteString(w, "done")
	})})
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.Close()
	resp, err := (&http.Client{Transport: transport}).Get("https://" + addr)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "done", string(text))
}

func TestUniStreamsAreBounded(t *testing.T) {
	client := dialQUIC(t, serveHTTP3(t, &server.HTTP3{}))
	for range 16 {
		_, err := client.OpenUniStream()
		require.NoError(t, err)
	}
	_, err := client.OpenUniStream()
	assert.ErrorAs(t, err, new(*quic.StreamLimitReachedError))
}

// TestUnreadBytesAreBounded: of what a handler does not read, the server takes 64 KiB.
func TestUnreadBytesAreBounded(t *testing.T) {
	release := make(chan struct{})
	addr := serveHTTP3(t, &server.HTTP3{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release })})
	defer close(release)
	client := dialQUIC(t, addr)
	str, err := client.OpenStream()
	require.NoError(t, err)
	post := []byte("\x00\x00\xd4\xd7\x50\x01a\xc1") // POST https://a/
	_, err = str.Write(append(frame(1, len(post), post), frame(0, 1<<20, nil)...))
	require.NoError(t, err)
	require.NoError(t, str.SetWriteDeadline(time.Now().Add(300*time.Millisecond)))
	n, err := str.Write(make([]byte, 1<<20))
	assert.Error(t, err)
	assert.LessOrEqual(t, n, 64<<10)
}

// TestHalfOpenOverHTTP3: clients that send hellos under addresses that are not theirs
// cost a bounded number of goroutines and bytes, and with a Retry for each no goroutine.
// Others are served meanwhile, and their hellos are known.
func TestHalfOpenOverHTTP3(t *testing.T) {
	for _, c := range []struct {
		name       string
		retryAbove int
		goroutines int
		live       int64
	}{{"no Retry below 100", 0, 1000, 48 << 20}, {"Retry", -1, 50, 24 << 20}} {
		t.Run(c.name, func(t *testing.T) {
			h3 := &server.HTTP3{RetryAbove: c.retryAbove, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, ok := server.FromContext(r.Context()); !ok {
					w.WriteHeader(http.StatusInternalServerError)
				}
			})}
			addr := serveHTTP3(t, h3)
			message := hellotest.Real(t)["chromium-156-quic"].Raw
			get := func() { // on a connection of its own
				transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
				defer transport.Close()
				resp, err := (&http.Client{Transport: transport}).Get("https://" + addr)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, http.StatusOK, resp.StatusCode)
			}
			get()
			goroutines, before := runtime.NumGoroutine(), liveHeap()
			for i := range 100 {
				forged, err := net.Dial("udp", addr)
				require.NoError(t, err)
				defer forged.Close()
				for j := range 50 {
					id := binary.BigEndian.AppendUint64(nil, uint64(i<<32|j))
					for n, at := 0, 0; at < len(message); n, at = n+1, at+1000 {
						_, _ = forged.Write(quictest.Initial(id, nil, n, at, message[at:min(at+1000, len(message))])) // ICMP may say that nobody reads the answers
					}
				}
				if i%10 == 0 {
					get()
				}
			}
			live := liveHeap() - before
			t.Logf("%d half-open, %d KB live, %d goroutines more", h3.HalfOpen(), live>>10, runtime.NumGoroutine()-goroutines)
			assert.Less(t, runtime.NumGoroutine(), goroutines+c.goroutines)
			assert.Less(t, live, c.live)
			if c.retryAbove < 0 {
				assert.Zero(t, h3.HalfOpen())
			} else {
				assert.LessOrEqual(t, h3.HalfOpen(), 100)
			}
			get()
		})
	}
}
