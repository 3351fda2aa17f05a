package server

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
)

// beginLife has a life wait until it is settled.
func beginLife(begin func(*life, int), s *settling) *life {
	l := &life{settling: s, conn: helloOnly{}}
	begin(l, 500)
	return l
}

// TestUnverifiedClientsHaveAShare: any number of hellos from addresses that are not
// verified settles none of the other clients. Clients that prove their address are no
// longer among them.
func TestUnverifiedClientsHaveAShare(t *testing.T) {
	const room = 80 << 10
	s := new(settling)
	s.configure(func(*event.Observation, *event.Event) {}, -1, room, nil)
	var others, verified []*life
	for range 20 {
		others = append(others, beginLife(s.begin, s))
		l := beginLife(s.beginUnverified, s)
		s.verify(l)
		verified = append(verified, l)
	}
	for range 1_000 {
		beginLife(s.beginUnverified, s)
		assert.LessOrEqual(t, s.unverified.Size(), room/unverifiedShare)
		assert.LessOrEqual(t, s.waitingSize(), room)
	}
	for _, l := range append(others, verified...) {
		assert.Equal(t, event.NotSettled, l.settled)
	}

	// The others may use all that there is, and do not settle those within their share.
	kept := s.unverified.Len()
	assert.Positive(t, kept)
	for range 1_000 {
		beginLife(s.begin, s)
		assert.LessOrEqual(t, s.waitingSize(), room)
	}
	assert.Equal(t, kept, s.unverified.Len())
	assert.Equal(t, event.SettledFull, others[0].settled)
	require.NoError(t, s.all(t.Context()))
	assert.Zero(t, s.waitingSize())
}

// TestUnverifiedClientsQueueInAShare: their Events leave room in the queue of a hook
// that takes too long.
func TestUnverifiedClientsQueueInAShare(t *testing.T) {
	const room = 80 << 10
	release := make(chan struct{})
	s := new(settling)
	s.configure(func(*event.Observation, *event.Event) { <-release }, -1, room, nil)
	for range 1_000 {
		beginLife(s.beginUnverified, s).settle(event.SettledEnd)
	}
	lost := s.lostEvents()
	assert.Positive(t, lost)
	for range 20 {
		beginLife(s.begin, s).settle(event.SettledEnd)
	}
	assert.Equal(t, lost, s.lostEvents())
	close(release)
	require.NoError(t, s.all(t.Context()))
}

// TestQueuedOnce: a second hello that comes while the first still waits for the hook is
// handed on with it, and whoever waits behind keeps its place.
func TestQueuedOnce(t *testing.T) {
	release := make(chan struct{})
	var calls atomic.Int64
	s := new(settling)
	s.configure(func(*event.Observation, *event.Event) {
		<-release
		calls.Add(1)
	}, -1, 0, nil)
	for range maxHandOns {
		beginLife(s.begin, s).settle(event.SettledEnd)
	}
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.ended.Len() == 0 // each worker has one
	}, 20*time.Second, time.Millisecond)
	for range 10 {
		l := &life{settling: s, conn: twoHellos{}}
		l.settle(event.SettledFull)
		s.enqueue(l)
	}
	assert.Equal(t, 10, s.ended.Len())
	close(release)
	require.NoError(t, s.all(t.Context()))
	assert.Zero(t, s.ended.Size())
	assert.EqualValues(t, maxHandOns+2*10, calls.Load())
}
