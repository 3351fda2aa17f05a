package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestSettledByUnusualRequests: what upgrades a connection, opens a tunnel or is no
// request of HTTP settles once, too.
func TestSettledByUnusualRequests(t *testing.T) {
	for name, c := range map[string]struct {
		sent    string
		settled event.Settled
		agent   string
	}{
		"WebSocket": {"GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nUser-Agent: socket/1\r\n\r\n", event.SettledRequest, "socket/1"},
		"CONNECT":             {"CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\nUser-Agent: tunnel/1\r\n\r\n", event.SettledRequest, "tunnel/1"},
		"OPTIONS *":           {"OPTIONS * HTTP/1.1\r\nHost: x\r\nUser-Agent: all/1\r\n\r\n", event.SettledRequest, "all/1"},
		"two User-Agents":     {"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: first/1\r\nUser-Agent: second/1\r\n\r\n", event.SettledRequest, "first/1"},
		"no User-Agent":       {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", event.SettledRequest, ""},
		"two in one segment":  {"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: a/1\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nUser-Agent: b/1\r\n\r\n", event.SettledRequest, "a/1"},
		"malformed":           {"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent : bad/1\r\n\r\n", event.SettledEnd, ""},
		"header that is long": {"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: long/1\r\nX: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", event.SettledEnd, ""},
		"header without end":  {"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: part/1\r\n", event.SettledEnd, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var settled settledEvents
			l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
			stop := serve(t, &server.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Upgrade") == "" {
					w.WriteHeader(http.StatusNoContent)
					return
				}
				conn, _, err := http.NewResponseController(w).Hijack()
				if assert.NoError(t, err) {
					io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
					conn.Close()
				}
			})}, l, time.Second)
			conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
			require.NoError(t, err)
			go io.WriteString(conn, c.sent)
			if c.settled == event.SettledRequest {
				_, err = bufio.NewReader(conn).ReadString('\n')
				require.NoError(t, err)
			} else {
				conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
				io.Copy(io.Discard, conn)
			}
			conn.Close()
			require.NoError(t, stop())
			require.NoError(t, l.SettleAll(t.Context()))
			events := settled.all()
			require.Len(t, events, 1)
			assert.Equal(t, c.settled, events[0].Settled)
			assert.Equal(t, c.agent, events[0].UserAgent)
			assert.NotNil(t, events[0].Handshake)
		})
	}
}

// TestGeneralOptions: "OPTIONS *" is answered as by net/http, also with a body, and not
// by the handler.
func TestGeneralOptions(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { assert.NotEqual(t, "*", r.RequestURI) })
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
	ask := func(addr, request string) (answer string) {
		conn, err := tls.Dial("tcp", addr, config)
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, request)
		require.NoError(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return fmt.Sprint(resp.Status, resp.ContentLength, resp.Close, string(body))
	}
	oracle := &http.Server{Handler: handler, TLSConfig: servertest.Config(t)}
	plain := servertest.Listen(t)
	go oracle.ServeTLS(plain, "", "")
	defer oracle.Close()
	l := &server.Listener{Listener: servertest.Listen(t)}
	stop := serve(t, &server.Server{Handler: handler}, l, time.Second)
	for _, request := range []string{
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
		"OPTIONS * HTTP/1.0\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + strings.Repeat("x", 5000),
		"OPTIONS / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		assert.Equal(t, ask(plain.Addr().String(), request), ask(l.Addr().String(), request), "%.40q", request)
	}
	require.NoError(t, stop())
}

// TestLineSettlesAtItsEnd: a line that comes in parts settles the Event when it is
// whole, however long it is, and the end of the connection does if it never is.
func TestLineSettlesAtItsEnd(t *testing.T) {
	serverConfig := servertest.Config(t)
	for _, first := range []string{"hel", "h", strings.Repeat("x", 10_000)} {
		for _, ends := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				var settled settledEvents
				pipes := servertest.NewPipes()
				l := &server.Listener{Listener: pipes, Settled: settled.add}
				stop := serve(t, &server.Server{TLSConfig: serverConfig}, l, time.Second)
				conn := tls.Client(pipes.Dial(), &tls.Config{InsecureSkipVerify: true})
				require.NoError(t, conn.Handshake())
				go io.Copy(io.Discard, conn)
				_, err := io.WriteString(conn, first)
				require.NoError(t, err)
				synctest.Wait()
				assert.Empty(t, settled.all())
				want := event.SettledEnd
				if ends {
					want = event.SettledLine
					_, err = io.WriteString(conn, "lo\n")
					require.NoError(t, err)
					synctest.Wait()
					assert.Len(t, settled.all(), 1)
				}
				conn.Close()
				require.NoError(t, stop())
				require.NoError(t, l.SettleAll(t.Context()))
				events := settled.all()
				require.Len(t, events, 1)
				assert.Equal(t, want, events[0].Settled)
				assert.NotNil(t, events[0].Handshake)
			})
		}
	}
}

// TestLaterRequestsOverQUIC: all requests on a connection have the Event of its hello.
func TestLaterRequestsOverQUIC(t *testing.T) {
	udp := servertest.UDP(t)
	l := &server.Listener{Listener: servertest.Listen(t)}
	stop := serve(t, &server.Server{UDP: []*net.UDPConn{udp}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, _ := server.EventOf(r, event.Full)
		fmt.Fprint(w, e.ID, e.JA4(), e.JA3(), e.SupportedGroups)
	})}, l, time.Second)
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	client := &http.Client{Transport: transport}
	first := request(t, client, "https://"+udp.LocalAddr().String(), "a")
	assert.Contains(t, first, "q13")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { assert.Equal(t, first, request(t, client, "https://"+udp.LocalAddr().String(), "a")) })
	}
	all.Wait()
	require.NoError(t, transport.Close())
	require.NoError(t, stop())
}

// TestResumedConnections: a hello that resumes a session has its lists as any other,
// and the Event says so.
func TestResumedConnections(t *testing.T) {
	var settled settledEvents
	l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
	stop := serve(t, &server.Server{Handler: http.HandlerFunc(verdicts)}, l, time.Second)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1)}}}
	for range 2 {
		request(t, client, "https://"+l.Addr().String(), "a")
		client.CloseIdleConnections()
	}
	require.NoError(t, stop())
	events := settled.wait(t, 2)
	for i, e := range events {
		require.NotNil(t, e.Handshake)
		assert.Equal(t, i == 1, e.Handshake.Resumed)
		assert.Equal(t, []string{"fresh", "psk"}[i], e.Session)
		assert.Equal(t, events[0].SupportedGroups, e.SupportedGroups)
		assert.Equal(t, events[0].Fingerprint("stable"), e.Fingerprint("stable"))
	}
}
