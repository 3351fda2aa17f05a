package server_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestTransports: hellos that come over TCP and over QUIC by turns are told apart,
// although both are parsed into the same memory.
func TestTransports(t *testing.T) {
	var settled settledEvents
	udp := servertest.UDP(t)
	ln := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
	stop := serve(t, &server.Server{UDP: []*net.UDPConn{udp}, Handler: http.NotFoundHandler()}, ln, time.Second)
	insecure := &tls.Config{InsecureSkipVerify: true}
	const n = 20
	for range n {
		for _, c := range []struct {
			transport http.RoundTripper
			addr      net.Addr
		}{
			{&http3.Transport{TLSClientConfig: insecure}, udp.LocalAddr()},
			{&http.Transport{TLSClientConfig: insecure, ForceAttemptHTTP2: true, DisableKeepAlives: true}, ln.Addr()},
		} {
			resp, err := (&http.Client{Transport: c.transport}).Get("https://" + c.addr.String())
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			if h3, ok := c.transport.(*http3.Transport); ok {
				require.NoError(t, h3.Close())
			}
		}
	}
	require.NoError(t, stop())
	require.NoError(t, ln.SettleAll(t.Context()))
	counts := map[string]int{}
	for _, e := range settled.all() {
		counts[e.Transport+" "+e.JA4()[:1]]++
		assert.Equal(t, e.Transport == "quic", e.Fingerprint("http3") != "")
		assert.Equal(t, e.Transport == "tls", e.Fingerprint("http2") != "")
		assert.Equal(t, event.SettledRequest, e.Settled)
	}
	assert.Equal(t, map[string]int{"tls t": n, "quic q": n}, counts)
}
