package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestHTTP3Shutdown: a request that has begun is answered in full, new ones are refused,
// and then the connection ends in good order, as does one without a request.
func TestHTTP3Shutdown(t *testing.T) {
	const size = 3 << 20
	begun, release := make(chan struct{}), make(chan struct{})
	conn := servertest.UDP(t)
	h3 := &server.HTTP3{TLSConfig: servertest.Config(t), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-release
		_, _ = w.Write(bytes.Repeat([]byte("x"), size))
	})}
	served := make(chan error, 1)
	go func() { served <- h3.Serve(conn) }()
	addr := conn.LocalAddr().String()
	idle := dialQUIC(t, addr)
	_, err := idle.AcceptUniStream(t.Context())
	require.NoError(t, err)

	client := dialQUIC(t, addr)
	transport := &http3.Transport{}
	busy := transport.NewClientConn(client)
	answers := make(chan []byte, 1)
	req, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+addr+"/", nil)
	require.NoError(t, err)
	go func() {
		defer close(answers)
		resp, err := busy.RoundTrip(req)
		if !assert.NoError(t, err) {
			return
		}
		body, err := io.ReadAll(resp.Body)
		assert.NoError(t, err)
		answers <- body
	}()
	<-begun
	ended := make(chan error, 1)
	go func() { ended <- h3.Shutdown(t.Context()) }()
	<-idle.Context().Done()
	assertEndsInGoodOrder(t, idle)
	_, err = busy.RoundTrip(req)
	var refused *http3.Error
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, http3.ErrCodeRequestRejected, refused.ErrorCode)
	assert.NoError(t, client.Context().Err())
	assert.Empty(t, ended)
	close(release)
	assert.Equal(t, size, len(<-answers))
	require.NoError(t, <-ended)
	require.ErrorIs(t, <-served, http.ErrServerClosed)
	<-client.Context().Done()
	assertEndsInGoodOrder(t, client)
}

func assertEndsInGoodOrder(t *testing.T, conn *quic.Conn) {
	var ended *quic.ApplicationError
	require.ErrorAs(t, context.Cause(conn.Context()), &ended)
	assert.Equal(t, quic.ApplicationErrorCode(http3.ErrCodeNoError), ended.ErrorCode)
	assert.True(t, ended.Remote)
}

// TestHTTP3ShutdownIsGivenUp: when the context is done, requests are ended.
func TestHTTP3ShutdownIsGivenUp(t *testing.T) {
	begun := make(chan struct{})
	conn := servertest.UDP(t)
	h3 := &server.HTTP3{TLSConfig: servertest.Config(t), Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	})}
	served := make(chan error, 1)
	go func() { served <- h3.Serve(conn) }()
	client := dialQUIC(t, conn.LocalAddr().String())
	send(client, t.Context(), get3("x"))
	<-begun
	send(client, t.Context(), frame(1, 100, []byte{0})) // a header without end
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h3.Shutdown(ctx) }()
	assert.Empty(t, ended)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.ErrorIs(t, <-served, http.ErrServerClosed)
	<-client.Context().Done()
	assertEndsInGoodOrder(t, client)
}

// TestHTTP3WithoutStreams: a client that allows the server no stream is disconnected.
func TestHTTP3WithoutStreams(t *testing.T) {
	addr := serveHTTP3(t, &server.HTTP3{})
	client, err := quic.DialAddr(t.Context(), addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}, &quic.Config{MaxIncomingUniStreams: -1})
	require.NoError(t, err)
	<-client.Context().Done()
	var ended *quic.ApplicationError
	require.ErrorAs(t, context.Cause(client.Context()), &ended)
	assert.Equal(t, quic.ApplicationErrorCode(http3.ErrCodeStreamCreationError), ended.ErrorCode)
}

// TestHTTP3LargeBodies sends 20 MB both ways, and cancels such a request halfway.
func TestHTTP3LargeBodies(t *testing.T) {
	const size = 20 << 20
	cancelled := make(chan error, 1)
	addr := serveHTTP3(t, &server.HTTP3{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(w, r.Body); err != nil {
			cancelled <- err
		}
	})})
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.Close()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	resp, err := client.Post("https://"+addr+"/", "", bytes.NewReader(make([]byte, size)))
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.EqualValues(t, size, n)

	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, "POST", "https://"+addr+"/", r)
	require.NoError(t, err)
	go func() { _, _ = w.Write(make([]byte, 1<<20)) }()
	resp, err = client.Do(req)
	require.NoError(t, err)
	_, err = io.ReadFull(resp.Body, make([]byte, 1000))
	require.NoError(t, err)
	cancel()
	resp.Body.Close()
	w.Close()
	assert.Error(t, <-cancelled)
	resp, err = client.Get("https://" + addr + "/")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
}
