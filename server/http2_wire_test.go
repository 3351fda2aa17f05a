package server_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/echo"
)

// TestHTTP2WireIsRecorded: a full Event says how the client writes HTTP/2, on either
// kind of server, and a compact one does not.
func TestHTTP2WireIsRecorded(t *testing.T) {
	srv := &http.Server{Handler: new(echo.Handler), ConnContext: server.ConnContext, TLSConfig: servertest.Config(t)}
	require.NoError(t, server.ConfigureHTTP2(srv))
	ln := servertest.Listen(t)
	served := make(chan error, 1)
	go func() { served <- srv.ServeTLS(&server.Listener{Listener: ln}, "", "") }()
	other, _ := start(t, new(server.Server), 0)
	for _, addr := range []string{ln.Addr().String(), other} {
		client := servertest.HTTPClient(true)
		_, body := fetch(t, client, "https://"+addr+"/json")
		var e event.Event
		require.NoError(t, json.Unmarshal(body, &e))
		assert.Regexp(t, `^S,W,(A,)?H\|0\|a=\+h,m=i,p=\+h,s=i\|(u,)?\+h\*2$`, e.HTTP2Wire)
		assert.Regexp(t, `\|a,m,p,s$`, e.Fingerprint("http2"))
		c := e.Compact()
		assert.Empty(t, c.HTTP2Wire)
		client.CloseIdleConnections()
	}
	srv.Close()
	<-served
}
