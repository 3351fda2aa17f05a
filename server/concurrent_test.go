package server_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestConcurrentUse calls every method at once while a client sends a hello in pieces,
// until the connection is closed. All return, and a reader gets the stream in order.
func TestConcurrentUse(t *testing.T) {
	ln := servertest.Listen(t)
	for name, tr := range transports(ln) {
		t.Run(name, func(t *testing.T) {
			for i := range 50 {
				client, near := tr.connect(t)
				accepted, err := (&server.Listener{Listener: single{near}, Decide: func(server.Client) server.Decision {
					return server.Decision{Wait: time.Duration(i%2) * time.Hour}
				}}).Accept()
				require.NoError(t, err)
				conn := accepted.(*server.Conn)
				stream := append(smallHello(), record(23, 0x0303, make([]byte, 5000))...)
				var calls, deadlines, reader sync.WaitGroup
				calls.Go(func() {
					for part := range slices.Chunk(stream, 1+i) {
						if _, err := client.Write(part); err != nil {
							return
						}
					}
				})
				calls.Go(func() { io.Copy(io.Discard, client) })
				var got []byte
				reader.Go(func() {
					for b := make([]byte, 600); len(got) < len(stream); {
						n, err := conn.Read(b)
						got = append(got, b[:n]...)
						if err != nil && !isDeadline(err) {
							return
						}
					}
				})
				repeat := func(group *sync.WaitGroup, call func() error) {
					group.Go(func() {
						for range 20 {
							if err := call(); err != nil && !isDeadline(err) {
								return
							}
						}
					})
				}
				repeat(&calls, func() error { _, err := conn.ClientHello(); return err })
				repeat(&calls, func() error { _, err := conn.Read(nil); return err })
				repeat(&calls, func() error { _, err := conn.Write([]byte("answer")); return err })
				repeat(&calls, func() error { conn.Event(event.Full); conn.Observation(); conn.Times(); return nil })
				repeat(&calls, func() error { conn.SecondClientHello(); conn.LocalAddr(); conn.RemoteAddr(); return nil })
				repeat(&deadlines, func() error { return conn.SetDeadline(time.Now().Add(-time.Second)) })
				repeat(&deadlines, func() error { return conn.SetReadDeadline(time.Now().Add(time.Hour)) })
				repeat(&deadlines, func() error { return conn.SetDeadline(time.Time{}) })
				deadlines.Wait()
				require.NoError(t, conn.SetDeadline(time.Time{}))
				if i%3 > 0 && i%2 == 0 {
					reader.Wait()
					assert.Len(t, got, len(stream))
				}
				_ = conn.Close()
				client.Close()
				calls.Wait()
				reader.Wait()
				assert.True(t, bytes.HasPrefix(stream, got))
				_, err = conn.Read(make([]byte, 1))
				assert.True(t, errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe), "%v", err)
			}
		})
	}
}

func isDeadline(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
