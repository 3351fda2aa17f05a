package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/signals"
)

// freeAddr returns an address that nobody listens on.
func freeAddr(t *testing.T) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

// getSignals returns what /api/signals answers.
func getSignals(t *testing.T, admin, query string, into any) int {
	t.Helper()
	resp, err := http.Get("http://" + admin + "/api/signals" + query)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	require.NoError(t, json.NewDecoder(resp.Body).Decode(into))
	return resp.StatusCode
}

// TestServeSignals: requests count once each, a connection without one counts once, and
// its first request does not count again.
func TestServeSignals(t *testing.T) {
	admin := freeAddr(t)
	addr, log := startServe(t, "--admin", admin, "--settle", "100ms")
	c := clientFrom(t, "127.0.0.1", true)
	for range 3 {
		getJSON(t, c, addr)
	}
	type lists struct {
		JA4, Stable, Client, Prefix []signals.Row
		Slots                       map[string]signals.Stats
	}
	var all lists
	require.Equal(t, 200, getSignals(t, admin, "", &all))
	require.Len(t, all.JA4, 1)
	row := all.JA4[0]
	assert.Positive(t, row.Rate)
	row.Rate = 0
	assert.Equal(t, signals.Values{Requests: 3, Addresses: 1, UserAgents: 1, Paths: 1, H2Ratio: 1}, row.Values)
	require.Len(t, all.Prefix, 1)
	assert.Equal(t, "127.0.0.0/24", all.Prefix[0].Value)
	assert.EqualValues(t, 1, all.Prefix[0].JA4s)
	assert.Len(t, all.Stable, 1)
	require.Len(t, all.Client, 1)
	assert.Equal(t, int64(3), all.Client[0].Requests)
	assert.Equal(t, 1, all.Slots["ja4"].Used)

	// One connection says nothing for 100 ms and then sends two requests over HTTP/1.1,
	// and one ends without a request.
	config := &tls.Config{InsecureSkipVerify: true, ServerName: "quiet.example", NextProtos: []string{"http/1.1"}}
	quiet, err := tls.Dial("tcp", addr, config)
	require.NoError(t, err)
	defer quiet.Close()
	short, err := tls.Dial("tcp", addr, config)
	require.NoError(t, err)
	require.NoError(t, short.Close())
	ja4 := ""
	counted := func(n int64) (r signals.Row) {
		require.Eventually(t, func() bool {
			var all lists
			getSignals(t, admin, "?kind=ja4", &all)
			assert.Empty(t, all.Prefix)
			i := slices.IndexFunc(all.JA4, func(r signals.Row) bool { return r.ServerNames == 1 })
			if i >= 0 {
				r, ja4 = all.JA4[i], all.JA4[i].Value
			}
			return r.Requests == n
		}, 5*time.Second, 10*time.Millisecond)
		return r
	}
	counted(2)
	for n := range 2 {
		_, err = fmt.Fprintf(quiet, "GET /%d HTTP/1.1\r\nHost: quiet.example\r\nUser-Agent: quiet/%d\r\n\r\n", n, n)
		require.NoError(t, err)
		_, err = quiet.Read(make([]byte, 1<<16))
		require.NoError(t, err)
	}
	r := counted(3)
	assert.EqualValues(t, 2, r.Paths)
	assert.EqualValues(t, 2, r.UserAgents)
	assert.Zero(t, r.H2Ratio)

	var one struct {
		Kind, Value string
		Requests    int64
		Error       string
	}
	for query, want := range map[string]string{
		"ja4=" + ja4:                    "ja4",
		"stable=" + all.Stable[0].Value: "stable",
		"client=" + strings.ReplaceAll(all.Client[0].Value, " ", "+"): "client",
		"address=127.0.0.99":  "prefix",
		"prefix=127.0.0.0/24": "prefix",
	} {
		require.Equal(t, 200, getSignals(t, admin, "?"+query, &one), query)
		assert.Equal(t, want, one.Kind)
		assert.GreaterOrEqual(t, one.Requests, int64(3))
	}
	require.Equal(t, 404, getSignals(t, admin, "?ja4=t13", &one))
	assert.Equal(t, "no request of this ja4 within the last hour, or none that is still counted", one.Error)

	resp, err := http.Get("http://" + admin + "/metrics")
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	for _, line := range []string{`tlspeek_signals_requests_total{kind="ja4"} 6`, `tlspeek_signals_keys{kind="prefix"} 1`, `tlspeek_signals_replaced_total{kind="client"} 0`} {
		assert.Contains(t, string(text), line+"\n")
	}
	assert.NotContains(t, string(text), ja4)
	assert.Regexp(t, `msg="counting requests by fingerprint" keys=\d+ with_distinct_values=\d+ networks_with_distinct_values=\d+`, log.String())
}

// TestServeSignalsOverHTTP3: a request over HTTP/3 counts once, under its own JA4.
func TestServeSignalsOverHTTP3(t *testing.T) {
	admin := freeAddr(t)
	addr, _ := startServe(t, "--admin", admin)
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.Close()
	for range 2 {
		getJSON(t, &http.Client{Transport: transport}, addr)
	}
	var all struct{ JA4, Prefix []signals.Row }
	require.Equal(t, 200, getSignals(t, admin, "", &all))
	require.Len(t, all.JA4, 1)
	assert.True(t, strings.HasPrefix(all.JA4[0].Value, "q13"))
	assert.EqualValues(t, 2, all.JA4[0].Requests)
	assert.Equal(t, 1.0, all.JA4[0].H3Ratio)
	assert.EqualValues(t, 2, all.Prefix[0].Requests)
}

// TestSignalsAreOff: without --admin or memory nothing is counted.
func TestSignalsAreOff(t *testing.T) {
	f := signalsFlags{memory: 64 << 20}
	assert.Nil(t, f.counter(false))
	assert.NotNil(t, f.counter(true))
	f.memory = 0
	assert.NoError(t, f.check())
	assert.Nil(t, f.counter(true))
	var off *signalCounter
	assert.Nil(t, off.agg())
	next := http.NewServeMux()
	assert.Equal(t, http.Handler(next), off.handler(next))
	assert.Equal(t, http.Handler(next), off.api(next))
	admin := freeAddr(t)
	startServe(t, "--admin", admin, "--signals-memory", "0")
	resp, err := http.Get("http://" + admin + "/api/signals")
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, 404, resp.StatusCode)

	assert.Equal(t, "--signals-memory 64: must be 1MiB or more, or 0", serveError(t, "--signals-memory", "64"))
	assert.Equal(t, `invalid argument "many" for "--signals-memory" flag: is not a size such as 64MiB, 512KiB or 1048576`, serveError(t, "--signals-memory", "many"))
}

func TestSignalsRefuseQueries(t *testing.T) {
	s := (&signalsFlags{memory: 1 << 20}).counter(true)
	api := s.api(http.NotFoundHandler())
	for query, want := range map[string]string{
		"kind=ja3":          `kind "ja3": must be ja4, stable, client or prefix`,
		"kind=ja4&kind=ja4": "kind is given 2 times",
		"limit=-1":          `limit "-1": must be a number, 0 for all`,
		"address=x":         `address "x": neither an address nor a network`,
		"ja3=x":             `"ja3": must be ja4, stable, client, address, kind or limit`,
		"ja4=x&kind=ja4":    "kind and limit are for lists, and there is one row of ja4",
		"%zz":               `invalid URL escape "%zz"`,
	} {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest("GET", "/api/signals?"+query, nil))
		assert.Equal(t, 400, w.Code)
		var answer map[string]string
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		assert.Equal(t, want, answer["error"], query)
	}
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest("GET", "/api/signals", nil))
	assert.Equal(t, 200, w.Code)
	assert.Contains(t, w.Body.String(), `"ja4":[]`)
	w = httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest("POST", "/api/signals", nil))
	assert.NotEqual(t, 200, w.Code)
}

// TestSettledCountsOnce: second hellos, hellos of forged addresses and those with a
// request do not count.
func TestSettledCountsOnce(t *testing.T) {
	s := (&signalsFlags{memory: 1 << 20}).counter(true)
	e := &event.Event{SrcIP: netip.MustParseAddr("192.0.2.1"), HelloIndex: 1, Settled: event.SettledEnd, Conn: event.ConnID{1}}
	requests := func() int64 {
		v, _ := s.agg()("192.0.2.1")
		return v.Requests
	}
	for _, c := range []struct {
		settled    event.Settled
		index      int
		unverified bool
		want       int64
	}{
		{event.SettledRequest, 1, false, 0}, {event.SettledEnd, 2, false, 0}, {event.SettledEnd, 1, true, 0},
		{event.SettledEnd, 1, false, 1}, {event.SettledLine, 1, false, 2}, {event.SettledTime, 1, false, 3}, {event.SettledFull, 1, false, 4},
	} {
		e.Settled, e.HelloIndex = c.settled, c.index
		s.settled(&event.Observation{Unverified: c.unverified}, e)
		assert.Equal(t, c.want, requests())
	}
	assert.True(t, s.early.remove(event.ConnID{1}))
	assert.False(t, s.early.remove(event.ConnID{1}))
	for i := range 3 * maxEarly {
		s.early.add(event.ConnID{byte(i), byte(i >> 8), byte(i >> 16)})
	}
	assert.Len(t, s.early.has, maxEarly)
	assert.Len(t, s.early.list, maxEarly)
	assert.True(t, s.early.remove(event.ConnID{0, 0xff, 0}) || s.early.remove(event.ConnID{0xff, 0xbf, 0}))
}

func TestSignalMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/serve.md")
	require.NoError(t, err)
	registry := prometheus.NewRegistry()
	(&signalsFlags{memory: 1 << 20}).counter(true).addMetrics(registry)
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 4)
	for _, f := range families {
		assert.True(t, strings.Contains(string(text), "`"+f.GetName()+"`"), "docs/serve.md lacks %s", f.GetName())
		assert.Len(t, f.Metric, signals.Kinds)
	}
}

func TestSizeFlag(t *testing.T) {
	for text, want := range map[string]string{
		"64MiB": "64MiB", "64 mib": "64MiB", "64M": "64MiB", "2097152": "2MiB", "1k": "1KiB", "3GiB": "3GiB", "0": "0", "1025": "1025",
		"1536MiB": "1536MiB",
	} {
		var f sizeFlag
		require.NoError(t, f.Set(text), text)
		assert.Equal(t, want, f.String())
	}
	for _, text := range []string{"", "MiB", "M", "64MB", "-1", "1.5GiB", "9000000000GiB", "1MiBMiB", "99999999999999999999"} {
		var f sizeFlag
		assert.Error(t, f.Set(text), text)
	}
}
