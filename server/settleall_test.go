package server_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestSettleAll: all that is open is settled, and ctx ends the wait for a slow hook.
func TestSettleAll(t *testing.T) {
	release := make(chan struct{})
	var settled settledEvents
	l := &server.Listener{Listener: servertest.Listen(t), Settled: func(o *event.Observation, e *event.Event) {
		<-release
		settled.add(o, e)
	}}
	stop := serve(t, &server.Server{}, l, 0)
	for range 30 {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		require.NoError(t, err)
		defer conn.Close()
	}
	require.NoError(t, stop(), "a slow hook holds up no connection")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, l.SettleAll(ctx), context.Canceled)
	close(release)
	require.NoError(t, l.SettleAll(t.Context()))
	assert.Len(t, settled.all(), 30)
}

// TestSettleAllWaitsForRequests: it returns when the hook has, also where that is
// called for a request, and also if it panics, which net/http recovers from.
func TestSettleAllWaitsForRequests(t *testing.T) {
	called, release := make(chan bool), make(chan bool)
	l := &server.Listener{Listener: servertest.Listen(t), Settled: func(*event.Observation, *event.Event) {
		called <- true
		<-release
		panic(http.ErrAbortHandler)
	}}
	srv := &http.Server{TLSConfig: servertest.Config(t), ConnContext: server.ConnContext, Handler: http.HandlerFunc(verdicts)}
	go srv.ServeTLS(l, "", "")
	defer srv.Close()
	answered := make(chan error)
	go func() {
		_, err := servertest.HTTPClient(false).Get("https://" + l.Addr().String())
		answered <- err
	}()
	<-called
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	assert.ErrorIs(t, l.SettleAll(ctx), context.DeadlineExceeded)
	close(release)
	assert.Error(t, <-answered)
	assert.NoError(t, l.SettleAll(t.Context()))
}

// TestSettleAllDuringAHandshake: it does not wait for a client that stalls, and has
// the outcome of a handshake that is finished.
func TestSettleAllDuringAHandshake(t *testing.T) {
	for _, stalls := range []bool{true, false} {
		var settled settledEvents
		inner := servertest.Listen(t)
		seen, done := make(chan bool, 1), make(chan error, 1)
		l := &server.Listener{Listener: inner, Settled: settled.add, HandshakeTimeout: -1, Observe: func(*event.Observation) { seen <- true }}
		conn, err := net.Dial("tcp", l.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		accepted, err := l.Accept()
		require.NoError(t, err)
		above := tls.Server(accepted, servertest.Config(t))
		server.ConnContext(t.Context(), above)
		go func() { done <- above.Handshake() }()
		if stalls {
			_, err := conn.Write(records(hellotest.Real(t)["chromium-156"].Raw, 1<<14, 0x0301))
			require.NoError(t, err)
		} else {
			require.NoError(t, tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).Handshake())
			require.NoError(t, <-done)
		}
		<-seen
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		require.NoError(t, l.SettleAll(ctx))
		events := settled.all()
		require.Len(t, events, 1)
		assert.Equal(t, stalls, events[0].Handshake == nil)
		require.NoError(t, accepted.Close())
		if stalls {
			assert.Error(t, <-done)
		}
	}
}

// TestSlowHookHoldsUpOneClient: the hook of one request does not return, and others
// get their answers.
func TestSlowHookHoldsUpOneClient(t *testing.T) {
	release := make(chan struct{})
	l := &server.Listener{Listener: servertest.Listen(t), Settled: func(o *event.Observation, e *event.Event) {
		if e.UserAgent == "slow" {
			<-release
		}
	}}
	stop := serve(t, &server.Server{Handler: http.HandlerFunc(verdicts)}, l, time.Second)
	url := "https://" + l.Addr().String()
	slow := make(chan string)
	go func() { slow <- request(t, servertest.HTTPClient(true), url, "slow") }()
	for i := range 20 {
		assert.Equal(t, "unknown[]", request(t, servertest.HTTPClient(i%2 == 0), url, "quick"))
	}
	close(release)
	assert.Equal(t, "unknown[]", <-slow)
	require.NoError(t, stop())
}
