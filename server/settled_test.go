package server_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/server"
)

const chromeUA = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36"

// A settledEvents has what Settled was called with.
type settledEvents struct {
	mu     sync.Mutex
	events []event.Event
}

func (s *settledEvents) add(o *event.Observation, e *event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, *e)
}

func (s *settledEvents) all() []event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]event.Event(nil), s.events...)
}

// wait returns the Events once there are n.
func (s *settledEvents) wait(t *testing.T, n int) []event.Event {
	t.Helper()
	require.Eventually(t, func() bool { return len(s.all()) >= n }, 20*time.Second, time.Millisecond)
	return s.all()
}

// request sends a request with a User-Agent.
func request(t *testing.T, client *http.Client, url, agent string) string {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	require.NoError(t, err)
	r.Header.Set("User-Agent", agent)
	res, err := client.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

// verdicts answers with the claim of the request.
func verdicts(w http.ResponseWriter, r *http.Request) {
	e, _ := server.EventOf(r, event.Compact)
	if e.Claim == nil {
		fmt.Fprint(w, "no claim")
		return
	}
	fmt.Fprintf(w, "%v%v", e.Claim.Verdict, e.Tags)
}

// TestSettledByTheFirstRequest: a server of two lines that asks for the Event gets
// one with all that the request says, over HTTP/1.1 and HTTP/2, and so does the
// hook, once. It is the same Event for the later requests.
func TestSettledByTheFirstRequest(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprint("http2 ", h2), func(t *testing.T) {
			var settled settledEvents
			l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
			var mu sync.Mutex
			var asked []event.Event
			srv := &http.Server{TLSConfig: servertest.Config(t), ConnContext: server.ConnContext,
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					e, ok := server.EventOf(r, event.Full)
					assert.True(t, ok)
					mu.Lock()
					asked = append(asked, e)
					mu.Unlock()
					compact, _ := server.EventOf(r, event.Compact)
					assert.Equal(t, e.Compact(), compact)
				})}
			if h2 {
				require.NoError(t, server.ConfigureHTTP2(srv))
			}
			go srv.ServeTLS(l, "", "")
			defer srv.Close()
			client := servertest.HTTPClient(h2)
			for range 3 {
				request(t, client, "https://"+l.Addr().String(), chromeUA)
			}
			client.CloseIdleConnections()
			require.NoError(t, srv.Shutdown(t.Context()))
			require.NoError(t, l.SettleAll(t.Context()))
			events := settled.all()
			require.Len(t, events, 1)
			e := events[0]
			assert.Equal(t, event.SettledRequest, e.Settled)
			assert.Equal(t, chromeUA, e.UserAgent)
			if assert.NotNil(t, e.Claim) {
				assert.Equal(t, known.VerdictInconsistent, e.Claim.Verdict, "Go is not Chrome")
			}
			if assert.NotNil(t, e.Handshake) {
				assert.Equal(t, "1.3", e.Handshake.Version)
				assert.NotEmpty(t, e.Handshake.CipherSuite)
				assert.NotEmpty(t, e.Handshake.Group)
				assert.Equal(t, map[bool]string{false: "", true: "h2"}[h2], e.Handshake.ALPN)
			}
			assert.Equal(t, h2, e.Fingerprint("http2") != "")
			assert.NotZero(t, e.ID)
			assert.NotZero(t, e.Conn)
			require.Len(t, asked, 3)
			for _, a := range asked {
				assert.Equal(t, e, a)
			}
		})
	}
}

// TestSettledByTheFirstRequestOnTheWire: of many streams at once, the Event has the
// first one's User-Agent.
func TestSettledByTheFirstRequestOnTheWire(t *testing.T) {
	var settled settledEvents
	l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
	stop := serve(t, &server.Server{Handler: http.HandlerFunc(verdicts)}, l, time.Second)
	for n := range 10 {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		require.NoError(t, err)
		var out, block bytes.Buffer
		out.WriteString(http2.ClientPreface)
		f := http2.NewFramer(&out, nil)
		require.NoError(t, f.WriteSettings())
		enc := hpack.NewEncoder(&block)
		for i := range 50 {
			block.Reset()
			for _, h := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "x"}, {":path", "/"}, {"user-agent", fmt.Sprintf("agent/%d.%d", n, i)}} {
				require.NoError(t, enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}))
			}
			require.NoError(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}))
		}
		_, err = conn.Write(out.Bytes())
		require.NoError(t, err)
		events := settled.wait(t, n+1)
		assert.Equal(t, fmt.Sprintf("agent/%d.0", n), events[n].UserAgent)
		conn.Close()
	}
	require.NoError(t, stop())
	require.NoError(t, l.SettleAll(t.Context()))
	assert.Len(t, settled.all(), 10)
}

// TestAgentsOfAConnection: each request is judged by its own User-Agent, and those
// that differ from the first are marked. A proxy's connection is for several clients.
func TestAgentsOfAConnection(t *testing.T) {
	for _, shared := range []bool{false, true} {
		var settled settledEvents
		l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
		if shared {
			l.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		}
		stop := serve(t, &server.Server{Handler: http.HandlerFunc(verdicts)}, l, time.Second)
		client := servertest.HTTPClient(true)
		url := "https://" + l.Addr().String()
		differ := map[bool]string{false: "[agents-differ]", true: "[]"}[shared]
		for range 20 {
			assert.Equal(t, "consistent[]", request(t, client, url, "Go-http-client/2.0"))
			assert.Equal(t, "inconsistent"+differ, request(t, client, url, chromeUA))
			assert.Equal(t, "unknown"+differ, request(t, client, url, "curious/1"))
			assert.Equal(t, "unknown"+differ, request(t, client, url, "curl/8.0"))
			assert.Equal(t, "inconsistent"+differ, request(t, client, url, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"))
		}
		require.NoError(t, stop())
		events := settled.wait(t, 1)
		assert.Len(t, events, 1)
		assert.Equal(t, "Go-http-client/2.0", events[0].UserAgent)
		assert.Equal(t, shared, events[0].Shared)
		assert.Empty(t, events[0].Tags)
	}
}

// TestSettledWithoutRequest: connections of all kinds without a request are settled
// when they end, with the outcome of their handshake.
func TestSettledWithoutRequest(t *testing.T) {
	var settled settledEvents
	l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
	stop := serve(t, &server.Server{}, l, time.Second)
	addr := l.Addr().String()
	insecure := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}
	for name, c := range map[string]struct {
		run  func(t *testing.T, conn net.Conn)
		want func(t *testing.T, e event.Event)
	}{
		"preconnect": {
			func(t *testing.T, conn net.Conn) { require.NoError(t, tls.Client(conn, insecure).Handshake()) },
			func(t *testing.T, e event.Event) {
				require.NotNil(t, e.Handshake)
				assert.Equal(t, "h2", e.Handshake.ALPN)
				assert.Empty(t, e.Handshake.Error)
			},
		},
		"certificate refused": {
			func(t *testing.T, conn net.Conn) {
				require.Error(t, tls.Client(conn, &tls.Config{ServerName: "localhost"}).Handshake())
			},
			func(t *testing.T, e event.Event) {
				require.NotNil(t, e.Handshake)
				assert.Equal(t, "remote error: tls: bad certificate", e.Handshake.Error)
				assert.NotEmpty(t, e.JA4())
			},
		},
		"port scan": {
			func(t *testing.T, conn net.Conn) {},
			func(t *testing.T, e event.Event) {
				assert.Contains(t, e.Error, "no ClientHello")
				assert.Empty(t, e.Received)
			},
		},
		"plain HTTP": {
			func(t *testing.T, conn net.Conn) {
				_, err := io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n")
				require.NoError(t, err)
				_, err = io.ReadAll(conn)
				require.NoError(t, err)
			},
			func(t *testing.T, e event.Event) { assert.Equal(t, "474554202f20485454502f312e310d0a0d0a", e.Received) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(settled.all())
			conn, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			c.run(t, conn)
			conn.Close()
			events := settled.wait(t, before+1)
			require.Len(t, events, before+1)
			e := events[before]
			assert.Equal(t, event.SettledEnd, e.Settled)
			assert.Empty(t, e.UserAgent)
			assert.Nil(t, e.Claim)
			if e.Handshake != nil {
				assert.NotContains(t, e.Handshake.Error, "127.0.0.1")
			}
			c.want(t, e)
		})
	}
	require.NoError(t, stop())
}

// TestSettledByALine: a client of the line protocol has no request.
func TestSettledByALine(t *testing.T) {
	var settled settledEvents
	l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
	stop := serve(t, &server.Server{}, l, time.Second)
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	_, err = io.WriteString(conn, "hello\n")
	require.NoError(t, err)
	events := settled.wait(t, 1)
	assert.Equal(t, event.SettledLine, events[0].Settled)
	assert.NotNil(t, events[0].Handshake)
	conn.Close()
	require.NoError(t, stop())
	require.NoError(t, l.SettleAll(t.Context()))
	assert.Len(t, settled.all(), 1)
}

// TestTwoHellosSettleTogether: both hellos of a connection are handed on one after
// the other, and share what is known of the connection.
func TestTwoHellosSettleTogether(t *testing.T) {
	var settled settledEvents
	l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
	config := servertest.Config(t)
	config.CurvePreferences = []tls.CurveID{tls.CurveP521}
	stop := serve(t, &server.Server{TLSConfig: config, Handler: http.HandlerFunc(verdicts)}, l, time.Second)
	client := servertest.HTTPClient(true)
	assert.Equal(t, "inconsistent[]", request(t, client, "https://"+l.Addr().String(), chromeUA))
	events := settled.wait(t, 2)
	require.Len(t, events, 2)
	assert.Equal(t, 1, events[0].HelloIndex)
	assert.Equal(t, 2, events[1].HelloIndex)
	assert.Equal(t, events[0].Conn, events[1].Conn)
	assert.NotEqual(t, events[0].ID, events[1].ID)
	for _, e := range events {
		assert.Equal(t, chromeUA, e.UserAgent)
		assert.NotEmpty(t, e.Fingerprint("http2"))
		assert.NotNil(t, e.Claim)
		require.NotNil(t, e.Handshake)
		assert.True(t, e.Handshake.HelloRetryRequest)
		assert.Equal(t, "secp521r1", e.Handshake.Group)
	}
	client.CloseIdleConnections()
	require.NoError(t, stop())
}

// TestSecondHelloComesLate: the first hello was settled for want of room before the
// second came.
func TestSecondHelloComesLate(t *testing.T) {
	var settled settledEvents
	l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add, MaxUnsettled: 1}
	config := servertest.Config(t)
	config.CurvePreferences = []tls.CurveID{tls.CurveP521}
	stop := serve(t, &server.Server{TLSConfig: config, Handler: http.HandlerFunc(verdicts)}, l, time.Second)
	client := servertest.HTTPClient(true)
	assert.Equal(t, "inconsistent[]", request(t, client, "https://"+l.Addr().String(), chromeUA))
	client.CloseIdleConnections()
	require.NoError(t, stop())
	require.NoError(t, l.SettleAll(t.Context()))
	events := settled.all()
	require.Len(t, events, 2)
	for i, e := range events {
		assert.Equal(t, i+1, e.HelloIndex)
		assert.Equal(t, event.SettledFull, e.Settled)
		assert.Equal(t, events[0].Conn, e.Conn)
	}
	assert.Zero(t, l.Lost())
}

// TestEventsAreLostForWantOfRoom: the hook takes too long, and what it does not get is
// counted.
func TestEventsAreLostForWantOfRoom(t *testing.T) {
	release := make(chan struct{})
	var settled settledEvents
	l := &server.Listener{Listener: servertest.Listen(t), MaxUnsettled: 4 << 10, Settled: func(o *event.Observation, e *event.Event) {
		<-release
		settled.add(o, e)
	}}
	stop := serve(t, &server.Server{}, l, time.Second)
	for range 40 {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	}
	require.NoError(t, stop())
	require.Eventually(t, func() bool { return l.Lost() > 10 }, 20*time.Second, time.Millisecond)
	close(release)
	require.NoError(t, l.SettleAll(t.Context()))
	assert.EqualValues(t, 40, int64(len(settled.all()))+l.Lost())
}

// TestSettledByTime: a connection without a request is settled a minute after its
// handshake, a later request changes nothing, and the hook is called once.
func TestSettledByTime(t *testing.T) {
	config := servertest.Config(t)
	synctest.Test(t, func(t *testing.T) {
		var settled settledEvents
		pipes := servertest.NewPipes()
		l := &server.Listener{Listener: pipes, Settled: settled.add}
		stop := serve(t, &server.Server{TLSConfig: config, Handler: http.HandlerFunc(verdicts), ReadHeaderTimeout: -1}, l, time.Second)
		conn := tls.Client(pipes.Dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
		require.NoError(t, conn.Handshake())
		time.Sleep(59 * time.Second)
		synctest.Wait()
		assert.Empty(t, settled.all())
		time.Sleep(2 * time.Second)
		synctest.Wait()
		events := settled.all()
		require.Len(t, events, 1)
		assert.Equal(t, event.SettledTime, events[0].Settled)
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: %s\r\nConnection: close\r\n\r\n", chromeUA)
		answer, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Contains(t, string(answer), "inconsistent[]", "the request is judged all the same")
		conn.Close()
		require.NoError(t, stop())
		require.NoError(t, l.SettleAll(t.Context()))
		assert.Len(t, settled.all(), 1)
		assert.Empty(t, settled.all()[0].UserAgent)
	})
}

// TestSettledForWantOfRoom: what waits has a bound, and the oldest go first.
func TestSettledForWantOfRoom(t *testing.T) {
	var settled settledEvents
	l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add, MaxUnsettled: 10 << 10}
	stop := serve(t, &server.Server{}, l, time.Second)
	var ports []uint16
	for range 20 {
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		require.NoError(t, err)
		defer conn.Close()
		ports = append(ports, conn.LocalAddr().(*net.TCPAddr).AddrPort().Port())
	}
	settled.wait(t, 12)
	require.NoError(t, stop())
	require.NoError(t, l.SettleAll(t.Context()))
	events := settled.all()
	require.Len(t, events, 20)
	var full []uint16
	for _, e := range events {
		if e.Settled == event.SettledFull {
			full = append(full, e.SrcPort)
		}
	}
	assert.GreaterOrEqual(t, len(full), 12)
	assert.Less(t, len(full), 18)
	assert.ElementsMatch(t, ports[:len(full)], full)
}

// TestSettledOverQUIC: connections over QUIC are settled by their request, and
// hellos from which none has come of by time.
func TestSettledOverQUIC(t *testing.T) {
	var settled settledEvents
	l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
	udp := servertest.UDP(t)
	srv := &server.Server{Handler: http.HandlerFunc(verdicts), UDP: []*net.UDPConn{udp}}
	stop := serve(t, srv, l, time.Second)
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "quic.example"}}
	client := &http.Client{Transport: transport}
	for range 2 {
		// The HTTP/3 settings are quic-go's.
		assert.Equal(t, "inconsistent[]", request(t, client, "https://"+udp.LocalAddr().String(), chromeUA))
	}
	events := settled.wait(t, 1)
	require.Len(t, events, 1)
	assert.Equal(t, "quic", events[0].Transport)
	assert.Equal(t, event.SettledRequest, events[0].Settled)
	assert.Equal(t, chromeUA, events[0].UserAgent)
	if assert.NotNil(t, events[0].Handshake) {
		assert.Equal(t, "h3", events[0].Handshake.ALPN)
	}
	require.NoError(t, transport.Close())

	// A connection that ends without a request.
	conn, err := quic.DialAddr(t.Context(), udp.LocalAddr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h3"}}, nil)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return srv.HalfOpenQUIC() == 0 }, 20*time.Second, time.Millisecond)
	require.NoError(t, conn.CloseWithError(0, ""))
	events = settled.wait(t, 2)
	assert.Equal(t, event.SettledEnd, events[1].Settled)
	assert.NotNil(t, events[1].Handshake)

	require.NoError(t, stop())
	require.NoError(t, l.SettleAll(t.Context()))
	assert.Len(t, settled.all(), 2)
}

// TestSettledRawTLS: a server that speaks a protocol of its own has the outcome of the
// handshake in the Event if it has asked ConnOf.
func TestSettledRawTLS(t *testing.T) {
	var settled settledEvents
	l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			over := tls.Server(conn, servertest.Config(t))
			server.ConnOf(over)
			io.Copy(over, over)
			over.Close()
		}
	}()
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	_, err = io.WriteString(conn, "echo")
	require.NoError(t, err)
	_, err = io.ReadFull(conn, make([]byte, 4))
	require.NoError(t, err)
	assert.Empty(t, settled.all())
	require.NoError(t, conn.Close())
	e := settled.wait(t, 1)[0]
	assert.Equal(t, event.SettledEnd, e.Settled)
	require.NotNil(t, e.Handshake)
	assert.Equal(t, "1.3", e.Handshake.Version)
	require.NoError(t, l.SettleAll(t.Context()))
	assert.Len(t, settled.all(), 1)
}
