package server_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/echo"
)

// TestHTTP2IsRecorded: the settings and the order of header fields are known to an
// http.Server and to a Server.
func TestHTTP2IsRecorded(t *testing.T) {
	srv := &http.Server{Handler: new(echo.Handler), ConnContext: server.ConnContext, TLSConfig: servertest.Config(t)}
	require.NoError(t, server.ConfigureHTTP2(srv))
	ln := servertest.Listen(t)
	served := make(chan error, 1)
	go func() { served <- srv.ServeTLS(&server.Listener{Listener: ln}, "", "") }()
	other, _ := start(t, new(server.Server), 0)

	for _, addr := range []string{ln.Addr().String(), other} {
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, http2.ClientPreface)
		require.NoError(t, err)
		f := http2.NewFramer(conn, conn)
		require.NoError(t, f.WriteSettings(http2.Setting{ID: 3, Val: 100}, http2.Setting{ID: 4, Val: 1 << 20}))
		var block bytes.Buffer
		e := hpack.NewEncoder(&block)
		for _, field := range [][2]string{{":path", "/api/all"}, {":method", "GET"}, {":authority", "x"}, {":scheme", "https"}, {"zebra", "1"}, {"accept", "*/*"}, {"beaver", "2"}} {
			require.NoError(t, e.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
		}
		require.NoError(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}))
		var body []byte
		for {
			frame, err := f.ReadFrame()
			require.NoError(t, err)
			if data, ok := frame.(*http2.DataFrame); ok {
				body = append(body, data.Data()...)
				if data.StreamEnded() {
					break
				}
			}
		}
		var all struct {
			HTTP2 struct {
				Fingerprint string `json:"akamai_fingerprint"`
				Frames      []struct {
					Headers []string
				} `json:"sent_frames"`
			}
		}
		require.NoError(t, json.Unmarshal(body, &all))
		assert.Equal(t, "3:100;4:1048576|00|0|p,m,a,s", all.HTTP2.Fingerprint)
		require.NotEmpty(t, all.HTTP2.Frames)
		assert.Equal(t, []string{":path: /api/all", ":method: GET", ":authority: x", ":scheme: https", "zebra: 1", "accept: */*", "beaver: 2"},
			all.HTTP2.Frames[len(all.HTTP2.Frames)-1].Headers)
	}
	srv.Close()
	<-served
}

// fetch returns the response to a GET, and its body.
func fetch(t *testing.T, client *http.Client, url string) (*http.Response, []byte) {
	t.Helper()
	resp, err := client.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, body
}

func TestConfigureHTTP2Refuses(t *testing.T) {
	config := servertest.Config(t)
	config.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
	assert.ErrorContains(t, server.ConfigureHTTP2(&http.Server{TLSConfig: config}), "AES_128_GCM_SHA256")
}

// TestConfigureHTTP2WithoutHTTP2: GODEBUG switches HTTP/2 off, as for net/http.
func TestConfigureHTTP2WithoutHTTP2(t *testing.T) {
	t.Setenv("GODEBUG", "http2server=0")
	srv := &http.Server{TLSConfig: servertest.Config(t), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })}
	require.NoError(t, server.ConfigureHTTP2(srv))
	ln := servertest.Listen(t)
	served := make(chan error, 1)
	go func() { served <- srv.ServeTLS(&server.Listener{Listener: ln}, "", "") }()
	client := servertest.HTTPClient(true)
	resp, body := fetch(t, client, "https://"+ln.Addr().String()+"/")
	assert.Equal(t, 200, resp.StatusCode)
	assert.Equal(t, "hello", string(body))
	client.CloseIdleConnections()
	srv.Close()
	<-served
}

// TestConfigureHTTP2WithoutTLS: HTTP/2 without TLS works too.
func TestConfigureHTTP2WithoutTLS(t *testing.T) {
	srv := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, ok := server.FromContext(r.Context())
		assert.False(t, ok)
		assert.Nil(t, r.TLS)
		io.Copy(w, r.Body)
	})}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetHTTP2(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	require.NoError(t, server.ConfigureHTTP2(srv))
	ln := servertest.Listen(t)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: transport}
	for _, sent := range []string{"a", "b"} {
		resp, err := client.Post("http://"+ln.Addr().String()+"/", "text/plain", strings.NewReader(sent))
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, "HTTP/2.0 "+sent, resp.Proto+" "+string(body))
	}
	require.NoError(t, srv.Shutdown(t.Context()))
	<-served
	client.CloseIdleConnections()
}

// TestConfigureHTTP2WithoutListener: nothing is known of the connections.
func TestConfigureHTTP2WithoutListener(t *testing.T) {
	srv := &http.Server{TLSConfig: servertest.Config(t), Handler: server.Headers{}.Wrap(backend()), ConnContext: server.ConnContext}
	require.NoError(t, server.ConfigureHTTP2(srv))
	ln := servertest.Listen(t)
	served := make(chan error, 1)
	go func() { served <- srv.ServeTLS(ln, "", "") }()
	client := servertest.HTTPClient(true)
	resp, body := fetch(t, client, "https://"+ln.Addr().String()+"/")
	assert.Equal(t, 2, resp.ProtoMajor)
	assert.Contains(t, string(body), "X-Http2-Fingerprint: none; unknown connection\n")
	client.CloseIdleConnections()
	require.NoError(t, srv.Shutdown(t.Context()))
	<-served
}
