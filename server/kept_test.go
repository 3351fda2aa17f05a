package server

import (
	"reflect"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// longHello returns a hello of about so many bytes.
func longHello(bytes int) helloOnly {
	return helloOnly{raw: hellotest.Message(0x0303, make([]parser.CipherSuite, bytes/2))}
}

// TestKeptEventsAreCounted: Events that were made before their connections are settled
// share the room for these. They go when it is needed, oldest first, and settle nobody.
func TestKeptEventsAreCounted(t *testing.T) {
	const room = 4 << 20
	s := new(settling)
	s.configure(func(*event.Observation, *event.Event) {}, -1, room, nil)
	var made atomic.Int64
	s.onFill = func(event.Size) { made.Add(1) }
	var lives []*life
	for _, size := range []int{500, 2_000, 60_000, 20_000, 4_000, 60_000, 30_000, 500, 60_000} {
		c := longHello(size)
		l := &life{settling: s, conn: c}
		lives = append(lives, l)
		s.begin(l, c.messageSize())
		before := made.Load()
		for range 3 {
			require.NotNil(t, l.event(event.Full))
		}
		assert.Equal(t, before+1, made.Load())
		assert.LessOrEqual(t, s.waitingSize()+s.kept.Size(), room)
	}
	assert.Equal(t, len(lives), s.open.Len(), "nobody was settled")
	assert.Nil(t, lives[0].seen, "the oldest are dropped")
	assert.NotNil(t, lives[8].seen)

	// Each change drops what was made before.
	kept := s.kept.Size()
	lives[8].decided(Decision{Rule: "watch"})
	assert.Less(t, s.kept.Size(), kept)
	require.NoError(t, s.all(t.Context()))
	assert.Zero(t, s.kept.Len())
	assert.Zero(t, s.open.Len())
}

// TestLongEventsAreKeptWithinRoom: settled Events of long hellos take no more room than
// there is, are made again when they were dropped, and go with their connection.
func TestLongEventsAreKeptWithinRoom(t *testing.T) {
	const room = 4 << 20
	s := new(settling)
	s.configure(nil, 0, room, nil)
	var made atomic.Int64
	s.onFill = func(event.Size) { made.Add(1) }
	var lives []*life
	for range 5 {
		l := &life{settling: s, conn: longHello(60_000)}
		lives = append(lives, l)
		for range 10 {
			require.NotNil(t, l.eventOf(requestOf("curl/8.0"), event.Full))
		}
		assert.LessOrEqual(t, s.kept.Size(), room)
	}
	assert.EqualValues(t, len(lives), made.Load())
	assert.Positive(t, s.kept.Len())
	assert.Nil(t, lives[0].final, "the oldest are dropped")
	first := lives[0].eventOf(requestOf("curl/8.0"), event.Full)
	require.NotNil(t, first)
	assert.EqualValues(t, len(lives)+1, made.Load())
	assert.Equal(t, "curl/8.0", first.UserAgent)
	for _, l := range lives {
		l.settle(event.SettledEnd)
	}
	assert.Zero(t, s.kept.Len())
}

// TestSecondHellosAreCounted: a hello that comes when the room is taken settles the
// oldest, as a new connection does.
func TestSecondHellosAreCounted(t *testing.T) {
	s := new(settling)
	s.configure(func(*event.Observation, *event.Event) {}, -1, 10<<10, nil)
	var lives []*life
	for range 5 {
		l := &life{settling: s, conn: helloOnly{}}
		lives = append(lives, l)
		s.begin(l, 500)
	}
	s.grow(lives[4], 5<<10)
	require.NoError(t, s.all(t.Context()))
	for i, l := range lives {
		assert.Equal(t, i < 2, l.settled == event.SettledFull, "%d: %v", i, l.settled)
	}
}

// TestEventSize: what is counted for an Event is no less than what it takes. That of a
// browser stays with its connection, and those that take more room do not.
func TestEventSize(t *testing.T) {
	assert.LessOrEqual(t, int(reflect.TypeFor[event.Event]().Size()), eventBytes)
	assert.LessOrEqual(t, int(reflect.TypeFor[known.Candidate]().Size()), candidateBytes)
	assert.LessOrEqual(t, int(reflect.TypeFor[known.Tell]().Size()), tellBytes)
	suites := make([]parser.CipherSuite, 2_000)
	for i := range suites {
		suites[i] = parser.CipherSuite(0x2000 + i) // none of which has a name
	}
	extensions := []byte{0, 16, 0x0f, 0xa2, 0x0f, 0xa0} // application_layer_protocol_negotiation
	for range 2_000 {
		extensions = append(extensions, 1, 'x')
	}
	for name, raw := range map[string][]byte{
		"browser":   hellotest.Real(t)["chromium-156"].Raw,
		"suites":    hellotest.Message(0x0303, suites),
		"protocols": hellotest.Message(0x0303, suites[:1], extensions),
	} {
		s := new(settling)
		make1 := func() *event.Event {
			e := new(event.Event)
			(&life{settling: s, conn: helloOnly{raw: raw}}).fillFirst(e, event.Full, nil)
			return e
		}
		require.Empty(t, make1().Error, name)
		const n = 50
		events := make([]*event.Event, n)
		before := liveHeap()
		for i := range events {
			events[i] = make1()
		}
		took := (liveHeap() - before) / n
		assert.Less(t, took, eventSize(events[0])*11/10, name)
		assert.Equal(t, name == "browser", eventSize(events[0]) < maxOwnEvent, name)
		runtime.KeepAlive(s)
	}
}

func liveHeap() int {
	runtime.GC()
	runtime.GC() // the first leaves what was in pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
