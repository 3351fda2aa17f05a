package server

import (
	"crypto/tls"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/listen"
	"github.com/tlspeek/tlspeek/quichello"
)

// TestTapEvicts: the flows of clients are evicted while a Retry has them prove
// their address.
func TestTapEvicts(t *testing.T) {
	certFile, keyFile, err := listen.SelfSigned(filepath.Join(t.TempDir(), "state"))
	require.NoError(t, err)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer conn.Close()
	other, err := net.Dial("udp", conn.LocalAddr().String())
	require.NoError(t, err)
	defer other.Close()
	initial := make([]byte, 1200) // to look at; it does not decrypt
	copy(initial, "\xc3\x00\x00\x00\x01\x08otherone\x00\x00\x44\x9e")
	require.True(t, quichello.IsInitial(initial))

	var tokens []int
	h3 := &HTTP3{
		TLSConfig:  &tls.Config{Certificates: []tls.Certificate{pair}},
		RetryAbove: -1,
		flowBytes:  1,
		Observe: func(o *event.Observation) {
			tokens = append(tokens, o.QUIC.TokenLen)
			if o.QUIC.TokenLen == 0 {
				_, err := other.Write(initial)
				assert.NoError(t, err)
			}
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e, ok := FromContext(r.Context())
			if assert.True(t, ok) && assert.NotNil(t, e.SNI) {
				w.Header().Set("Sni", *e.SNI)
			}
		}),
	}
	served := make(chan error, 1)
	go func() { served <- h3.Serve(conn) }()
	for _, name := range []string{"a.example", "b.example", "c.example"} {
		// With this group the hello fits in one datagram. The other client's Initial
		// could come between two.
		transport := &http3.Transport{TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, ServerName: name, CurvePreferences: []tls.CurveID{tls.X25519},
		}}
		resp, err := (&http.Client{Transport: transport}).Get("https://" + conn.LocalAddr().String())
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, name, resp.Header.Get("Sni"))
		require.NoError(t, transport.Close())
	}
	require.NoError(t, h3.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
	after := 0
	for _, n := range tokens {
		if n > 0 {
			after++
		}
	}
	assert.Equal(t, 3, after, "each hello was seen after its Retry")
}

func TestPacketDestination(t *testing.T) {
	for _, oob := range [][]byte{nil, {}, {1, 2, 3}, make([]byte, 40)} {
		assert.False(t, packetDestination(oob).IsValid(), "%x", oob)
	}
}
