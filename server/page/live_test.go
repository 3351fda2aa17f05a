package page_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/page"
)

// TestLiveEventsGoOn: watchers stay connected for an hour without an event.
func TestLiveEventsGoOn(t *testing.T) {
	for _, proto := range []string{"http/1.1", "h2"} {
		config := servertest.Config(t)
		synctest.Test(t, func(t *testing.T) {
			ln := servertest.NewPipes()
			p := &page.Page{Live: new(page.Live)}
			mux := http.NewServeMux()
			p.Register(mux)
			stop := servertest.Serve(t, &server.Server{Handler: mux, TLSConfig: config}, &server.Listener{Listener: ln}, 0)
			conn := tls.Client(ln.Dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{proto}})
			require.NoError(t, conn.Handshake())
			client := &http.Client{Transport: &http.Transport{
				ForceAttemptHTTP2: proto == "h2",
				DialTLSContext:    func(context.Context, string, string) (net.Conn, error) { return conn, nil },
			}}
			resp, err := client.Get("https://x/live/events")
			require.NoError(t, err)
			assert.Equal(t, proto == "h2", resp.ProtoMajor == 2)
			began := time.Now()
			for lines := bufio.NewScanner(resp.Body); time.Since(began) < time.Hour; {
				if !assert.True(t, lines.Scan(), "%s: after %v: %v", proto, time.Since(began), lines.Err()) {
					break
				}
				if strings.HasPrefix(lines.Text(), "data:") {
					t.Fatal("nothing has come")
				}
			}
			resp.Body.Close()
			client.CloseIdleConnections()
			conn.NetConn().Close()
			p.Live.Stop()
			require.NoError(t, stop())
		})
	}
}
