package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/listen"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/echo"
)

func TestAdmin(t *testing.T) {
	certFile, keyFile, err := listen.SelfSigned(t.TempDir())
	require.NoError(t, err)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	ln, udp, err := listen.Sockets("127.0.0.1:0", true)
	require.NoError(t, err)
	addr := ln.Addr().String()
	e := &server.Server{
		Handler:   new(echo.Handler),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
		UDP:       udp,
	}
	listener := &server.Listener{Listener: ln, Limits: new(server.Limits)}
	registry := prometheus.NewRegistry()
	addMetrics(registry, listener)
	addServerMetrics(registry, e)
	admin := adminHandler(e, registry, false)
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	code, _ := ask("/healthz")
	assert.Equal(t, 200, code)
	code, _ = ask("/readyz")
	assert.Equal(t, 503, code)
	code, _ = ask("/debug/pprof/")
	assert.Equal(t, 404, code)
	code, text := ask("/")
	assert.Equal(t, 200, code)
	assert.Equal(t, "/healthz\n/readyz\n/metrics\n/api/signals\n", text)
	code, _ = ask("/other")
	assert.Equal(t, 404, code)

	served := make(chan error, 1)
	go func() { served <- e.Serve(listener) }()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for _, url := range []string{"https://" + addr, "http://" + addr} {
		resp, err := client.Get(url)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
	}
	code, _ = ask("/readyz")
	assert.Equal(t, 200, code)
	code, text = ask("/metrics")
	assert.Equal(t, 200, code)
	for _, line := range []string{
		`tlspeek_hellos_total{outcome="hello",transport="tls"} 1`,
		`tlspeek_hellos_total{outcome="not_tls",transport="tls"} 1`,
		`tlspeek_hello_bytes_count{transport="tls"} 1`,
		`tlspeek_handshake_seconds_count{outcome="ok"} 1`,
		`tlspeek_handshake_seconds_count{outcome="failed"} 1`,
		`tlspeek_connections `,
		`tlspeek_half_open_connections 0`,
		`tlspeek_half_open_quic_connections 0`,
		`tlspeek_forgotten_clients_total 0`,
	} {
		assert.Contains(t, text, "\n"+line)
	}
	client.CloseIdleConnections()
	require.NoError(t, e.Shutdown(t.Context()))
	require.ErrorIs(t, <-served, http.ErrServerClosed)
	code, _ = ask("/readyz")
	assert.Equal(t, 503, code)

	w := httptest.NewRecorder()
	adminHandler(e, registry, true).ServeHTTP(w, httptest.NewRequest("GET", "/debug/pprof/", nil))
	assert.Contains(t, w.Body.String(), "goroutine")
}
