package server_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestUnreadBodies: a client that does not send the body it has announced gets its answer,
// and does not keep its connection. One that sends it keeps it.
func TestUnreadBodies(t *testing.T) {
	ln := servertest.Listen(t)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/read" {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		if r.URL.Path == "/close" {
			w.Header().Set("Connection", "close")
		}
		w.WriteHeader(http.StatusForbidden)
	})
	servertest.Serve(t, &server.Server{Handler: handler, BodyTimeout: -1}, &server.Listener{Listener: ln}, 5*time.Second)
	dial := func(text string) (io.ReadWriter, *bufio.Reader) {
		conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
		_, err = io.WriteString(conn, text)
		require.NoError(t, err)
		return conn, bufio.NewReader(conn)
	}
	for _, path := range []string{"/", "/close"} {
		for _, body := range []string{"Content-Length: 1000\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n5\r\nabc"} {
			_, r := dial("POST " + path + " HTTP/1.1\r\nHost: x\r\n" + body)
			resp, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			assert.Equal(t, http.StatusForbidden, resp.StatusCode)
			assert.True(t, resp.Close)
			_, err = io.ReadAll(r)
			assert.NoError(t, err, "the connection is closed")
		}
	}
	for _, path := range []string{"/", "/read"} {
		request := "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
		conn, r := dial(request)
		for range 3 {
			resp, err := http.ReadResponse(r, nil)
			require.NoError(t, err)
			assert.False(t, resp.Close)
			_, err = io.WriteString(conn, request)
			require.NoError(t, err)
		}
	}
}
