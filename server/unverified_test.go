package server_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/quictest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// An addressLog is what an HTTP3 says of the addresses of its clients, by server name.
type addressLog struct {
	mu                         sync.Mutex
	observed, decided, settled map[string]bool // whether the address is not verified
	verified                   map[string]int  // how many times
}

// serveAddresses serves HTTP/3 on conn until the test ends.
func serveAddresses(t *testing.T, conn *net.UDPConn, retryAbove int) (h3 *server.HTTP3, log *addressLog) {
	log = &addressLog{observed: map[string]bool{}, decided: map[string]bool{}, settled: map[string]bool{}, verified: map[string]int{}}
	set := func(to map[string]bool, o *event.Observation) {
		log.mu.Lock()
		defer log.mu.Unlock()
		to[string(o.Hello.ServerName)] = o.Unverified
	}
	h3 = &server.HTTP3{
		TLSConfig:  servertest.Config(t),
		RetryAbove: retryAbove,
		Handler:    http.NotFoundHandler(),
		Observe: func(o *event.Observation) {
			set(log.observed, o)
			if !o.Unverified { // it came in two datagrams, and a packet of the server was acknowledged in the second
				log.mu.Lock()
				defer log.mu.Unlock()
				log.verified[string(o.Hello.ServerName)]++
			}
		},
		Verified: func(o *event.Observation) {
			log.mu.Lock()
			defer log.mu.Unlock()
			assert.False(t, o.Unverified)
			log.verified[string(o.Hello.ServerName)]++
		},
		Decide: func(c server.Client) server.Decision {
			o, _ := c.Observation()
			set(log.decided, &o)
			return server.Decision{}
		},
		Settled: func(o *event.Observation, e *event.Event) {
			assert.Equal(t, o.Unverified, e.AddressVerified != nil)
			set(log.settled, o)
		},
	}
	served := make(chan error, 1)
	go func() { served <- h3.Serve(conn) }()
	t.Cleanup(func() {
		require.NoError(t, h3.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	return h3, log
}

// TestAddressesOverQUIC: a hello is marked until its client has shown its address.
func TestAddressesOverQUIC(t *testing.T) {
	for _, c := range []struct {
		name       string
		retryAbove int
	}{{"no Retry", 0}, {"Retry", -1}} {
		t.Run(c.name, func(t *testing.T) {
			conn := servertest.UDP(t)
			h3, log := serveAddresses(t, conn, c.retryAbove)

			// A client that finishes its handshake and makes a request.
			transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "genuine.example"}}
			resp, err := (&http.Client{Transport: transport}).Get("https://" + conn.LocalAddr().String())
			require.NoError(t, err)
			resp.Body.Close()
			require.NoError(t, transport.Close())

			// One that does not trust the certificate, and says so in a Handshake packet.
			_, err = quic.DialAddr(t.Context(), conn.LocalAddr().String(), &tls.Config{ServerName: "distrust.example", NextProtos: []string{"h3"}}, nil)
			require.Error(t, err)

			// One that sends its hello, and does not read.
			forged, err := net.Dial("udp", conn.LocalAddr().String())
			require.NoError(t, err)
			defer forged.Close()
			message := hellotest.Real(t)["chromium-156-quic"].Raw
			const first = 1000
			for i, part := range [][]byte{message[:first], message[first:]} {
				_, err = forged.Write(quictest.Initial([]byte("forgery!"), nil, i, first*i, part))
				require.NoError(t, err)
			}
			name := string(hellotest.Real(t)["chromium-156-quic"].ServerName)

			require.Eventually(t, func() bool {
				log.mu.Lock()
				defer log.mu.Unlock()
				_, ok := log.observed[name]
				_, decided := log.decided[name]
				return ok && len(log.verified) == 2 && (decided || c.retryAbove < 0)
			}, 20*time.Second, time.Millisecond)
			require.NoError(t, h3.SettleAll(t.Context()))
			require.Eventually(t, func() bool {
				log.mu.Lock()
				defer log.mu.Unlock()
				return len(log.settled) == 3
			}, 20*time.Second, time.Millisecond)
			log.mu.Lock()
			defer log.mu.Unlock()
			assert.True(t, log.observed[name])
			assert.Equal(t, map[string]int{"genuine.example": 1, "distrust.example": 1}, log.verified)
			assert.Equal(t, map[string]bool{"genuine.example": false, "distrust.example": false, name: true}, log.settled)
			if c.retryAbove < 0 {
				assert.Equal(t, map[string]bool{"genuine.example": false, "distrust.example": false}, log.decided)
			} else { // others may have acknowledged a packet of the server before their hello was whole
				assert.True(t, log.decided[name])
			}
		})
	}
}
