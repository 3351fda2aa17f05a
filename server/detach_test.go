package server_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// TestDetachLosesNoByte has whatever clients may send come in pieces of several sizes,
// also behind a PROXY header, and reads it through Detach.
func TestDetachLosesNoByte(t *testing.T) {
	headers := map[string]string{
		"no proxy": "",
		"v1":       "PROXY TCP4 198.51.100.7 203.0.113.9 12345 443\r\n",
		"v2":       "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\xcb\x00\x71\x09\x30\x39\x01\xbb",
	}
	for name, stream := range streams(t) {
		stream = append(slices.Clip(stream), "what follows the hello, such as early data"...)
		for proxy, header := range headers {
			all := append([]byte(header), stream...)
			for _, size := range []int{1, 7, 300, 1 << 20} {
				if size == 1 && len(all) > 5000 {
					continue
				}
				near, far := net.Pipe()
				go func() {
					for piece := range slices.Chunk(all, size) {
						if _, err := far.Write(piece); err != nil {
							return
						}
					}
					far.Close()
				}()
				l := &server.Listener{Listener: single{near}}
				if header != "" {
					l.Listener = single{fromProxy{near}}
					l.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
				}
				conn, err := l.Accept()
				require.NoError(t, err)
				c := conn.(*server.Conn)
				read, below, err := c.Detach()
				_, errHello := c.ClientHello()
				if errors.Is(errHello, server.ErrNoHello) {
					assert.ErrorIs(t, err, server.ErrNoHello, "%s, %s, %d", name, proxy, size)
				} else if assert.NoError(t, err, "%s, %s, %d", name, proxy, size) {
					rest, err := io.ReadAll(below)
					require.NoError(t, err)
					if got := string(read) + string(rest); got != string(stream) {
						t.Errorf("%s, %s, %d: %d bytes became %d", name, proxy, size, len(stream), len(got))
					}
					again, _, err := c.Detach()
					assert.NoError(t, err)
					assert.Empty(t, again)
				}
				conn.Close()
			}
		}
	}
}

// TestDetachSettles: the Event is handed on at once, and once, and stays.
func TestDetachSettles(t *testing.T) {
	for _, decide := range []bool{false, true} {
		for _, kind := range []string{"hello", "malformed", "HTTP"} {
			t.Run(fmt.Sprintf("%s, decided %v", kind, decide), func(t *testing.T) {
				var settled settledEvents
				l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
				if decide {
					l.Decide = func(c server.Client) server.Decision {
						_, ok := c.Event(event.Full)
						assert.True(t, ok)
						return server.Decision{Rule: "r", Action: "tag", Tags: []string{"seen"}}
					}
				}
				client, err := net.Dial("tcp", l.Addr().String())
				require.NoError(t, err)
				defer client.Close()
				want := hellotest.Real(t)["curl-openssl-3.0"]
				switch kind {
				case "hello":
					client.Write(record(22, 0x0301, want.Raw))
				case "malformed":
					client.Write([]byte{22, 3, 1, 0, 5, 1, 0, 0, 1, 9})
				case "HTTP":
					io.WriteString(client, "GET / HTTP/1.1\r\n\r\n")
				}
				conn, err := l.Accept()
				require.NoError(t, err)
				c := conn.(*server.Conn)
				_, below, err := c.Detach()
				require.NoError(t, err)
				require.IsType(t, (*net.TCPConn)(nil), below)
				events := settled.all()
				require.Len(t, events, 1)
				check := func(e event.Event) {
					assert.Equal(t, event.SettledPassed, e.Settled)
					assert.Nil(t, e.Handshake)
					assert.Nil(t, e.Claim)
					assert.Equal(t, kind == "hello", e.JA4() != "")
					if decide {
						assert.Equal(t, []string{"seen"}, e.Tags)
						assert.Equal(t, "r", e.Rule)
					}
				}
				check(events[0])
				for range 2 {
					e, ok := c.Event(event.Compact)
					assert.True(t, ok)
					check(e)
					assert.Equal(t, events[0].ID, e.ID)
					o, ok := c.Observation()
					assert.True(t, ok)
					assert.Equal(t, event.SettledPassed, o.Settled)
					if kind == "hello" {
						h, err := c.ClientHello()
						require.NoError(t, err)
						assert.Equal(t, want.Raw, h.Raw)
					}
					conn.Close()
				}
				require.NoError(t, l.SettleAll(t.Context()))
				assert.Len(t, settled.all(), 1)
			})
		}
	}
}

// TestDetachWithoutHook: who asks for the Event later finds that it is settled.
func TestDetachWithoutHook(t *testing.T) {
	near, far := net.Pipe()
	go far.Write(record(22, 0x0301, hellotest.Real(t)["curl-openssl-3.0"].Raw))
	defer far.Close()
	c := &server.Conn{Conn: near}
	defer c.Close()
	_, below, err := c.Detach()
	require.NoError(t, err)
	assert.Same(t, near, below)
	e, ok := c.Event(event.Full)
	assert.True(t, ok)
	assert.Equal(t, event.SettledPassed, e.Settled)
}

// TestDetachObeys: a Decision holds the connection back, and closes it.
func TestDetachObeys(t *testing.T) {
	for name, c := range map[string]struct {
		wait          time.Duration
		refuse, leave bool
		took          time.Duration
		err           error
	}{
		"waits":              {wait: 5 * time.Second, took: 5 * time.Second},
		"waits for too long": {wait: time.Minute, took: 10 * time.Second, err: os.ErrDeadlineExceeded},
		"closes":             {refuse: true, err: server.ErrRefused},
		"waits and closes":   {wait: 5 * time.Second, refuse: true, took: 5 * time.Second, err: server.ErrRefused},
		"is closed":          {wait: 5 * time.Second, leave: true, took: time.Second, err: io.ErrClosedPipe},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := net.Pipe()
				defer far.Close()
				hello := record(22, 0x0301, hellotest.Real(t)["curl-openssl-3.0"].Raw)
				go far.Write(append(hello, "more"...))
				var over atomic.Int64
				l := &server.Listener{Listener: single{near}, Decide: func(server.Client) server.Decision {
					return server.Decision{Wait: c.wait, Close: c.refuse, WaitOver: func() { over.Add(1) }}
				}}
				conn, err := l.Accept()
				require.NoError(t, err)
				defer conn.Close()
				if c.leave {
					time.AfterFunc(time.Second, func() { conn.Close() })
				}
				began := time.Now()
				read, _, err := conn.(*server.Conn).Detach()
				assert.Equal(t, c.took, time.Since(began))
				assert.EqualValues(t, 1, over.Load())
				if c.err != nil {
					assert.ErrorIs(t, err, c.err)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, string(hello)+"more", string(read))
			})
		})
	}
}

// TestDetachKeepsCounting: the connection is no longer half-open, and counts until Close.
// Its time is no longer limited.
func TestDetachKeepsCounting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pipes := servertest.NewPipes()
		l := &server.Listener{Listener: pipes, Limits: &server.Limits{MaxPerAddr: 1, MaxHalfOpen: 1}}
		accepted := make(chan net.Conn)
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				accepted <- conn
			}
		}()
		from := netip.MustParseAddrPort("192.0.2.7:1")
		far := pipes.DialFrom(from)
		conn := <-accepted
		go far.Write(record(22, 0x0301, hellotest.Real(t)["curl-openssl-3.0"].Raw))
		_, below, err := conn.(*server.Conn).Detach()
		require.NoError(t, err)
		open, halfOpen := l.Conns()
		assert.Equal(t, []int{1, 0}, []int{open, halfOpen})
		time.AfterFunc(time.Hour, func() { far.Write([]byte("late")) })
		b := make([]byte, 10)
		n, err := below.Read(b)
		require.NoError(t, err)
		assert.Equal(t, "late", string(b[:n]))
		_, err = pipes.DialFrom(from).Read(b)
		assert.ErrorIs(t, err, io.EOF, "the second of an address")
		conn.Close()
		open, _ = l.Conns()
		assert.Zero(t, open)
		far = pipes.DialFrom(from)
		(<-accepted).Close()
		far.Close()
		pipes.Close()
	})
}

// TestDetachTimesOut: a silent client has the time of a handshake. A deadline of the user
// is no end.
func TestDetachTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		l := &server.Listener{Listener: single{near}}
		conn, err := l.Accept()
		require.NoError(t, err)
		defer conn.Close()
		conn.SetReadDeadline(time.Now().Add(time.Second))
		_, _, err = conn.(*server.Conn).Detach()
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.NotErrorIs(t, err, server.ErrNoHello)
		conn.SetReadDeadline(time.Time{})
		began := time.Now()
		_, _, err = conn.(*server.Conn).Detach()
		assert.ErrorIs(t, err, server.ErrNoHello)
		assert.Equal(t, 9*time.Second, time.Since(began))
	})
}

// TestDetachOverLimit: a hello over a limit is handed on all the same.
func TestDetachOverLimit(t *testing.T) {
	near, far := net.Pipe()
	hello := record(22, 0x0301, hellotest.Real(t)["curl-openssl-3.0"].Raw)
	go func() {
		far.Write(hello)
		far.Close()
	}()
	l := &server.Listener{Listener: single{near}, MaxHello: 100}
	conn, err := l.Accept()
	require.NoError(t, err)
	defer conn.Close()
	read, below, err := conn.(*server.Conn).Detach()
	require.NoError(t, err)
	rest, err := io.ReadAll(below)
	require.NoError(t, err)
	assert.Equal(t, string(hello), string(read)+string(rest))
	_, err = conn.(*server.Conn).ClientHello()
	assert.ErrorIs(t, err, server.ErrOverLimit)
}

// TestDetachGivesItsMemoryAway: what Detach returned is not that of a later connection.
func TestDetachGivesItsMemoryAway(t *testing.T) {
	var reads [][]byte
	var conns []*server.Conn
	hellos := hellotest.Real(t)
	names := []string{"curl-openssl-3.0"}
	for name := range hellos {
		names = append(names, name)
	}
	pipes := servertest.NewPipes()
	defer pipes.Close()
	l := &server.Listener{Listener: pipes}
	for _, name := range names {
		go func() {
			far := pipes.Dial()
			far.Write(record(22, 0x0301, hellos[name].Raw))
		}()
		conn, err := l.Accept()
		require.NoError(t, err)
		read, _, err := conn.(*server.Conn).Detach()
		require.NoError(t, err)
		conn.Close()
		reads, conns = append(reads, read), append(conns, conn.(*server.Conn))
	}
	for i, name := range names {
		assert.Equal(t, record(22, 0x0301, hellos[name].Raw), reads[i])
		_, err := conns[i].ClientHello()
		assert.Error(t, err, "nobody asked for it before Close")
	}
}

// TestDetachToTLS: crypto/tls goes on with what Detach returns.
func TestDetachToTLS(t *testing.T) {
	config := servertest.Config(t)
	near, far := net.Pipe()
	go func() {
		c := tls.Client(far, &tls.Config{InsecureSkipVerify: true})
		io.WriteString(c, "hello")
		c.Close()
	}()
	l := &server.Listener{Listener: single{near}}
	conn, err := l.Accept()
	require.NoError(t, err)
	defer conn.Close()
	read, below, err := conn.(*server.Conn).Detach()
	require.NoError(t, err)
	text, err := io.ReadAll(tls.Server(&replayed{below, read}, config))
	require.NoError(t, err)
	assert.Equal(t, "hello", string(text))
	h, err := conn.(*server.Conn).ClientHello()
	require.NoError(t, err)
	assert.Equal(t, parser.TLS, h.Transport)
}

// A replayed connection begins with bytes that were read before.
type replayed struct {
	net.Conn
	before []byte
}

func (c *replayed) Read(p []byte) (int, error) {
	if len(c.before) > 0 {
		n := copy(p, c.before)
		c.before = c.before[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}
