package server_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestDecisionIsInTheEvent: the Event has the rule that decided and its labels, over
// TCP and QUIC.
func TestDecisionIsInTheEvent(t *testing.T) {
	for _, over := range []string{"tcp", "quic"} {
		for _, c := range []struct {
			decision server.Decision
			action   string
			ok       bool
		}{
			{server.Decision{Rule: "watch", Tags: []string{"seen"}}, "pass", true},
			{server.Decision{Rule: "bots", Close: true}, "close", false},
			{server.Decision{Rule: "slow", Wait: time.Millisecond}, "wait", true},
		} {
			t.Run(over+" "+c.action, func(t *testing.T) {
				var settled settledEvents
				udp := servertest.UDP(t)
				l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add, Decide: func(client server.Client) server.Decision {
					e, ok := client.Event(event.Compact)
					assert.True(t, ok)
					assert.NotEmpty(t, e.JA4())
					assert.Contains(t, client.RemoteAddr().String(), "127.0.0.1:")
					return c.decision
				}}
				stop := serve(t, &server.Server{Handler: http.HandlerFunc(verdicts), UDP: []*net.UDPConn{udp}}, l, time.Second)
				client, url := servertest.HTTPClient(true), "https://"+l.Addr().String()
				if over == "quic" {
					transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
					defer transport.Close()
					client, url = &http.Client{Transport: transport}, "https://"+udp.LocalAddr().String()
				}
				res, err := client.Get(url)
				assert.Equal(t, c.ok, err == nil, "%v", err)
				if err == nil {
					res.Body.Close()
				}
				client.CloseIdleConnections()
				e := settled.wait(t, 1)[0]
				assert.Equal(t, c.decision.Rule, e.Rule)
				assert.Equal(t, c.action, e.Action)
				assert.Equal(t, c.decision.Tags, e.Tags)
				require.NoError(t, stop())
			})
		}
	}
}

// TestWaitOfADecision: a client is held back for as long as the Decision says, but
// not beyond its connection.
func TestWaitOfADecision(t *testing.T) {
	config := servertest.Config(t)
	synctest.Test(t, func(t *testing.T) {
		pipes := servertest.NewPipes()
		l := &server.Listener{Listener: pipes, Decide: func(server.Client) server.Decision { return server.Decision{Wait: 5 * time.Second} }}
		began := time.Now()
		dial := func() { tls.Client(pipes.Dial(), &tls.Config{InsecureSkipVerify: true}).Handshake() }
		go dial()
		conn, err := l.Accept()
		require.NoError(t, err)
		require.NoError(t, tls.Server(conn, config).Handshake())
		assert.Equal(t, 5*time.Second, time.Since(began))
		conn.Close()

		began = time.Now()
		go dial()
		conn, err = l.Accept()
		require.NoError(t, err)
		time.AfterFunc(time.Second, func() { conn.Close() })
		assert.ErrorIs(t, tls.Server(conn, config).Handshake(), io.ErrClosedPipe)
		assert.Equal(t, time.Second, time.Since(began))
		synctest.Wait()
	})
}

// TestDecideIsAskedForSecondHellos: over TCP and QUIC, Decide is called for the hello
// after a HelloRetryRequest too, may close the connection then, and is not called a
// third time. Sessions are resumed all the same.
func TestDecideIsAskedForSecondHellos(t *testing.T) {
	for _, over := range []string{"tcp", "quic"} {
		for _, serverName := range []string{"localhost", ""} {
			for _, refuse := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s to %q, refused %v", over, serverName, refuse), func(t *testing.T) {
					var settled settledEvents
					var mu sync.Mutex
					var asked []bool // whether for a second hello
					udp := servertest.UDP(t)
					l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add, Decide: func(c server.Client) server.Decision {
						mu.Lock()
						defer mu.Unlock()
						second := !c.Times().SecondHello.IsZero()
						asked = append(asked, second)
						return server.Decision{Rule: map[bool]string{false: "first", true: "second"}[second], Close: second && refuse}
					}}
					config := servertest.Config(t)
					config.CurvePreferences = []tls.CurveID{tls.CurveP521}
					stop := serve(t, &server.Server{TLSConfig: config, Handler: http.HandlerFunc(verdicts), UDP: []*net.UDPConn{udp}}, l, time.Second)
					clientConfig := &tls.Config{InsecureSkipVerify: true, ServerName: serverName, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
					for attempt := range 2 {
						transport := http.RoundTripper(&http.Transport{TLSClientConfig: clientConfig.Clone(), ForceAttemptHTTP2: true, DisableKeepAlives: true})
						url := "https://" + l.Addr().String()
						if over == "quic" {
							h3 := &http3.Transport{TLSClientConfig: clientConfig.Clone()}
							defer h3.Close()
							transport, url = h3, "https://"+udp.LocalAddr().String()
						}
						resp, err := (&http.Client{Transport: transport}).Get(url)
						assert.Equal(t, refuse, err != nil, "%v", err)
						if err == nil {
							resp.Body.Close()
							assert.Equal(t, attempt == 1, resp.TLS.DidResume)
						}
					}
					events := settled.wait(t, 4)
					for _, e := range events {
						assert.Equal(t, "second", e.Rule)
						require.NotNil(t, e.Handshake)
						assert.True(t, e.Handshake.HelloRetryRequest)
						assert.Equal(t, refuse, e.Handshake.Error == server.ErrRefused.Error(), e.Handshake.Error)
					}
					require.NoError(t, stop())
					assert.Equal(t, []bool{false, true, false, true}, asked)
				})
			}
		}
	}
}
