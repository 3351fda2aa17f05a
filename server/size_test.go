package server_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"testing"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestHelloSize compares it with the hello, over TCP and QUIC.
func TestHelloSize(t *testing.T) {
	sizes := make(chan [2]int, 1)
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c := server.ClientOf(r.Context())
		o, ok := c.Observation()
		assert.True(t, ok)
		sizes <- [2]int{c.HelloSize(), len(o.Hello.Raw)}
	})
	l := &server.Listener{Listener: servertest.Listen(t)}
	udp := servertest.UDP(t)
	servertest.Serve(t, &server.Server{Handler: h, TLSConfig: servertest.Config(t), UDP: []*net.UDPConn{udp}}, l, 0)
	h3 := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(func() { h3.Close() })
	for address, client := range map[string]*http.Client{
		l.Addr().String():        servertest.HTTPClient(true),
		udp.LocalAddr().String(): {Transport: h3},
	} {
		resp, err := client.Get("https://" + address)
		require.NoError(t, err)
		resp.Body.Close()
		got := <-sizes
		assert.Equal(t, got[1], got[0])
		assert.NotZero(t, got[0])
	}
	assert.Zero(t, new(server.Conn).HelloSize())
}
