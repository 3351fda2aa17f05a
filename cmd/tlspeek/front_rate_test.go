package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/signals"
)

// startServe runs serve until the test ends, and returns its address and log.
func startServe(t *testing.T, args ...string) (addr string, log *servertest.Buffer) {
	ctx, stop := context.WithCancel(t.Context())
	said, stderr := io.Pipe()
	served := make(chan error, 1)
	go func() {
		cmd := serveCommand()
		cmd.SetArgs(append([]string{"--listen", "127.0.0.1:0", "--state-dir", t.TempDir(), "--grace", "1s"}, args...))
		cmd.SetErr(stderr)
		served <- cmd.ExecuteContext(ctx)
		stderr.Close()
	}()
	r := bufio.NewReader(said)
	first, err := r.ReadString('\n')
	require.NoError(t, err)
	log = new(servertest.Buffer)
	go io.Copy(log, r)
	t.Cleanup(func() {
		stop()
		assert.NoError(t, <-served)
	})
	return strings.TrimSuffix(strings.Fields(first)[2], ";"), log
}

// clientFrom returns a client with that address.
func clientFrom(t *testing.T, ip string, http2 bool) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	transport := &http.Transport{
		DialContext:       dialer.DialContext,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: http2,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// getJSON returns the response to a request for /json, without its body.
func getJSON(t *testing.T, c *http.Client, addr string) *http.Response {
	resp, err := c.Get("https://" + addr + "/json")
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	resp.Body.Close()
	return resp
}

// TestRateOfConnections: of 1,000 connections of one address 20 are served, and all of
// another address.
func TestRateOfConnections(t *testing.T) {
	addr, log := startServe(t, "--http3=false", "--rate-conns", "1/h burst 20")
	var handshakes atomic.Int64
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 100 {
				conn, err := net.Dial("tcp", addr)
				if err != nil { // reset at once
					continue
				}
				if tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).Handshake() == nil {
					handshakes.Add(1)
				}
				conn.Close()
			}
		})
	}
	other := clientFrom(t, "127.0.0.2", false)
	for range 10 {
		assert.Equal(t, 200, getJSON(t, other, addr).StatusCode)
		other.CloseIdleConnections()
	}
	wg.Wait()
	assert.EqualValues(t, 20, handshakes.Load())
	assert.Equal(t, 1, strings.Count(log.String(), "clients come faster than their rate allows"))
	assert.NotContains(t, log.String(), "refused for its rate", "which is at level debug")
}

// TestRateBehindProxy: a proxy's clients count each, and the proxy does not.
func TestRateBehindProxy(t *testing.T) {
	addr, _ := startServe(t, "--http3=false", "--rate-conns", "1/h burst 3", "--trusted-proxies", "127.0.0.1")
	connect := func(header string) error {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, header)
		require.NoError(t, err)
		return tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).Handshake()
	}
	for i := range 10 {
		assert.Equal(t, i < 3, connect("PROXY TCP4 198.51.100.7 203.0.113.9 1 2\r\n") == nil, i)
		assert.NoError(t, connect(""), "a health check")
		assert.NoError(t, connect(fmt.Sprintf("PROXY TCP4 198.51.%d.8 203.0.113.9 1 2\r\n", i)))
	}
}

// TestRateOfRequests: of up to 1,000 requests, over every version of HTTP, 20 are
// answered. Others get 429 and the time to wait, and another address all.
func TestRateOfRequests(t *testing.T) {
	addr, _ := startServe(t, "--rate-requests", "1/h burst 20", "--log-level", "error")
	quicFrom := func(ip string) *http.Client {
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
		require.NoError(t, err)
		transport := &quic.Transport{Conn: conn}
		h3 := &http3.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
			Dial: func(ctx context.Context, addr string, tlsConfig *tls.Config, config *quic.Config) (*quic.Conn, error) {
				to, err := net.ResolveUDPAddr("udp", addr)
				require.NoError(t, err)
				return transport.Dial(ctx, to, tlsConfig, config)
			},
		}
		t.Cleanup(func() { h3.Close(); transport.Close(); conn.Close() })
		return &http.Client{Transport: h3}
	}
	for i, c := range []struct {
		proto    string
		client   func(ip string) *http.Client
		requests int
	}{
		{"HTTP/1.1", func(ip string) *http.Client { return clientFrom(t, ip, false) }, 1000},
		{"HTTP/2.0", func(ip string) *http.Client { return clientFrom(t, ip, true) }, 1000},
		{"HTTP/3.0", quicFrom, 140}, // those that have to wait for a second
	} {
		t.Run(c.proto, func(t *testing.T) {
			client, other := c.client(fmt.Sprintf("127.0.%d.1", i+1)), c.client(fmt.Sprintf("127.0.%d.2", i+1))
			counts := make(map[int]int)
			closed := 0
			var mu sync.Mutex
			var wg sync.WaitGroup
			one := func() {
				resp := getJSON(t, client, addr)
				mu.Lock()
				defer mu.Unlock()
				assert.Equal(t, c.proto, resp.Proto)
				counts[resp.StatusCode]++
				if resp.StatusCode == 429 {
					assert.Regexp(t, `^3[56]\d\d$`, resp.Header.Get("Retry-After"))
				}
				if resp.Close {
					closed++
				}
			}
			n := c.requests
			if c.proto == "HTTP/3.0" {
				n = 40 // the others at once
			}
			for range n {
				one()
			}
			for range c.requests - n {
				wg.Go(one)
			}
			wg.Wait()
			assert.Equal(t, map[int]int{200: 20, 429: c.requests - 20}, counts)
			if c.proto == "HTTP/1.1" {
				assert.Equal(t, c.requests-40, closed, "one that goes on is disconnected")
			}
			for range 5 {
				assert.Equal(t, 200, getJSON(t, other, addr).StatusCode)
			}
		})
	}
}

// testRates returns what flags with these values set up.
func testRates(t *testing.T, log *slog.Logger, args ...string) *rates {
	var f rateFlags
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.add(flags)
	require.NoError(t, flags.Parse(args))
	return f.rates([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, log)
}

func TestRateFlags(t *testing.T) {
	discard := slog.New(slog.DiscardHandler)
	var f rateFlags
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.add(flags)
	text, err := os.ReadFile("../../docs/serve.md")
	require.NoError(t, err)
	names := 0
	flags.VisitAll(func(flag *pflag.Flag) {
		names++
		standard, err := signals.ParseRate(flag.DefValue)
		require.NoError(t, err)
		assert.Equal(t, flag.Value.String(), standard.String())
		assert.False(t, standard.IsZero())
		assert.True(t, strings.Contains(string(text), "| `--"+flag.Name+"` | "+flag.DefValue+" |"), "docs/serve.md lacks the default of %s", flag.Name)

		err = flags.Set(flag.Name, "fast")
		assert.ErrorContains(t, err, `rate "fast": "fast" has no time, such as /s; write it like "50/s burst 100", or "none" for no limit`)
	})
	assert.Equal(t, 4, names)

	none := testRates(t, discard, "--rate-conns=none", "--rate-conns-total=0", "--rate-requests=0", "--rate-requests-total=none")
	limits := new(server.Limits)
	none.bound(limits)
	assert.Nil(t, limits.Allow)
	assert.Nil(t, limits.AllowUnverified)
	assert.NoError(t, none.nextLine(t.Context()))
	h := http.NewServeMux()
	assert.Equal(t, http.Handler(h), none.handler(h))
}

// TestRateLevels: what is refused, of which clients.
func TestRateLevels(t *testing.T) {
	now := time.Now()
	v6 := func(i int) netip.Addr { // of one /48, each in a /64 of its own
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 1, byte(i >> 8), byte(i), 15: 1})
	}
	same64 := func(i int) netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 2, 0, 0, 14: byte(i >> 8), 15: byte(i)})
	}
	v4 := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}) }
	fixed := func(s string) func(int) netip.Addr {
		return func(int) netip.Addr { return netip.MustParseAddr(s) }
	}
	apart := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{1, byte(i >> 8), byte(i), 7}) }
	perAddr, total := "--rate-conns=1/h burst 10", "--rate-conns-total=1/h burst 1000"
	for _, c := range []struct {
		name   string
		args   []string
		client func(int) netip.Addr
		passed int    // of 5,000
		limit  string // the first that refuses
	}{
		{"an IPv4 address", []string{perAddr, total}, fixed("198.51.100.7"), 10, "addr"},
		{"an IPv6 address", []string{perAddr, total}, fixed("2001:db8::7"), 10, "addr"},
		{"an IPv6 /64", []string{perAddr, total}, same64, 10, "addr"},
		{"an IPv6 /48", []string{perAddr, total}, v6, 80, "network"},
		{"an IPv4 /24", []string{perAddr, total}, v4, 80, "network"},
		{"many networks", []string{perAddr, total}, apart, 1000, "total"},
		{"no total", []string{perAddr, "--rate-conns-total=none"}, apart, 5000, ""},
		{"a total alone", []string{"--rate-conns=none", total}, fixed("198.51.100.7"), 1000, "total"},
		{"an address of a trusted proxy", []string{perAddr, total}, fixed("192.0.2.1"), 1000, "total"},
		{"no IP address", []string{perAddr, total}, func(int) netip.Addr { return netip.Addr{} }, 1000, "total"},
		{"loopback", []string{perAddr, total}, fixed("127.0.0.1"), 10, "addr"},
		{"loopback by default", nil, fixed("127.0.0.1"), 5000, ""},
		{"IPv6 loopback by default", nil, fixed("::1"), 5000, ""},
		{"others by default", nil, fixed("198.51.100.7"), 200, "addr"},
		{"networks by default", nil, v6, 1600, "network"},
		{"all by default", nil, apart, 4000, "total"},
	} {
		r := testRates(t, slog.New(slog.DiscardHandler), c.args...)
		passed, limit := 0, ""
		for i := range 5000 {
			client := c.client(i)
			why, wait := r.conns.refuse(client, r.trusts(client), now)
			if why == "" {
				passed++
				continue
			}
			if limit == "" {
				limit = why
			}
			assert.Positive(t, wait, c.name)
		}
		assert.Equal(t, c.passed, passed, c.name)
		assert.Equal(t, c.limit, limit, c.name)
	}
}

// TestRateSparesTheTotal: what a client is refused for does not count for others.
func TestRateSparesTheTotal(t *testing.T) {
	r := testRates(t, slog.New(slog.DiscardHandler), "--rate-conns=1/h burst 10", "--rate-conns-total=1/h burst 20")
	limits := new(server.Limits)
	r.bound(limits)
	for range 1000 {
		limits.Allow(netip.MustParseAddr("198.51.100.7"))
	}
	for range 10 {
		assert.True(t, limits.Allow(netip.MustParseAddr("203.0.113.9")))
	}
	assert.False(t, limits.Allow(netip.MustParseAddr("203.0.114.9")))
}

// TestRateOfLines: a client that sends lines too fast waits, and is disconnected if that
// would take too long.
func TestRateOfLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := testRates(t, slog.New(slog.DiscardHandler), "--rate-requests-total=2/s burst 3")
		began := time.Now()
		for range 3 {
			require.NoError(t, r.nextLine(t.Context()))
		}
		assert.Zero(t, time.Since(began))
		for range 4 {
			require.NoError(t, r.nextLine(t.Context()))
		}
		assert.Equal(t, 2*time.Second, time.Since(began))

		r = testRates(t, slog.New(slog.DiscardHandler), "--rate-requests-total=1/h burst 1")
		require.NoError(t, r.nextLine(t.Context()))
		began = time.Now()
		assert.EqualError(t, r.nextLine(t.Context()), "too many lines")
		assert.Zero(t, time.Since(began), "it would take over 10 seconds")
		assert.Equal(t, map[string]float64{"addr": 0, "network": 0, "total": 1}, refusedRequests(t, r))

		r = testRates(t, slog.New(slog.DiscardHandler), "--rate-requests-total=1/10s burst 1")
		require.NoError(t, r.nextLine(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // the server ends
		defer cancel()
		assert.ErrorIs(t, r.nextLine(ctx), context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(began))
		assert.Equal(t, 0.0, refusedRequests(t, r)["total"])
	})
}

// A countingContext counts how often somebody waits for it.
type countingContext struct {
	context.Context
	waits *atomic.Int64
}

func (c countingContext) Done() <-chan struct{} {
	c.waits.Add(1)
	return c.Context.Done()
}

// TestManyLinesWait: a thousand connections that wait for one rate wake up ten times
// each, and not each time that one of them has its turn.
func TestManyLinesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := testRates(t, slog.New(slog.DiscardHandler), "--rate-requests-total=100/s burst 1")
		ctx := countingContext{t.Context(), new(atomic.Int64)}
		var served atomic.Int64
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if r.nextLine(ctx) == nil {
					served.Add(1)
				}
			})
		}
		wg.Wait()
		assert.Positive(t, served.Load())
		assert.LessOrEqual(t, ctx.waits.Load(), int64(10*1000))
	})
}

// TestServeLimitsLines: the line protocol is limited, too.
func TestServeLimitsLines(t *testing.T) {
	addr, _ := startServe(t, "--http3=false", "--rate-requests", "1/h burst 2")
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "a\nb\nc\n")
	require.NoError(t, err)
	lines := bufio.NewScanner(conn)
	require.True(t, lines.Scan())
	require.True(t, lines.Scan())
	assert.Equal(t, 429, getJSON(t, clientFrom(t, "127.0.0.1", false), addr).StatusCode, "lines count as requests")
	assert.Equal(t, 200, getJSON(t, clientFrom(t, "127.0.0.2", false), addr).StatusCode)
	assert.False(t, lines.Scan(), "disconnected")
}

// refusedRequests returns the metric, by limit.
func refusedRequests(t *testing.T, r *rates) map[string]float64 {
	registry := prometheus.NewRegistry()
	registry.MustRegister(r.refusedRequests)
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
	counts := make(map[string]float64)
	for _, m := range families[0].Metric {
		counts[m.Label[0].GetValue()] = m.Counter.GetValue()
	}
	text, err := os.ReadFile("../../docs/serve.md")
	require.NoError(t, err)
	assert.True(t, strings.Contains(string(text), "`"+families[0].GetName()+"`"), "docs/serve.md lacks it")
	return counts
}

// TestRefusalsAreLogged: each at level debug, and their number once a minute as a
// warning.
func TestRefusalsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text strings.Builder
		log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		r := testRates(t, log, "--rate-conns=1/h burst 1", "--rate-conns-total=1/h burst 2")
		limits := new(server.Limits)
		r.bound(limits)
		ask := func(client string) { limits.Allow(netip.MustParseAddr(client)) }
		for range 4 {
			ask("198.51.100.7")
			time.Sleep(time.Second)
		}
		ask("203.0.113.9")
		ask("203.0.114.9") // over the total
		time.Sleep(time.Minute)
		ask("198.51.100.7")
		const debug, warn = `level=DEBUG msg="refused for its rate" what=connection limit=`, `level=WARN msg="clients come faster than their rate allows" refused_connections=`
		assert.Equal(t, []string{
			debug + "addr client=198.51.100.7",
			warn + "1 refused_requests=0 for_the_total=0",
			debug + "addr client=198.51.100.7",
			debug + "addr client=198.51.100.7",
			debug + "total client=203.0.114.9",
			debug + "addr client=198.51.100.7",
			warn + "4 refused_requests=0 for_the_total=1",
			"",
		}, strings.Split(text.String(), "\n"))
	})
}

// TestUnverifiedRate: clients over QUIC need not prove their address before there are
// many.
func TestUnverifiedRate(t *testing.T) {
	r := testRates(t, slog.New(slog.DiscardHandler))
	limits := new(server.Limits)
	r.bound(limits)
	r.unverified = signals.NewLimiter(signals.Rate{Events: 1, Per: time.Hour, Burst: unverifiedRate.Burst}, 2)
	for range unverifiedRate.Burst {
		require.True(t, limits.AllowUnverified())
	}
	assert.False(t, limits.AllowUnverified())
}
