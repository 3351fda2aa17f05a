package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestFieldsAreOfTheirRequest has the requests of a connection differ in what is decided
// about them and in their User-Agent. What was kept of one is not in another.
func TestFieldsAreOfTheirRequest(t *testing.T) {
	ln := &server.Listener{Listener: servertest.Listen(t), DecideRequest: func(_ server.Client, r *http.Request) server.Decision {
		if r.URL.Path == "/none" {
			return server.Decision{}
		}
		return server.Decision{Rule: r.URL.Path, Action: "allow", Tags: []string{"tag" + r.URL.Path}}
	}}
	serve(t, &server.Server{Handler: server.Headers{All: true, JSON: "X-Event"}.Wrap(backend())}, ln, time.Second)
	for _, h2 := range []bool{false, true} {
		client := servertest.HTTPClient(h2)
		var ids sync.Map
		ask := func(path, agent string, differs bool) {
			r, err := http.NewRequest("GET", "https://"+ln.Addr().String()+path, nil)
			require.NoError(t, err)
			r.Header.Set("User-Agent", agent)
			resp, err := client.Do(r)
			if !assert.NoError(t, err) {
				return
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			assert.NoError(t, err)
			fields := make(map[string]string)
			for line := range strings.Lines(string(b)) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				fields[name] = value
			}
			rule, action, tags := path, "allow", "tag"+path
			if path == "/none" {
				rule, action, tags = "none", "none", "none"
			}
			if differs {
				tags = strings.TrimPrefix(tags+", agents-differ", "none, ")
			}
			assert.Equal(t, []string{rule, action, tags}, []string{fields["X-Tls-Rule"], fields["X-Tls-Action"], fields["X-Tls-Tags"]})
			var e event.Event
			assert.NoError(t, json.Unmarshal([]byte(fields["X-Event"]), &e))
			assert.Equal(t, agent, e.UserAgent)
			assert.Equal(t, strings.TrimPrefix(rule, "none"), e.Rule)
			assert.Equal(t, strings.TrimPrefix(tags, "none"), strings.Join(e.Tags, ", "))
			assert.Equal(t, fields["X-Tls-Claim"], e.Claim.Verdict.String())
			assert.Equal(t, path != "/none", strings.Contains(fields["Tlspeek"], fmt.Sprintf("rule=%q", path)))
			ids.Store(e.ID, true)
		}
		ask("/a", "Go-http-client/1.1", false)
		for range 3 {
			for _, path := range []string{"/a", "/a", "/b", "/none", "/c", "/a"} {
				ask(path, "Go-http-client/1.1", false)
				ask(path, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", true)
			}
		}
		if h2 { // at once, on the same connection
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					for j := range 20 {
						ask([]string{"/a", "/b", "/none"}[(i+j)%3], "Go-http-client/1.1", false)
					}
				})
			}
			wg.Wait()
		}
		client.CloseIdleConnections()
		n := 0
		ids.Range(func(any, any) bool { n++; return true })
		assert.Equal(t, 1, n, "all came on one connection")
	}
}

// TestHandlersMayChangeTheirFields: the next request has its own.
func TestHandlersMayChangeTheirFields(t *testing.T) {
	ln := &server.Listener{Listener: servertest.Listen(t)}
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-TLS-Claim"))
		for _, values := range r.Header {
			values[0] = "changed"
		}
	})
	serve(t, &server.Server{Handler: server.Headers{All: true}.Wrap(next), UDP: []*net.UDPConn{servertest.UDP(t)}}, ln, time.Second)
	client := servertest.HTTPClient(true)
	defer client.CloseIdleConnections()
	for range 3 {
		resp, err := client.Get("https://" + ln.Addr().String())
		require.NoError(t, err)
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Equal(t, "consistent", string(b))
	}
}
