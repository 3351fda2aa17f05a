package server_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// dial returns a client of l.
func dial(t testing.TB, l *server.Listener) (client net.Conn) {
	t.Helper()
	client, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

func accept(t testing.TB, l *server.Listener) *server.Conn {
	t.Helper()
	c, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c.(*server.Conn)
}

func assertCounts(t *testing.T, l *server.Listener, open, halfOpen int) {
	t.Helper()
	o, h := l.Conns()
	assert.Equal(t, [2]int{open, halfOpen}, [2]int{o, h}, "open and half-open connections")
}

func TestMaxConnsAndMaxPerAddr(t *testing.T) {
	for _, why := range []server.DropReason{server.DropConns, server.DropAddr} {
		var dropped []server.DropReason
		limits := &server.Limits{Dropped: func(why server.DropReason) { dropped = append(dropped, why) }}
		if why == server.DropConns {
			limits.MaxConns = 2
		} else {
			limits.MaxPerAddr = 2
		}
		l := &server.Listener{Listener: servertest.Listen(t), Limits: limits}
		dial(t, l)
		dial(t, l)
		first := accept(t, l)
		accept(t, l)
		assertCounts(t, l, 2, 2)

		over := dial(t, l)
		accepted := make(chan *server.Conn)
		go func() { accepted <- accept(t, l) }()
		_, err := over.Read(make([]byte, 1))
		require.Error(t, err, "closed")
		require.NoError(t, first.Close())
		require.ErrorIs(t, first.Close(), net.ErrClosed) // which does not count twice
		assertCounts(t, l, 1, 1)
		dial(t, l)
		<-accepted
		assertCounts(t, l, 2, 2)
		assert.Equal(t, []server.DropReason{why}, dropped)
	}
}

func TestMaxHalfOpenClosesTheOldest(t *testing.T) {
	l := &server.Listener{Listener: servertest.Listen(t), Limits: &server.Limits{MaxHalfOpen: 2}}
	done := dial(t, l)
	go tls.Client(done, &tls.Config{InsecureSkipVerify: true}).Handshake()
	finished := accept(t, l)
	require.NoError(t, tls.Server(finished, servertest.Config(t)).Handshake())
	assertCounts(t, l, 1, 0)

	var clients []net.Conn
	var conns []*server.Conn
	for range 3 {
		clients = append(clients, dial(t, l))
		conns = append(conns, accept(t, l))
	}
	_, err := clients[0].Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	_, err = conns[0].Read(make([]byte, 1))
	require.ErrorIs(t, err, net.ErrClosed)
	assertCounts(t, l, 4, 2)
	for i, c := range conns {
		require.Equal(t, i == 0, c.Close() != nil, "only the first is closed already")
	}
	require.NoError(t, finished.Close())
	assertCounts(t, l, 0, 0)
}

func TestHelloOverLimit(t *testing.T) {
	h := hellotest.Real(t)["chromium-156"]
	for want, l := range map[string]*server.Listener{
		"hello over limit of 1500 bytes": {MaxHello: 1500},
		"hello over limit of 9 records":  {MaxRecords: 9},
	} {
		for _, n := range []int{100, len(h.Raw)} {
			if l.MaxRecords > 0 && n > 100 {
				continue
			}
			stream := records(h.Raw, n, 0x0301)
			var got string
			l.Observe = func(o *event.Observation) {
				e := new(event.Observer).Event(o, event.Compact)
				got = e.Error
				assert.NotEmpty(t, e.Received)
				assert.Empty(t, e.JA4())
			}
			s := &script{stream: stream, chunk: 1000}
			l.Listener = one{s}
			conn, err := l.Accept()
			require.NoError(t, err)
			all, err := io.ReadAll(conn)
			require.NoError(t, err)
			assert.Equal(t, stream, all, "it is handed on all the same")
			assert.Equal(t, want, got)
			_, err = conn.(*server.Conn).ClientHello()
			assert.ErrorIs(t, err, server.ErrOverLimit)
		}
	}
}

func TestDecide(t *testing.T) {
	config := servertest.Config(t)
	for _, c := range []struct {
		name     string
		decision server.Decision
		err      string
		proto    string
	}{
		{"pass", server.Decision{}, "<nil>", "base"},
		{"config", server.Decision{Config: &tls.Config{Certificates: config.Certificates, NextProtos: []string{"decided"}}}, "<nil>", "decided"},
		{"close", server.Decision{Close: true}, "refused for its ClientHello", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &server.Listener{Decide: func(client server.Client) server.Decision {
				e, ok := client.Event(event.Compact)
				if assert.True(t, ok) && assert.NotNil(t, e.SNI) {
					assert.Equal(t, "decide.example", *e.SNI)
				}
				assert.NotNil(t, client.RemoteAddr())
				return c.decision
			}}
			conn, client := pipe(t, l)
			var read bytes.Buffer
			done := make(chan struct{})
			go func() {
				defer close(done)
				tc := tls.Client(client, &tls.Config{InsecureSkipVerify: true, ServerName: "decide.example", NextProtos: []string{"decided", "base"}})
				if tc.Handshake() == nil {
					assert.Equal(t, c.proto, tc.ConnectionState().NegotiatedProtocol)
				}
			}()
			base := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				return &tls.Config{Certificates: config.Certificates, NextProtos: []string{"base"}}, nil
			}}
			err := tls.Server(conn, server.ConfigForDecisions(base)).Handshake()
			assert.Equal(t, c.err, fmt.Sprint(err))
			require.NoError(t, conn.Close())
			<-done
			assert.Zero(t, read.Len())
		})
	}
}

func TestDecideWithoutHello(t *testing.T) {
	var told []string
	l := &server.Listener{Decide: func(c server.Client) server.Decision {
		o, ok := c.Observation()
		assert.True(t, ok)
		assert.Nil(t, o.Hello)
		told = append(told, string(o.Received))
		return server.Decision{Close: true}
	}}
	for _, sent := range []string{"GET / HTTP/1.1\r\n", "", "\x16\x03\x01"} {
		l.Listener = one{&script{stream: []byte(sent), chunk: 100}}
		conn, err := l.Accept()
		require.NoError(t, err)
		_, err = io.ReadAll(conn)
		assert.Equal(t, sent != "" && sent[0] == 'G', err != nil, sent)
	}
	assert.Equal(t, []string{"GET / HTTP/1.1\r\n", "", "\x16\x03\x01"}, told)
}

func TestConfigForDecisionsWithoutListener(t *testing.T) {
	config, err := server.ConfigForDecisions(&tls.Config{}).GetConfigForClient(&tls.ClientHelloInfo{})
	assert.NoError(t, err)
	assert.Nil(t, config)
}

func TestProxyProtocol(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	hello := record(22, 0x0301, hellotest.Real(t)["curl-openssl-3.0"].Raw)
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\xcb\x00\x71\x09\x30\x39\x01\xbb"
	for _, c := range []struct {
		name, header, src string
		trusted           []netip.Prefix
	}{
		{"version 1", "PROXY TCP4 198.51.100.7 203.0.113.9 12345 443\r\n", "198.51.100.7:12345", loopback},
		{"version 1, IPv6", "PROXY TCP6 2001:db8::7 2001:db8::9 12345 443\r\n", "[2001:db8::7]:12345", loopback},
		{"version 2", v2, "198.51.100.7:12345", loopback},
		{"none", "", "", loopback},
		{"untrusted", "", "", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
		{"untrusted header", "PROXY TCP4 198.51.100.7 203.0.113.9 12345 443\r\n", "", nil},
		{"header of another", "PROXY TCP4 198.51.100.7 203.0.113.9 12345 443\r\n", "", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got event.Observation
			l := &server.Listener{TrustedProxies: c.trusted, Observe: func(o *event.Observation) { got = *o }}
			conn, client := pipe(t, l)
			_, err := client.Write(append([]byte(c.header), hello...))
			require.NoError(t, err)
			if c.src == "" {
				c.src = client.LocalAddr().String()
			}
			_, err = conn.ClientHello()
			if c.header != "" && !slices.Equal(c.trusted, loopback) {
				assert.ErrorIs(t, err, parser.ErrNotTLS)
			} else {
				require.NoError(t, err)
			}
			assert.Equal(t, c.src, got.Src.String())
			assert.Equal(t, c.src, conn.RemoteAddr().String())
			_, err = conn.SyscallConn()
			assert.NoError(t, err)
			assert.NoError(t, conn.CloseWrite())
		})
	}
}

func TestMaxPerAddrBehindProxy(t *testing.T) {
	l := &server.Listener{Listener: servertest.Listen(t), Limits: &server.Limits{MaxPerAddr: 1}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	hello := record(22, 0x0301, hellotest.Real(t)["curl-openssl-3.0"].Raw)
	for _, c := range []struct{ addr, err string }{
		{"2001:db8::1", ""}, {"2001:db8::2", "refused: too many connections from its address"}, {"2001:db8:0:1::1", ""},
	} {
		client := dial(t, l)
		_, err := client.Write(append([]byte("PROXY TCP6 "+c.addr+" ::1 1 2\r\n"), hello...))
		require.NoError(t, err)
		_, err = accept(t, l).Read(make([]byte, 10))
		if c.err != "" {
			assert.EqualError(t, err, c.err)
		} else {
			assert.NoError(t, err)
		}
	}
}
