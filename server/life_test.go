package server

import (
	"net/http"
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
