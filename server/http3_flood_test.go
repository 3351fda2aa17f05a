package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"

	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// frame returns a frame of HTTP/3 with a length that may not be that of its payload.
func frame(typ uint64, length int, payload []byte) []byte {
	return append(quicvarint.Append(quicvarint.Append(nil, typ), uint64(length)), payload...)
}

// send writes to a new stream of the client until the server stops it, and closes none.
func send(conn *quic.Conn, ctx context.Context, parts ...[]byte) {
	str, err := conn.OpenStreamSync(ctx)
	for _, p := range parts {
		if err == nil {
			_, err = str.Write(p)
		}
	}
}

// sendUni is like send, on a stream of one direction.
func sendUni(conn *quic.Conn, ctx context.Context, parts ...[]byte) (str *quic.SendStream) {
	str, err := conn.OpenUniStreamSync(ctx)
	for _, p := range parts {
		if err == nil {
			_, err = str.Write(p)
		}
	}
	return str
}

// settings returns a SETTINGS frame with n parameters that nobody knows.
func settings(n int) []byte {
	var b []byte
	for i := range n {
		b = quicvarint.Append(quicvarint.Append(b, uint64(0x1000+i)), 1)
	}
	return frame(4, len(b), b)
}

// http3Floods are what clients send after the handshake.
var http3Floods = []struct {
	name string
	send func(ctx context.Context, conn *quic.Conn)
}{
	{"headers announced", func(ctx context.Context, conn *quic.Conn) {
		for range 100 {
			send(conn, ctx, frame(1, 1<<20-1, []byte{0}))
		}
	}},
	{"headers announced within the limit", func(ctx context.Context, conn *quic.Conn) {
		for range 100 {
			send(conn, ctx, frame(1, 32<<10, []byte{0}))
		}
	}},
	{"static table", func(ctx context.Context, conn *quic.Conn) {
		bomb := bytes.Repeat([]byte{0xc0 | 61}, 31<<10) // an entry of a hundred bytes each
		for range 100 {
			send(conn, ctx, frame(1, 2+len(bomb), append([]byte{0, 0}, bomb...)))
		}
	}},
	{"headers byte by byte", func(ctx context.Context, conn *quic.Conn) {
		var streams []*quic.Stream
		for range 10 {
			if str, err := conn.OpenStreamSync(ctx); err == nil {
				streams = append(streams, str)
				_, _ = str.Write(frame(1, 4000, nil))
			}
		}
		for range 4000 {
			for _, str := range streams {
				if _, err := str.Write([]byte{0x51}); err != nil {
					return
				}
			}
		}
	}},
	{"control stream byte by byte", func(ctx context.Context, conn *quic.Conn) {
		str := sendUni(conn, ctx, []byte{0}, settings(10))
		for range 4000 {
			if str == nil || ctx.Err() != nil {
				return
			}
			if _, err := str.Write([]byte{0x21}); err != nil {
				return
			}
		}
	}},
	{"settings", func(ctx context.Context, conn *quic.Conn) {
		sendUni(conn, ctx, []byte{0}, settings(2000))
	}},
	{"too many settings", func(ctx context.Context, conn *quic.Conn) {
		sendUni(conn, ctx, []byte{0}, settings(20_000))
	}},
	{"priority updates", func(ctx context.Context, conn *quic.Conn) {
		update := frame(0xf0700, 4, []byte{0, 'u', '=', '1'})
		sendUni(conn, ctx, []byte{0}, settings(1), bytes.Repeat(update, 50_000))
	}},
	{"unknown frames", func(ctx context.Context, conn *quic.Conn) {
		unknown := frame(0x21, 100, make([]byte, 100)) // reserved for this, RFC 9114, section 7.2.8
		send(conn, ctx, bytes.Repeat(unknown, 5000))
	}},
	{"unknown frame without end", func(ctx context.Context, conn *quic.Conn) {
		send(conn, ctx, frame(0x21, 1<<50, nil), make([]byte, 1<<20))
	}},
	{"control stream closed", func(ctx context.Context, conn *quic.Conn) {
		if str := sendUni(conn, ctx, []byte{0}, settings(1)); str != nil {
			str.Close()
		}
	}},
	{"streams without a type", func(ctx context.Context, conn *quic.Conn) {
		for range 100 {
			sendUni(conn, ctx, []byte{0x40}) // half a type
		}
	}},
	{"streams of unknown types", func(ctx context.Context, conn *quic.Conn) {
		for range 1000 {
			if str := sendUni(conn, ctx, []byte{0x21}, make([]byte, 1000)); str != nil {
				str.Close()
			}
		}
	}},
	{"QPACK instructions", func(ctx context.Context, conn *quic.Conn) {
		sendUni(conn, ctx, []byte{2}, bytes.Repeat([]byte{0x3f}, 1<<20)) // nobody reads them
	}},
	{"data", func(ctx context.Context, conn *quic.Conn) {
		post := []byte("\x00\x00\xd4\xd7\x50\x01a\xc1") // POST https://a/
		for range 20 {
			send(conn, ctx, frame(1, len(post), post), frame(0, 1<<20, make([]byte, 1<<20)))
		}
	}},
	{"requests cancelled", func(ctx context.Context, conn *quic.Conn) {
		get := []byte("\x00\x00\xd1\xd7\x50\x01a\xc1")
		for range 2000 {
			str, err := conn.OpenStreamSync(ctx)
			if err != nil {
				return
			}
			_, _ = str.Write(frame(1, len(get), get))
			str.CancelRead(0x10c)
			str.CancelWrite(0x10c)
		}
	}},
}

// TestFloodsOverHTTP3: whatever ten clients send, others are served meanwhile, and the
// memory and the goroutines of the server are bounded. Those of the clients are in the same
// process.
func TestFloodsOverHTTP3(t *testing.T) {
	const clients = 10
	for _, c := range http3Floods {
		t.Run(c.name, func(t *testing.T) {
			goroutines := runtime.NumGoroutine()
			before := liveHeap()
			conn := servertest.UDP(t)
			release := make(chan struct{})
			h3 := &server.HTTP3{TLSConfig: servertest.Config(t), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost { // and reads nothing
					<-release
				}
			})}
			served := make(chan error, 1)
			go func() { served <- h3.Serve(conn) }()

			ctx, cancel := context.WithCancel(t.Context())
			var attackers []*quic.Conn
			var attacks sync.WaitGroup
			for range clients {
				client, err := quic.DialAddr(ctx, conn.LocalAddr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}, nil)
				require.NoError(t, err)
				attackers = append(attackers, client)
				attacks.Go(func() {
					flood, stop := context.WithTimeout(ctx, 2*time.Second)
					defer stop()
					defer context.AfterFunc(flood, func() { cancelWrites(client) })()
					c.send(flood, client)
				})
			}
			transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			for range 5 {
				resp, err := (&http.Client{Transport: transport}).Get("https://" + conn.LocalAddr().String())
				require.NoError(t, err)
				_, err = io.Copy(io.Discard, resp.Body)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				assert.Equal(t, http.StatusOK, resp.StatusCode)
			}
			live := liveHeap() - before
			t.Logf("%d KB live, %d goroutines more", live>>10, runtime.NumGoroutine()-goroutines)
			assert.Less(t, live, int64(64<<20))
			cancel()
			close(release)
			for _, client := range attackers {
				require.NoError(t, client.CloseWithError(0, ""))
			}
			attacks.Wait()
			require.NoError(t, transport.Close())
			require.NoError(t, h3.Close())
			require.ErrorIs(t, <-served, http.ErrServerClosed)
			require.NoError(t, conn.Close())
			// One more runs this condition.
			require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+1 }, 20*time.Second, time.Millisecond)
		})
	}
}

// cancelWrites ends what a client still writes.
func cancelWrites(client *quic.Conn) { _ = client.CloseWithError(0, "") }

func liveHeap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
