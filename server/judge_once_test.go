package server

import (
	"net/http"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
)

// TestJudgedEventIsMadeOnce: the Event that a Decision about the first request is made
// from is the one that is handed on, and that handlers get. A hook for Events changes
// nothing, and neither does a connection that was asked for its Event before.
func TestJudgedEventIsMadeOnce(t *testing.T) {
	for _, hooked := range []bool{false, true} {
		s := new(settling)
		var handed []*event.Event
		if hooked {
			s.configure(func(o *event.Observation, e *event.Event) {
				assert.Equal(t, []any{"rule", "deny", []string{"a"}}, []any{o.Rule, o.Action, o.Tags})
				handed = append(handed, e)
			}, -1, 0, nil)
		}
		made := 0
		s.onFill = func(event.Size) { made++ }
		s.decideRequest = func(Client, *http.Request) Decision { return Decision{} }
		l := &life{settling: s, conn: twoHellos{}}
		if hooked {
			l.conn = helloOnly{}
		}
		r := requestOf("agent/1")
		d := Decision{Rule: "rule", Action: "deny", Tags: []string{"a"}}
		l.judge(r, func() Decision {
			for range 3 {
				e := l.eventOf(r, event.Full)
				assert.Equal(t, []any{"", "agent/1", event.SettledRequest}, []any{e.Rule, e.UserAgent, e.Settled})
			}
			return d
		})
		e := l.event(event.Full)
		assert.Equal(t, []any{"rule", "deny", []string{"a"}}, []any{e.Rule, e.Action, e.Tags})
		assert.Equal(t, 1, made)
		if hooked {
			require.Len(t, handed, 1)
			assert.Same(t, e, handed[0])
		}
		before := *e
		l.judge(requestOf("agent/2"), func() Decision { return Decision{Rule: "other"} })
		assert.Equal(t, before, *l.event(event.Full))
	}
}

// TestLargeJudgedEventsAreCounted: what the Event of a long hello takes is counted, and can
// be dropped and made again with its Decision.
func TestLargeJudgedEventsAreCounted(t *testing.T) {
	s := new(settling)
	s.decideRequest = func(Client, *http.Request) Decision { return Decision{} }
	l := &life{settling: s, conn: longHello(60_000)}
	r := requestOf("agent/1")
	l.judge(r, func() Decision {
		require.NotNil(t, l.eventOf(r, event.Full))
		return Decision{Rule: "rule"}
	})
	assert.Equal(t, 1, s.kept.Len())
	assert.Equal(t, eventSize(l.event(event.Full)), s.kept.Size())
	l.dropLarge()
	assert.Zero(t, s.kept.Len())
	assert.Equal(t, "rule", l.event(event.Full).Rule)
}

// TestConcurrentRequestsAreJudgedOnce: of many requests at once one settles, with its own
// Decision and its own User-Agent, and each is asked about once.
func TestConcurrentRequestsAreJudgedOnce(t *testing.T) {
	for range 50 {
		s := new(settling)
		var handed []event.Event
		s.configure(func(_ *event.Observation, e *event.Event) { handed = append(handed, *e) }, -1, 0, nil)
		s.decideRequest = func(Client, *http.Request) Decision { return Decision{} }
		l := &life{settling: s, conn: helloOnly{}}
		var all sync.WaitGroup
		var mu sync.Mutex
		asked := make(map[string]int)
		for i := range 8 {
			all.Go(func() {
				agent := "agent/" + strconv.Itoa(i)
				r := requestOf(agent)
				l.judge(r, func() Decision {
					assert.Equal(t, agent, l.eventOf(r, event.Full).UserAgent)
					mu.Lock()
					defer mu.Unlock()
					asked[agent]++
					return Decision{Rule: agent}
				})
				l.eventOf(r, event.Full)
			})
		}
		all.Wait()
		require.Len(t, handed, 1)
		assert.Equal(t, handed[0].UserAgent, handed[0].Rule)
		assert.Equal(t, handed[0].Rule, l.event(event.Full).Rule)
		assert.Len(t, asked, 8)
		for agent, n := range asked {
			assert.Equal(t, 1, n, agent)
		}
	}
}

// TestJudgedAfterTheEvent: requests on a connection that was settled before any came have
// their own Decisions, and the Event stays as it was.
func TestJudgedAfterTheEvent(t *testing.T) {
	s := new(settling)
	s.decideRequest = func(Client, *http.Request) Decision { return Decision{} }
	l := &life{settling: s, conn: helloOnly{}}
	l.settle(event.SettledTime)
	l.firstCame(pendingRequest{says: claimFields{userAgent: "first/1"}}, nil)
	d := l.judge(requestOf("first/1"), func() Decision { return Decision{Rule: "rule"} })
	assert.Equal(t, "rule", d.Rule)
	e := l.event(event.Full)
	assert.Equal(t, []any{"", "", event.SettledTime}, []any{e.Rule, e.UserAgent, e.Settled})
	assert.Contains(t, l.eventOf(requestOf("second/1"), event.Full).Tags, tagAgentsDiffer)
}

// TestJudgedAfterTheEnd: the Event of a connection that ends before the handler of its first
// request runs has the Decision all the same. One that has no handler is settled when all are.
func TestJudgedAfterTheEnd(t *testing.T) {
	for _, judged := range []bool{true, false} {
		s := new(settling)
		var handed []event.Event
		s.configure(func(_ *event.Observation, e *event.Event) { handed = append(handed, *e) }, -1, 0, nil)
		s.decideRequest = func(Client, *http.Request) Decision { return Decision{} }
		l := beginLife(s.begin, s)
		l.firstCame(pendingRequest{says: claimFields{userAgent: "first/1"}}, nil)
		l.end()
		assert.Empty(t, handed)
		want := []any{"", "first/1", event.SettledRequest}
		if judged {
			l.judge(requestOf("other/1"), func() Decision { return Decision{Rule: "other"} })
			l.judge(requestOf("first/1"), func() Decision { return Decision{Rule: "rule"} })
			want[0] = "rule"
		}
		require.NoError(t, s.all(t.Context()))
		require.Len(t, handed, 1)
		assert.Equal(t, want, []any{handed[0].Rule, handed[0].UserAgent, handed[0].Settled})
		l.settle(event.SettledEnd) // what the timer does
		require.NoError(t, s.all(t.Context()))
		assert.Len(t, handed, 1)
	}
}

// TestAllSettlesWhatIsNotJudged: a first request that nobody has judged does not keep its
// connection from being settled with all.
func TestAllSettlesWhatIsNotJudged(t *testing.T) {
	s := new(settling)
	var handed []event.Event
	s.configure(func(_ *event.Observation, e *event.Event) { handed = append(handed, *e) }, -1, 0, nil)
	s.decideRequest = func(Client, *http.Request) Decision { return Decision{} }
	beginLife(s.begin, s).firstCame(pendingRequest{says: claimFields{userAgent: "first/1"}}, nil)
	require.NoError(t, s.all(t.Context()))
	require.Len(t, handed, 1)
	assert.Equal(t, "first/1", handed[0].UserAgent)
}
