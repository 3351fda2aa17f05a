package server

import (
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/observe"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A helloOnly is a connection of which no more than its hello is known.
type helloOnly struct {
	raw []byte // helloOfFour if nil
}

var helloOfFour = hellotest.Message(0x0303, []parser.CipherSuite{0x1301, 0x1302, 0x1303, 0xc02b})

func (c helloOnly) observe(into *observed, complete func(*event.Observation)) []event.Observation {
	all := append(into.all[:0], event.Observation{Index: 1})
	observe.Message(&all[0], &into.hellos[0], c.message())
	complete(&all[0])
	return all
}

func (c helloOnly) message() []byte {
	if c.raw != nil {
		return c.raw
	}
	return helloOfFour
}

func (c helloOnly) messageSize() int                        { return len(c.message()) }
func (helloOnly) timed(h *event.Handshake) *event.Handshake { return h }
func (helloOnly) askHandshake() func() *event.Handshake     { return nil }

// A twoHellos is a connection with two hellos.
type twoHellos struct{ helloOnly }

func (c twoHellos) observe(into *observed, complete func(*event.Observation)) []event.Observation {
	all := append(c.helloOnly.observe(into, complete), event.Observation{Index: 2})
	observe.Message(&all[1], &into.hellos[1], c.message())
	complete(&all[1])
	all[0].Conn, all[1].Conn = event.ConnID{1}, event.ConnID{1}
	return all
}

// TestEventsOfAConnectionAreInOrder: whoever hands on the Events of a connection, and
// how many do at once, the second comes when the hook has returned for the first.
func TestEventsOfAConnectionAreInOrder(t *testing.T) {
	s := new(settling)
	var mu sync.Mutex
	order := make(map[event.ConnID][]string)
	s.configure(func(o *event.Observation, e *event.Event) {
		note := func(what string) {
			mu.Lock()
			defer mu.Unlock()
			order[o.Conn] = append(order[o.Conn], fmt.Sprint(what, " ", o.Index))
		}
		note("begin")
		runtime.Gosched()
		note("end")
	}, 0, 0, nil)
	for range 200 {
		clear(order)
		l := &life{settling: s, conn: twoHellos{}}
		l.settle(event.SettledFull)
		for range 10 {
			s.enqueue(&life{settling: s, conn: helloOnly{}}) // others in between
			s.enqueue(l)
		}
		l.handOn()
		require.NoError(t, s.all(t.Context()))
		mu.Lock()
		assert.Equal(t, []string{"begin 1", "end 1", "begin 2", "end 2"}, order[event.ConnID{1}])
		mu.Unlock()
	}
}

func requestOf(agent string) *http.Request {
	return &http.Request{Header: http.Header{"User-Agent": {agent}}}
}

// TestRequestsAfterTheEvent: a connection that was settled without a request has one
// after that. Each is judged by what it says, the first on the wire is the one that
// others differ from, and the Event stays as it was.
func TestRequestsAfterTheEvent(t *testing.T) {
	l := &life{settling: new(settling), conn: helloOnly{}}
	l.settle(event.SettledTime)
	l.settleNow(event.SettledRequest, claimFields{userAgent: "first/1"}, known.Request{UserAgent: "first/1"}, nil)
	e := l.eventOf(requestOf("second/1"), event.Full)
	assert.Equal(t, "second/1", e.UserAgent)
	assert.Equal(t, []string{tagAgentsDiffer}, e.Tags)
	e = l.event(event.Full) // keeps it
	require.NotNil(t, e)
	assert.Empty(t, e.UserAgent)
	assert.Nil(t, e.Claim)
	for range 2 {
		for agent, tags := range map[string][]string{"first/1": nil, "second/1": {tagAgentsDiffer}} {
			e = l.eventOf(requestOf(agent), event.Full)
			assert.Equal(t, agent, e.UserAgent)
			assert.NotNil(t, e.Claim)
			assert.Equal(t, tags, e.Tags)
			assert.Equal(t, event.SettledTime, e.Settled)
		}
	}
}

// TestAgentsAreRememberedOnce: requests that come at the same time take one of the
// four places.
func TestAgentsAreRememberedOnce(t *testing.T) {
	l := &life{settling: new(settling), conn: helloOnly{}}
	l.requestCame(requestOf("first/1"))
	start := make(chan bool)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			<-start
			for range 20 {
				e := l.eventOf(requestOf("second/1"), event.Full)
				assert.NotNil(t, e.Claim)
			}
		})
	}
	close(start)
	wg.Wait()
	assert.Len(t, l.judged, 2)
}

// TestRequestsWithoutAgent: a request without a User-Agent is not one of another
// client, before one with it or after.
func TestRequestsWithoutAgent(t *testing.T) {
	for _, agents := range [][]string{{"", "curl/8.0", ""}, {"curl/8.0", "", "curl/8.0"}} {
		l := &life{settling: new(settling), conn: helloOnly{}}
		for _, agent := range agents {
			e := l.eventOf(requestOf(agent), event.Full)
			require.NotNil(t, e)
			assert.Equal(t, agent, e.UserAgent)
			assert.Equal(t, agent != "", e.Claim != nil)
			assert.Empty(t, e.Tags)
		}
	}
}
