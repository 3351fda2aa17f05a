package server_test

import (
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/server"
)

// frozenHello returns the n-th hello of a client that has Chromium's extensions and
// GREASE values, in the same order and with the same values in each connection.
func frozenHello(t testing.TB, n uint32) []byte {
	return hellotest.Redraw(rand.New(rand.NewPCG(uint64(n), 1)), hellotest.Real(t)["chromium-156"])
}

// connect sends a hello in a connection to l, which it reads and then closes.
func connect(t testing.TB, l *server.Listener, hello []byte) *server.Conn {
	t.Helper()
	client, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	c, err := l.Accept()
	require.NoError(t, err)
	_, err = client.Write(append([]byte{22, 3, 1, byte(len(hello) >> 8), byte(len(hello))}, hello...))
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, 5+len(hello)))
	require.NoError(t, err)
	return c.(*server.Conn)
}

func tellNames(tells []known.Tell) (names []string) {
	for i := range tells {
		names = append(names, tells[i].Name)
	}
	return names
}

var frozenTells = [][]string{nil, {"frozen-order"}, {"frozen-order", "frozen-grease"}}

// TestTellsOfConnections: each way to ask for a hello says what it shows together with
// earlier connections.
func TestTellsOfConnections(t *testing.T) {
	var settled settledEvents
	var observed, decided []string
	for name, l := range map[string]*server.Listener{
		"asked":   {},
		"Observe": {Observe: func(o *event.Observation) { observed = tellNames(o.Tells) }},
		"Decide": {Decide: func(c server.Client) server.Decision {
			e, ok := c.Event(event.Full)
			assert.True(t, ok)
			decided = tellNames(e.Tells)
			return server.Decision{}
		}},
		"Settled": {Settled: settled.add},
	} {
		t.Run(name, func(t *testing.T) {
			l.Listener = servertest.Listen(t)
			for i, want := range frozenTells {
				c := connect(t, l, frozenHello(t, uint32(i)))
				switch name {
				case "Observe":
					assert.Equal(t, want, observed)
				case "Decide":
					assert.Equal(t, want, decided)
				}
				if name != "Settled" {
					for range 2 {
						e, ok := c.Event(event.Compact)
						require.True(t, ok)
						assert.Equal(t, want, tellNames(e.Tells), "an Event that was asked for")
						o, ok := c.Observation()
						require.True(t, ok)
						assert.Equal(t, want, tellNames(o.Tells))
					}
				}
				require.NoError(t, c.Close())
				if name == "Settled" {
					events := settled.wait(t, i+1)
					require.Len(t, events, i+1)
					assert.Equal(t, want, tellNames(events[i].Tells))
				}
			}
			assert.Zero(t, l.Forgotten())
		})
	}
}

// TestTellsInTheOrderOfHellos: connections are compared when their hellos come, in
// whatever order they are settled.
func TestTellsInTheOrderOfHellos(t *testing.T) {
	var settled settledEvents
	l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
	var conns []*server.Conn
	for i := range frozenTells {
		conns = append(conns, connect(t, l, frozenHello(t, uint32(i))))
	}
	for i := len(conns) - 1; i >= 0; i-- {
		require.NoError(t, conns[i].Close())
		events := settled.wait(t, len(conns)-i)
		assert.Equal(t, frozenTells[i], tellNames(events[len(events)-1].Tells), i)
	}
}

// TestNoTellsOfATrustedProxy: its connections are those of several clients.
func TestNoTellsOfATrustedProxy(t *testing.T) {
	l := &server.Listener{Listener: servertest.Listen(t), TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	for i := range frozenTells {
		c := connect(t, l, frozenHello(t, uint32(i)))
		e, ok := c.Event(event.Full)
		require.True(t, ok)
		assert.True(t, e.Shared)
		assert.Empty(t, e.Tells)
		require.NoError(t, c.Close())
	}
}

// TestNoTellsOfARetriedHello: the second hello of a connection and a hello that was
// sent again, such as through two proxies, repeat the first.
func TestNoTellsOfARetriedHello(t *testing.T) {
	l := &server.Listener{Listener: servertest.Listen(t)}
	for range 3 {
		c := connect(t, l, frozenHello(t, 1))
		e, ok := c.Event(event.Full)
		require.True(t, ok)
		assert.Empty(t, e.Tells)
		require.NoError(t, c.Close())
	}
}

// TestTellsOfConnectionsAtOnce: connections that come at the same time are compared,
// each once.
func TestTellsOfConnectionsAtOnce(t *testing.T) {
	const n = 8
	var settled settledEvents
	l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
	hellos := make([][]byte, n)
	for i := range hellos {
		hellos[i] = frozenHello(t, uint32(i))
	}
	go func() {
		for _, hello := range hellos {
			client, err := net.DialTimeout("tcp", l.Addr().String(), 20*time.Second)
			if !assert.NoError(t, err) {
				return
			}
			_, err = client.Write(append([]byte{22, 3, 1, byte(len(hello) >> 8), byte(len(hello))}, hello...))
			assert.NoError(t, err)
			client.Close()
		}
	}()
	for range n {
		c, err := l.Accept()
		require.NoError(t, err)
		go func() {
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		}()
	}
	without := 0
	for _, e := range settled.wait(t, n) {
		if len(e.Tells) == 0 {
			without++
		}
	}
	assert.Equal(t, 1, without, "the first has nothing to repeat")
}
