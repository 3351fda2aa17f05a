package server_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// byPath decides by the path of a request: a rule, an action and a tag of its name, and
// none for "/".
func byPath(t *testing.T) func(c server.Client, r *http.Request) server.Decision {
	return func(c server.Client, r *http.Request) server.Decision {
		e, ok := server.EventOf(r, event.Full)
		assert.True(t, ok)
		assert.Equal(t, r.UserAgent(), e.UserAgent)
		assert.Equal(t, "hello", e.Rule)
		assert.NotNil(t, e.Claim)
		assert.Same(t, server.ClientOf(r.Context()), c)
		if r.URL.Path == "/" {
			return server.Decision{}
		}
		name := r.URL.Path[1:]
		return server.Decision{Rule: name, Action: "do-" + name, Tags: []string{"tag-" + name, "seen"}}
	}
}

// atHello is what is decided about each hello.
func atHello(server.Client) server.Decision {
	return server.Decision{Rule: "hello", Tags: []string{"seen"}}
}

// decisions answers with what was decided about the request.
func decisions(w http.ResponseWriter, r *http.Request) {
	e, _ := server.EventOf(r, event.Compact)
	fmt.Fprint(w, e.Rule, " ", e.Action, " ", strings.Join(e.Tags, ","))
}

// TestEachRequestIsDecidedAbout: the settled Event has the Decision about the first
// request, and each request its own, whatever serves it.
func TestEachRequestIsDecidedAbout(t *testing.T) {
	for name, c := range map[string]struct{ h2, configured, whole, quic bool }{
		"two lines, HTTP/1.1":      {},
		"two lines, HTTP/2":        {h2: true},
		"ConfigureHTTP2, HTTP/1.1": {configured: true},
		"ConfigureHTTP2":           {h2: true, configured: true},
		"Server, HTTP/1.1":         {whole: true},
		"Server, HTTP/2":           {h2: true, whole: true},
		"Server, HTTP/3":           {whole: true, quic: true},
	} {
		t.Run(name, func(t *testing.T) {
			var settled settledEvents
			l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add, Decide: atHello, DecideRequest: byPath(t)}
			udp := servertest.UDP(t)
			if c.whole {
				stop := serve(t, &server.Server{Handler: http.HandlerFunc(decisions), UDP: []*net.UDPConn{udp}}, l, time.Second)
				defer func() { assert.NoError(t, stop()) }()
			} else {
				srv := &http.Server{Handler: server.Wrap(http.HandlerFunc(decisions)), ConnContext: server.ConnContext}
				if c.configured {
					require.NoError(t, server.ConfigureHTTP2(srv))
				}
				cert, key := servertest.Certificate(t)
				done := make(chan error, 1)
				go func() { done <- srv.ServeTLS(l, cert, key) }()
				defer func() {
					srv.Close()
					assert.ErrorIs(t, <-done, http.ErrServerClosed)
				}()
			}
			client, url := servertest.HTTPClient(c.h2), "https://"+l.Addr().String()
			if c.quic {
				transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
				defer transport.Close()
				client, url = &http.Client{Transport: transport}, "https://"+udp.LocalAddr().String()
			}
			defer client.CloseIdleConnections()
			assert.Equal(t, "a do-a seen,tag-a", request(t, client, url+"/a", "agent/1"))
			e := settled.wait(t, 1)[0]
			assert.Equal(t, event.SettledRequest, e.Settled)
			assert.Equal(t, []any{"a", "do-a", []string{"seen", "tag-a"}, "agent/1"}, []any{e.Rule, e.Action, e.Tags, e.UserAgent})

			assert.Equal(t, "hello pass seen", request(t, client, url+"/", "agent/1"))
			assert.Equal(t, "b do-b seen,tag-b", request(t, client, url+"/b", "agent/1"))
			assert.Equal(t, "c do-c seen,tag-c,agents-differ", request(t, client, url+"/c", "agent/2"))
			assert.Equal(t, "hello pass seen,agents-differ", request(t, client, url+"/", "agent/2"))
			assert.Equal(t, "c do-c seen,tag-c,agents-differ", request(t, client, url+"/c", "agent/2"))
			require.Len(t, settled.all(), 1)
			assert.Equal(t, e, settled.all()[0])
		})
	}
}

// TestFirstOnTheWireIsInTheEvent: of many requests over HTTP/2 at once, the settled Event
// has the Decision about the one that was sent first, whichever handler runs first.
func TestFirstOnTheWireIsInTheEvent(t *testing.T) {
	const streams, conns = 40, 20
	var settled settledEvents
	l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add, DecideRequest: func(_ server.Client, r *http.Request) server.Decision {
		return server.Decision{Rule: r.URL.Path}
	}}
	stop := serve(t, &server.Server{Handler: http.HandlerFunc(decisions)}, l, time.Second)
	var blocks [][]byte
	for i := range streams {
		blocks = append(blocks, headerBlock(":method", "GET", ":scheme", "https", ":authority", "x", ":path", fmt.Sprint("/", i), "user-agent", "same/1"))
	}
	for range conns {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		require.NoError(t, err)
		_, err = conn.Write(http2Bytes(t, headerFrames(blocks...)))
		require.NoError(t, err)
		defer conn.Close()
	}
	for _, e := range settled.wait(t, conns) {
		assert.Equal(t, "/0", e.Rule)
		assert.Equal(t, event.SettledRequest, e.Settled)
	}
	require.NoError(t, stop())
	assert.Len(t, settled.all(), conns)
}

// TestOverHTTP3OneDecisionIsInTheEvent: of many requests at once over HTTP/3, User-Agent
// and rule of the settled Event are of the same request.
func TestOverHTTP3OneDecisionIsInTheEvent(t *testing.T) {
	var settled settledEvents
	udp := servertest.UDP(t)
	l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add, DecideRequest: func(_ server.Client, r *http.Request) server.Decision {
		return server.Decision{Rule: r.UserAgent()}
	}}
	stop := serve(t, &server.Server{Handler: http.HandlerFunc(decisions), UDP: []*net.UDPConn{udp}}, l, time.Second)
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.Close()
	client := &http.Client{Transport: transport}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			agent := fmt.Sprint("agent/", i)
			assert.Contains(t, request(t, client, "https://"+udp.LocalAddr().String(), agent), agent+" pass")
		})
	}
	all.Wait()
	e := settled.wait(t, 1)[0]
	assert.NotEmpty(t, e.Rule)
	assert.Equal(t, e.UserAgent, e.Rule)
	require.NoError(t, stop())
}

// TestRequestThatNobodyJudges: a first request that no handler of Wrap gets settles its
// connection when that ends, with what it says and with the Decision about the hello.
func TestRequestThatNobodyJudges(t *testing.T) {
	for name, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			var settled settledEvents
			l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add, Decide: atHello,
				DecideRequest: func(server.Client, *http.Request) server.Decision { panic("asked") }}
			srv := &http.Server{Handler: http.HandlerFunc(decisions), ConnContext: server.ConnContext}
			require.NoError(t, server.ConfigureHTTP2(srv))
			cert, key := servertest.Certificate(t)
			go srv.ServeTLS(l, cert, key)
			defer srv.Close()
			client := servertest.HTTPClient(h2)
			assert.Equal(t, "hello pass seen", request(t, client, "https://"+l.Addr().String(), "agent/1"))
			assert.Equal(t, "hello pass seen,agents-differ", request(t, client, "https://"+l.Addr().String(), "agent/2"))
			assert.Empty(t, settled.all())
			client.CloseIdleConnections()
			e := settled.wait(t, 1)[0]
			assert.Equal(t, event.SettledRequest, e.Settled)
			assert.Equal(t, []string{"hello", "agent/1"}, []string{e.Rule, e.UserAgent})
			assert.NotNil(t, e.Claim)
			assert.NotNil(t, e.Handshake)
		})
	}
}

// TestJudgeAsksOnce: whoever asks first decides, and Judge returns that to all below.
func TestJudgeAsksOnce(t *testing.T) {
	asked := make(chan string, 10)
	decide := func(name string) func(server.Client, *http.Request) server.Decision {
		return func(server.Client, *http.Request) server.Decision {
			asked <- name
			return server.Decision{Rule: name, Retry: time.Second}
		}
	}
	for _, hook := range []bool{false, true} {
		var settled settledEvents
		l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
		want := "outer"
		if hook {
			l.DecideRequest, want = decide("hook"), "hook"
		}
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r, d := server.Judge(r, decide("outer"))
			assert.Equal(t, server.Decision{Rule: want, Retry: time.Second}, d)
			again, d := server.Judge(r, decide("inner"))
			assert.Same(t, r, again)
			assert.Equal(t, want, d.Rule)
			decisions(w, r)
		})
		srv := &http.Server{Handler: h, ConnContext: server.ConnContext}
		if hook {
			srv.Handler = server.Wrap(h)
		}
		cert, key := servertest.Certificate(t)
		go srv.ServeTLS(l, cert, key)
		client := servertest.HTTPClient(true)
		assert.Equal(t, want+" pass ", request(t, client, "https://"+l.Addr().String(), "agent/1"))
		assert.Equal(t, want, settled.wait(t, 1)[0].Rule)
		client.CloseIdleConnections()
		srv.Close()
		assert.Equal(t, want, <-asked)
		assert.Empty(t, asked)
	}

	// Without a connection of a Listener there is nobody to judge.
	r, err := http.NewRequest("GET", "/", nil)
	require.NoError(t, err)
	same, d := server.Judge(r, decide("nobody"))
	assert.Same(t, r, same)
	assert.Equal(t, server.Decision{}, d)
	assert.Empty(t, asked)
}

// TestOneDecisionForBothHellos: with Once, Decide is asked once, and both Events have
// what it said. Otherwise the rule of the second takes the place of the first's, its tags
// are added, and a Decision that says nothing changes nothing.
func TestOneDecisionForBothHellos(t *testing.T) {
	for _, over := range []string{"tcp", "quic"} {
		for name, c := range map[string]struct {
			said []server.Decision
			rule string
			tags []string
		}{
			"once":    {[]server.Decision{{Rule: "a", Tags: []string{"x"}, Once: true}}, "a", []string{"x"}},
			"twice":   {[]server.Decision{{Rule: "a", Tags: []string{"x"}}, {Rule: "b", Tags: []string{"x", "y"}}}, "b", []string{"x", "y"}},
			"nothing": {[]server.Decision{{Rule: "a", Tags: []string{"x"}}, {}}, "a", []string{"x"}},
		} {
			t.Run(over+" "+name, func(t *testing.T) {
				var settled settledEvents
				udp := servertest.UDP(t)
				var mu sync.Mutex
				asked := 0
				l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add, Decide: func(server.Client) server.Decision {
					mu.Lock()
					defer mu.Unlock()
					asked++
					if asked > len(c.said) {
						return server.Decision{Rule: "asked too often"}
					}
					return c.said[asked-1]
				}}
				config := servertest.Config(t)
				config.CurvePreferences = []tls.CurveID{tls.CurveP521}
				stop := serve(t, &server.Server{TLSConfig: config, Handler: http.HandlerFunc(verdicts), UDP: []*net.UDPConn{udp}}, l, time.Second)
				client, url := servertest.HTTPClient(true), "https://"+l.Addr().String()
				if over == "quic" {
					transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
					defer transport.Close()
					client, url = &http.Client{Transport: transport}, "https://"+udp.LocalAddr().String()
				}
				request(t, client, url, "agent/1")
				client.CloseIdleConnections()
				for i, e := range settled.wait(t, 2) {
					assert.Equal(t, i+1, e.HelloIndex)
					assert.Equal(t, c.rule, e.Rule)
					assert.Equal(t, c.tags, e.Tags)
				}
				require.NoError(t, stop())
				assert.Equal(t, len(c.said), asked)
			})
		}
	}
}

// TestFirstLineIsDecidedAbout: a client of the line protocol is judged once, with nil for
// the request, also if its line has no end or is long, and may be closed. The Event has the
// Decision.
func TestFirstLineIsDecidedAbout(t *testing.T) {
	for name, c := range map[string]struct {
		sent    string
		end     bool
		settled event.Settled
	}{
		"a line":      {"x\n", false, event.SettledLine},
		"two":         {"x\nfull\n", false, event.SettledLine},
		"no newline":  {"x", true, event.SettledEnd},
		"long":        {strings.Repeat("x", 10_000) + "\n", false, event.SettledLine},
		"long, ended": {strings.Repeat("x", 10_000), true, event.SettledEnd},
	} {
		for _, refuse := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", refused ", refuse), func(t *testing.T) {
				var settled settledEvents
				asked := make(chan *http.Request, 10)
				l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add, Decide: atHello, DecideRequest: func(c server.Client, r *http.Request) server.Decision {
					asked <- r
					e, ok := c.Event(event.Compact)
					assert.True(t, ok)
					assert.Equal(t, "hello", e.Rule)
					return server.Decision{Rule: "line", Close: refuse}
				}}
				stop := serve(t, &server.Server{}, l, time.Second)
				conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
				require.NoError(t, err)
				defer conn.Close()
				_, err = io.WriteString(conn, c.sent)
				require.NoError(t, err)
				if c.end {
					require.NoError(t, conn.CloseWrite())
				}
				e := settled.wait(t, 1)[0]
				assert.Equal(t, []any{c.settled, "line"}, []any{e.Settled, e.Rule})
				if refuse {
					answer, _ := io.ReadAll(conn) // until the server closes
					assert.Empty(t, answer)
				} else {
					one := make([]byte, 1)
					_, err := io.ReadFull(conn, one)
					require.NoError(t, err)
					assert.Equal(t, "{", string(one))
				}
				conn.Close()
				require.NoError(t, stop())
				assert.Nil(t, <-asked)
				assert.Empty(t, asked)
				require.Len(t, settled.all(), 1)
			})
		}
	}
}
