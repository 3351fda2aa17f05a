package server_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestWaitEndsWithItsClient: a client that leaves, or whose connection the server closes
// or never reads from again, is held back no longer. WaitOver is called once.
func TestWaitEndsWithItsClient(t *testing.T) {
	config := servertest.Config(t)
	for name, c := range map[string]struct {
		refuse bool
		took   time.Duration
		leave  func(client, conn net.Conn)
	}{
		"stays":           {false, 5 * time.Second, func(net.Conn, net.Conn) {}},
		"stays, refused":  {true, 5 * time.Second, func(net.Conn, net.Conn) {}},
		"leaves":          {false, time.Second, func(client, _ net.Conn) { client.Close() }},
		"leaves, refused": {true, time.Second, func(client, _ net.Conn) { client.Close() }},
		"is closed":       {true, time.Second, func(_, conn net.Conn) { conn.Close() }},
		"sends more": {true, 5 * time.Second, func(client, _ net.Conn) {
			client.Write(make([]byte, 100<<10))
		}},
		"passes its deadline": {true, time.Second, func(_, conn net.Conn) { conn.SetReadDeadline(time.Now()) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pipes := servertest.NewPipes()
				var over atomic.Int64
				l := &server.Listener{Listener: pipes, Decide: func(server.Client) server.Decision {
					return server.Decision{Wait: 5 * time.Second, Close: c.refuse, WaitOver: func() { over.Add(1) }}
				}}
				began := time.Now()
				dialed := make(chan net.Conn, 1)
				go func() { dialed <- pipes.Dial() }()
				conn, err := l.Accept()
				require.NoError(t, err)
				client := <-dialed
				go tls.Client(client, &tls.Config{InsecureSkipVerify: true}).Handshake()
				time.AfterFunc(time.Second, func() { c.leave(client, conn) })
				err = tls.Server(conn, config).Handshake()
				assert.Equal(t, c.took, time.Since(began))
				assert.Equal(t, c.refuse || name == "leaves", err != nil, "%v", err)
				if c.refuse && name != "is closed" {
					assert.ErrorIs(t, err, server.ErrRefused)
				}
				assert.EqualValues(t, 1, over.Load())
				conn.Close()
				client.Close()
				synctest.Wait()
				assert.EqualValues(t, 1, over.Load())
			})
		})
	}
}

// TestWaitIsForCryptoTLS: who asks for the hello is not held back. The wait of a connection
// that is closed before anybody reads from it is over.
func TestWaitIsForCryptoTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipes := servertest.NewPipes()
		var over atomic.Int64
		l := &server.Listener{Listener: pipes, Decide: func(server.Client) server.Decision {
			return server.Decision{Wait: 5 * time.Second, WaitOver: func() { over.Add(1) }}
		}}
		began := time.Now()
		go func() { tls.Client(pipes.Dial(), &tls.Config{InsecureSkipVerify: true}).Handshake() }()
		conn, err := l.Accept()
		require.NoError(t, err)
		_, err = conn.(*server.Conn).ClientHello()
		require.NoError(t, err)
		assert.Zero(t, time.Since(began))
		assert.Zero(t, over.Load())
		conn.Close()
		assert.EqualValues(t, 1, over.Load())
		synctest.Wait()
	})
}

// TestWaitDoesNotApply: without a hello, and over QUIC, WaitOver is called at once.
func TestWaitDoesNotApply(t *testing.T) {
	var over atomic.Int64
	decide := func(server.Client) server.Decision {
		return server.Decision{Wait: time.Hour, WaitOver: func() { over.Add(1) }}
	}
	l := &server.Listener{Listener: servertest.Listen(t), Decide: decide}
	udp := servertest.UDP(t)
	stop := serve(t, &server.Server{Handler: http.HandlerFunc(verdicts), UDP: []*net.UDPConn{udp}}, l, time.Second)
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	conn.Close()
	require.Eventually(t, func() bool { return over.Load() == 1 }, 20*time.Second, time.Millisecond)
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.Close()
	request(t, &http.Client{Transport: transport}, "https://"+udp.LocalAddr().String(), "agent/1")
	assert.EqualValues(t, 2, over.Load())
	require.NoError(t, stop())
}

// TestWaitingConnectionsCount: who is held back counts for MaxConns, and is the oldest
// unfinished handshake for MaxHalfOpen.
func TestWaitingConnectionsCount(t *testing.T) {
	config := servertest.Config(t)
	synctest.Test(t, func(t *testing.T) {
		pipes := servertest.NewPipes()
		var over atomic.Int64
		l := &server.Listener{Listener: pipes, Limits: &server.Limits{MaxHalfOpen: 1}, Decide: func(server.Client) server.Decision {
			return server.Decision{Wait: 5 * time.Second, Close: true, WaitOver: func() { over.Add(1) }}
		}}
		ended := make(chan error, 2)
		for range 2 {
			go func() { tls.Client(pipes.Dial(), &tls.Config{InsecureSkipVerify: true}).Handshake() }()
			conn, err := l.Accept()
			require.NoError(t, err)
			go func() {
				ended <- tls.Server(conn, config).Handshake()
				conn.Close()
			}()
			synctest.Wait()
			open, halfOpen := l.Conns()
			assert.Equal(t, []int{1, 1}, []int{open, halfOpen})
		}
		assert.Error(t, <-ended) // the first, which the second has replaced
		assert.EqualValues(t, 1, over.Load())
		began := time.Now()
		assert.ErrorIs(t, <-ended, server.ErrRefused)
		assert.Equal(t, 5*time.Second, time.Since(began))
		synctest.Wait()
	})
}

// TestWaitOfALine: a client of the line protocol is held back once its first line is
// whole, until it leaves or the server ends.
func TestWaitOfALine(t *testing.T) {
	for _, stops := range []bool{false, true} {
		held, over := make(chan struct{}, 1), make(chan struct{}, 1)
		l := &server.Listener{Listener: servertest.Listen(t), DecideRequest: func(server.Client, *http.Request) server.Decision {
			held <- struct{}{}
			return server.Decision{Wait: time.Hour, Close: true, WaitOver: func() { over <- struct{}{} }}
		}}
		stop := serve(t, &server.Server{}, l, 10*time.Second)
		conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		require.NoError(t, err)
		_, err = io.WriteString(conn, "x\n")
		require.NoError(t, err)
		<-held
		if !stops {
			conn.Close()
			<-over
		}
		require.NoError(t, stop())
		if stops {
			<-over
			_, err := conn.Read(make([]byte, 1))
			assert.Error(t, err)
			conn.Close()
		}
	}
}
