package server_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestHTTP3TrailersReachACopyOfTheRequest: handlers in front of another one give it a copy.
func TestHTTP3TrailersReachACopyOfTheRequest(t *testing.T) {
	conn := servertest.UDP(t)
	got := make(chan http.Header, 1)
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, nil))
		_, err := io.Copy(io.Discard, r.Body)
		assert.NoError(t, err)
		got <- r.Trailer
	})
	ln := &server.Listener{Listener: servertest.Listen(t)}
	serve(t, &server.Server{Handler: server.Headers{}.Wrap(handler), UDP: []*net.UDPConn{conn}}, ln, time.Second)
	h3 := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer h3.Close()
	req, err := http.NewRequest("POST", "https://"+conn.LocalAddr().String(), strings.NewReader("body"))
	require.NoError(t, err)
	req.Trailer = http.Header{"Sum": {"4"}, "X-Ja4-Fingerprint": {"FORGED"}}
	resp, err := h3.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.Header{"Sum": {"4"}}, <-got)
}
