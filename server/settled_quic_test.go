package server_test

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestFailedHandshakesOverQUIC: the Event has the error of crypto/tls, as it has over
// TCP, without addresses and without what the client says of it.
func TestFailedHandshakesOverQUIC(t *testing.T) {
	for name, c := range map[string]struct {
		client *tls.Config
		server func(*tls.Config)
		decide func(server.Client) server.Decision
		want   string
	}{
		"certificate refused": {client: &tls.Config{ServerName: "localhost"}, want: "remote error: tls: bad certificate"},
		"no protocol in common": {
			client: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"other"}},
			want:   "tls: client requested unsupported application protocols",
		},
		"no group in common": {
			client: &tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.CurveP256}},
			server: func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} },
			want:   "tls: no key exchanges supported by both client and server",
		},
		"no client certificate": {
			client: &tls.Config{InsecureSkipVerify: true},
			server: func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert },
			want:   "tls: client didn't provide a certificate",
		},
		"refused": {
			client: &tls.Config{InsecureSkipVerify: true},
			decide: func(server.Client) server.Decision { return server.Decision{Close: true} },
			want:   server.ErrRefused.Error(),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var settled settledEvents
			l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add, Decide: c.decide}
			udp := servertest.UDP(t)
			config := servertest.Config(t)
			if c.server != nil {
				c.server(config)
			}
			stop := serve(t, &server.Server{TLSConfig: config, UDP: []*net.UDPConn{udp}}, l, time.Second)
			if c.client.NextProtos == nil {
				c.client.NextProtos = []string{"h3"}
			}
			conn, err := quic.DialAddr(t.Context(), udp.LocalAddr().String(), c.client, nil)
			if err == nil { // the client is finished first
				<-conn.Context().Done()
			}
			e := settled.wait(t, 1)[0]
			assert.Equal(t, event.SettledEnd, e.Settled)
			require.NotNil(t, e.Handshake)
			assert.Contains(t, e.Handshake.Error, c.want)
			assert.NotContains(t, e.Handshake.Error, "127.0.0.1")
			assert.NotContains(t, e.Handshake.Error, "CRYPTO_ERROR")
			assert.Empty(t, e.Handshake.Version)
			require.NoError(t, stop())
			require.NoError(t, l.SettleAll(t.Context()))
			assert.Len(t, settled.all(), 1)
		})
	}
}

// TestVerifiedClientsOverQUIC: clients whose handshake is finished do not count as those
// that have not proved their address, which have a quarter of the room.
func TestVerifiedClientsOverQUIC(t *testing.T) {
	var settled settledEvents
	l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add, MaxUnsettled: 48 << 10}
	udp := servertest.UDP(t)
	srv := &server.Server{UDP: []*net.UDPConn{udp}}
	stop := serve(t, srv, l, time.Second)
	const n = 12 // of 2.5 KiB, where the quarter has room for four
	for range n {
		conn, err := quic.DialAddr(t.Context(), udp.LocalAddr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}, nil)
		require.NoError(t, err)
		defer conn.CloseWithError(0, "")
		require.Eventually(t, func() bool { return srv.HalfOpenQUIC() == 0 }, 20*time.Second, time.Millisecond)
	}
	assert.Empty(t, settled.all())
	require.NoError(t, stop())
	require.NoError(t, l.SettleAll(t.Context()))
	events := settled.all()
	assert.Len(t, events, n)
	for _, e := range events {
		assert.Equal(t, event.SettledEnd, e.Settled)
	}
}
