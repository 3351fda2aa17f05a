package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	utls "github.com/refraction-networking/utls"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/internal/sitetest"
	"github.com/tlspeek/tlspeek/policy"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/guard"
)

const (
	chromeAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36"
	goAgent     = "Go-http-client/2.0"
)

// askAsChrome sends a request with the hello of a Chrome that uTLS imitates, over HTTP/2 or
// HTTP/1.1. It returns the status, or 0 if there is no answer.
func askAsChrome(t *testing.T, addr, name, protocol, agent, path string) (status int) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	spec, err := utls.UTLSIdToSpec(utls.HelloChrome_133)
	require.NoError(t, err)
	if protocol == "http/1.1" {
		for i, e := range spec.Extensions {
			switch e := e.(type) {
			case *utls.ALPNExtension:
				e.AlpnProtocols = []string{"http/1.1"}
			case *utls.ApplicationSettingsExtensionNew: // it is of h2
				spec.Extensions[i] = &utls.GenericExtension{Id: 0x44cd, Data: []byte{0, 3, 2, 'h', '2'}}
			}
		}
	}
	c := utls.UClient(conn, &utls.Config{ServerName: name, InsecureSkipVerify: true}, utls.HelloCustom)
	require.NoError(t, c.ApplyPreset(&spec))
	if err := c.HandshakeContext(t.Context()); err != nil {
		return 0
	}
	require.Equal(t, protocol, c.ConnectionState().NegotiatedProtocol)
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+name+path, nil)
	require.NoError(t, err)
	r.Header.Set("User-Agent", agent)
	var protocols http.Protocols
	protocols.SetHTTP1(protocol == "http/1.1")
	protocols.SetUnencryptedHTTP2(protocol == "h2") // the encryption is that of c
	transport := &http.Transport{
		Protocols:   &protocols,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil },
	}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(r)
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	return res.StatusCode
}

// TestSiteAnswersUTLS: a Go program with the hello of a Chrome gets what the policy of
// docs/examples/site says: over HTTP/2 it is tagged as an impersonator, and a false claim is
// counted, and denied once the rule acts.
func TestSiteAnswersUTLS(t *testing.T) {
	program := sitetest.Build(t)
	for _, enforced := range []bool{false, true} {
		action, status, would := "count", 200, " would-deny"
		var edit func(string) string
		if enforced {
			action, status, would = "deny", 403, ""
			edit = func(text string) string { return strings.Replace(text, "    mode: count\n", "", 1) }
		}
		t.Run(action, func(t *testing.T) {
			s := sitetest.Start(t, program, edit)
			for _, c := range []struct {
				name, protocol, agent string
				status                int
			}{
				{sitetest.Name, "h2", chromeAgent, status},
				{sitetest.Name, "h2", goAgent, status},
				{sitetest.Name, "h2", "", 200},
				{sitetest.Name, "http/1.1", goAgent, status},
				{sitetest.Name, "http/1.1", chromeAgent, 200}, // nothing tells it from a Chrome
				{"www.other.example", "h2", chromeAgent, 0},
			} {
				assert.Equal(t, c.status, askAsChrome(t, s.Addr, c.name, c.protocol, c.agent, "/json"), c)
			}
			hits := s.Hits(t)
			events, _ := s.End(t)
			got := make(map[string]int)
			for _, e := range events {
				got[fmt.Sprint(e.Rule, " ", e.Action, " ", e.Tags)]++
				assert.Equal(t, "Chromium", e.Client[0].Family)
				assert.Zero(t, e.Client[0].Distance/50)
			}
			assert.Equal(t, map[string]int{
				"no-browser " + action + " [impersonator" + would + "]":        2,
				"impersonator tag [impersonator]":                              1,
				"no-browser " + action + " [" + strings.TrimSpace(would) + "]": 1,
				"  []": 1, "not-ours close []": 1,
			}, got)
			assert.Equal(t, map[string]int{"no-browser " + action: 3, "impersonator tag": 3, "not-ours close": 1}, hits)
		})
	}
}

// TestSiteTellsABackend: a server that embeds tlspeek and the policy tells the handler behind
// it what was decided, and the Event has the same.
func TestSiteTellsABackend(t *testing.T) {
	noCaptures := func(io.Reader, int64) (*event.Event, error) { return nil, errors.New("tests of the file are not run") }
	p, err := policy.Load(policy.OS(), "../../docs/examples/site/policy.yaml", policy.LoadOptions{Capture: noCaptures})
	require.NoError(t, err)
	g := &guard.Guard{Policy: func() *policy.Policy { return p }}
	settled := make(chan *event.Event, 10)
	l := &server.Listener{Listener: servertest.Listen(t), Settled: func(_ *event.Observation, e *event.Event) { settled <- e }}
	g.Attach(l)
	told := make(chan http.Header, 1)
	backend := server.Headers{All: true}.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told <- r.Header }))
	stop := servertest.Serve(t, &server.Server{Handler: g.Handler(backend)}, l, 0)
	for _, c := range []struct{ protocol, agent, rule, action, tags string }{
		{"h2", chromeAgent, "no-browser", "count", "impersonator, would-deny"},
		{"h2", "", "impersonator", "tag", "impersonator"},
		{"http/1.1", goAgent, "no-browser", "count", "would-deny"},
	} {
		assert.Equal(t, 200, askAsChrome(t, l.Addr().String(), sitetest.Name, c.protocol, c.agent, "/"))
		h, e := <-told, <-settled
		assert.Equal(t, []string{c.rule, c.action, c.tags}, []string{h.Get("X-TLS-Rule"), h.Get("X-TLS-Action"), h.Get("X-TLS-Tags")})
		assert.Equal(t, []string{c.rule, c.action, c.tags}, []string{e.Rule, e.Action, strings.Join(e.Tags, ", ")})
	}
	require.NoError(t, stop())
	hits := make(map[string]uint64)
	for r := range p.Rules() {
		if n := r.Counts().Matched; n > 0 {
			hits[r.Name] = n
		}
	}
	assert.Equal(t, map[string]uint64{"no-browser": 2, "impersonator": 2, "flood": 3}, hits)
}
