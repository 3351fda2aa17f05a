package server

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/quictest"
	"github.com/tlspeek/tlspeek/quichello"
)

// testTap returns a tap that reads no socket, and the hellos that it observes and later
// verifies.
func testTap() (t *tap, observed, verified *int) {
	observed, verified = new(int), new(int)
	t = newTap(nil, func(*event.Observation) { *observed++ })
	t.local = netip.MustParseAddrPort("127.0.0.1:443")
	t.verified = func(*event.Observation) { *verified++ }
	now := time.Now()
	t.now = func() time.Time { return now }
	t.settling = new(settling)
	t.settling.configure(nil, 0, 0, nil)
	return t, observed, verified
}

// quicMessage returns a message of n bytes that differs by seed. It is a malformed hello,
// which the tap does not mind.
func quicMessage(n, seed int) []byte {
	m := make([]byte, n)
	m[0], m[1], m[2], m[3] = 1, byte((n-4)>>16), byte((n-4)>>8), byte(n-4)
	binary.BigEndian.PutUint32(m[n-4:], uint32(seed))
	return m
}

func clientAt(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 40000)
}

// dcid returns a connection ID that no other i has.
func dcid(i int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(i)+1<<40) }

// kept returns the number of hellos that the tap has.
func (t *tap) kept() (n int) {
	for _, f := range t.flows {
		n += len(f.hellos)
	}
	return n
}

// TestFloodOfOnePort: complete hellos with distinct connection IDs, incomplete ones,
// long ones, and fragments of a byte.
func TestFloodOfOnePort(t *testing.T) {
	for _, c := range []struct {
		name  string
		n     int
		drops bool
		send  func(tap *tap, i int)
	}{
		{"distinct hellos", 5000, true, func(tap *tap, i int) {
			tap.inspect(quictest.Initial(dcid(i), nil, 0, 0, quicMessage(1000, i)), nil, clientAt(0))
		}},
		{"one connection ID", 5000, false, func(tap *tap, i int) {
			tap.inspect(quictest.Initial(dcid(0), nil, i, 0, quicMessage(1000, i)), nil, clientAt(0))
		}},
		{"incomplete hellos", 5000, true, func(tap *tap, i int) {
			m := quicMessage(1000, i)
			tap.inspect(quictest.Initial(dcid(i), nil, 0, 0, m[:len(m)-1]), nil, clientAt(0))
		}},
		{"long hellos", 300, true, func(tap *tap, i int) {
			m := quicMessage(14_000, i)
			for at := 0; at < len(m); at += 1100 {
				tap.inspect(quictest.Initial(dcid(i), nil, at/1100, at, m[at:min(at+1100, len(m))]), nil, clientAt(0))
			}
		}},
		{"far ahead", 5000, true, func(tap *tap, i int) {
			tap.inspect(quictest.Initial(dcid(i), nil, 0, 32_000, []byte{1}), nil, clientAt(0))
		}},
		{"single bytes", 5000, true, func(tap *tap, i int) {
			tap.inspect(quictest.Initial(dcid(i/200), nil, i%200, 2*(i%200), []byte{1}), nil, clientAt(0))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tap, _, _ := testTap()
			for i := range c.n {
				c.send(tap, i)
			}
			assert.Equal(t, c.drops, tap.drops.port.Load() > 0)
			require.Len(t, tap.flows, 1)
			f := tap.flows[clientAt(0)]
			assert.LessOrEqual(t, f.loose, maxFlowHellos)
			assert.LessOrEqual(t, f.messages, maxFlowMessages)
			assert.LessOrEqual(t, tap.ages.Size(), maxFlowMessages+maxFlowAssembled+maxFlowHellos*helloSize+4*flowSize)
			derivations, attempts := tap.opener.Work()
			assert.Less(t, workOf(derivations, attempts), flowWork+20)
		})
	}
}

// TestFloodOfManyPorts: all that is kept stays below the limit, and so does the memory
// that it takes.
func TestFloodOfManyPorts(t *testing.T) {
	tap, _, _ := testTap()
	tap.limit = 2 << 20
	before := liveHeap()
	for i := range 20_000 {
		tap.inspect(quictest.Initial(dcid(i), nil, 0, 0, quicMessage(1000, i)), nil, clientAt(i))
	}
	assert.LessOrEqual(t, tap.ages.Size(), tap.limit)
	assert.Equal(t, tap.ages.Len(), len(tap.flows))
	assert.Less(t, tap.kept(), 1000)
	assert.Less(t, liveHeap()-before, 3*tap.limit)
	assert.Positive(t, tap.drops.room.Load())
	runtime.KeepAlive(tap)
}

// TestFlowSizes: what a flow is taken to need is not less than half of what it needs.
func TestFlowSizes(t *testing.T) {
	tap, _, _ := testTap()
	before := liveHeap()
	for i := range 1000 {
		tap.inspect(quictest.Initial(dcid(i), nil, 0, 0, quicMessage(1000, i)), nil, clientAt(i))
	}
	used := liveHeap() - before
	assert.Less(t, used, 2*tap.ages.Size())
	assert.Greater(t, 2*used, tap.ages.Size())
	runtime.KeepAlive(tap)
}

// TestWorkOfAllClients: what clients that have not shown their address cost is bounded,
// and those with a token are read although those without are too many.
func TestWorkOfAllClients(t *testing.T) {
	tap, observed, _ := testTap()
	begun := quicMessage(1000, 9)
	tap.inspect(quictest.Initial(dcid(9), nil, 0, 0, begun[:500]), nil, clientAt(9))
	assert.False(t, tap.isOverloaded())
	tap.work[0].spend(tap.now(), maxWork, maxWork, time.Second)
	tap.inspect(quictest.Initial(dcid(9), nil, 1, 500, begun[500:]), nil, clientAt(9))
	assert.Equal(t, 1, *observed, "the rest of a hello is read")
	assert.Zero(t, tap.drops.total.Load())
	for i := range 100 {
		tap.inspect(quictest.Initial(dcid(100+i), nil, 0, 0, quicMessage(1000, i)), nil, clientAt(9))
	}
	assert.LessOrEqual(t, tap.flows[clientAt(9)].spent[0], 2*firstWork)
	assert.True(t, tap.isOverloaded(), "clients are sent a Retry")
	*observed = 0
	tap.evict(new(inspected), tap.flows[clientAt(9)], true)
	tap.drops.total.Store(0)
	derived, attempted := tap.opener.Work()
	tap.inspect(quictest.Initial(dcid(0), nil, 0, 0, quicMessage(1000, 0)), nil, clientAt(0))
	assert.Zero(t, *observed)
	assert.EqualValues(t, 1, tap.drops.total.Load())
	assert.Empty(t, tap.flows)
	tap.inspect(quictest.Initial(dcid(0), []byte("token"), 0, 0, quicMessage(1000, 0)), nil, clientAt(0))
	assert.Equal(t, 1, *observed)
	derivations, attempts := tap.opener.Work()
	assert.Equal(t, 1, derivations-derived)
	assert.Equal(t, 1, attempts-attempted)
}

// TestPortsAreUsedAgain: connections of one port that finish their handshake, one after
// the other, each have their hello, however many they are.
func TestPortsAreUsedAgain(t *testing.T) {
	tap, observed, verified := testTap()
	for i := range 500 { // of which only a hundred might come of a client that finishes none
		tap.inspect(quictest.Initial(dcid(i), nil, 0, 0, quicMessage(1000, i)), nil, clientAt(0))
		c := &quicConn{addr: clientAt(0), tap: tap}
		id, _ := quichello.ConnectionIDFrom(dcid(i))
		tap.bind(id, c)
		require.NotNil(t, c.theHellos(), i)
		assert.Equal(t, id, c.theHellos().first.DCID)
		tap.finish(c)
		tap.unbind(c)
	}
	assert.Equal(t, 500, *observed)
	assert.Equal(t, 500, *verified)
	assert.Empty(t, tap.waiting)
	assert.Zero(t, tap.kept())
	assert.Zero(t, tap.drops.port.Load())
}

// TestManyConnectionsOfOnePortAtOnce: hellos that have a connection are not among those
// that are dropped.
func TestManyConnectionsOfOnePortAtOnce(t *testing.T) {
	tap, _, _ := testTap()
	var conns []*quicConn
	for i := range 60 {
		tap.inspect(quictest.Initial(dcid(i), nil, 0, 0, quicMessage(1000, i)), nil, clientAt(0))
		c := &quicConn{addr: clientAt(0), tap: tap}
		id, _ := quichello.ConnectionIDFrom(dcid(i))
		tap.bind(id, c)
		conns = append(conns, c)
	}
	for i, c := range conns {
		require.NotNil(t, c.theHellos(), i)
		assert.Equal(t, fmt.Sprintf("%x", dcid(i)), c.theHellos().first.DCID.String())
	}
	assert.Zero(t, tap.flows[clientAt(0)].loose)
}

// TestShownAddress: a client has shown its address when it uses a connection ID that the
// server has sent to it, and no sooner.
func TestShownAddress(t *testing.T) {
	tap, observed, verified := testTap()
	hello := quictest.Initial(dcid(0), nil, 0, 0, quicMessage(1000, 0))
	tap.inspect(hello, nil, clientAt(0))
	require.Equal(t, 1, *observed)
	c := &quicConn{addr: clientAt(0), tap: tap}
	id, _ := quichello.ConnectionIDFrom(dcid(0))
	tap.bind(id, c)
	isVerified := func() bool {
		all := c.theHellos().observe(tap.settling.getObserved(), func(*event.Observation) {})
		return !all[0].Unverified
	}
	issued, _ := quichello.ConnectionIDFrom([]byte("8 bytes!"))
	tap.flows[clientAt(0)].issue(issued, c.theHellos().first.SCID)

	answer := func(id string) []byte { // a Handshake packet
		return fmt.Appendf(nil, "\xe0\x00\x00\x00\x01%c%s\x00", len(id), id)
	}
	tap.inspect(answer("guessed!"), nil, clientAt(0))
	assert.False(t, isVerified())
	tap.inspect(answer("8 bytes!"), nil, clientAt(1))
	assert.False(t, isVerified(), "from another address")
	assert.Zero(t, *verified)
	for range 2 {
		tap.inspect(answer("8 bytes!"), nil, clientAt(0))
		assert.True(t, isVerified())
		assert.Equal(t, 1, *verified)
	}
}

// TestSecondHelloOfOnePort: a hello after a HelloRetryRequest is that of its connection,
// also if another one has begun from the same port.
func TestSecondHelloOfOnePort(t *testing.T) {
	tap, observed, _ := testTap()
	var conns []*quicConn
	for i := range 2 {
		tap.inspect(quictest.Initial(dcid(i), nil, 0, 0, quicMessage(1000, i)), nil, clientAt(0))
		c := &quicConn{addr: clientAt(0), tap: tap}
		id, _ := quichello.ConnectionIDFrom(dcid(i))
		tap.bind(id, c)
		conns = append(conns, c)
	}
	tap.inspect(quictest.Initial(dcid(0), nil, 1, 1000, quicMessage(1000, 2)), nil, clientAt(0))
	assert.Equal(t, 3, *observed)
	require.NotNil(t, conns[0].theHellos().second)
	assert.Equal(t, quicMessage(1000, 2), conns[0].theHellos().second.Message)
	assert.Nil(t, conns[1].theHellos().second)
}

// TestHelloAfterRetryIsNotGuessed: if the first hello is forgotten, the one that comes
// with a token is that of a connection only if there is no other.
func TestHelloAfterRetryIsNotGuessed(t *testing.T) {
	for n, want := range map[int]bool{1: true, 2: false} {
		tap, _, _ := testTap()
		for i := range n {
			tap.inspect(quictest.Initial(dcid(i), []byte("token"), 0, 0, quicMessage(1000, i)), nil, clientAt(0))
		}
		c := &quicConn{addr: clientAt(0), tap: tap, verified: true}
		id, _ := quichello.ConnectionIDFrom([]byte("before the Retry"))
		tap.bind(id, c)
		assert.Equal(t, want, c.theHellos() != nil, "%d hellos", n)
	}
}
