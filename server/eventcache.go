package server

import (
	"sync"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

// maxCachedHello is the longest message whose Event is kept. Its Event takes up
// to 33 KB as long as the connection is open, that of a browser's hello of 2 KB
// takes 2 KB, and one of 60 KB would take 490 KB.
const maxCachedHello = 4 << 10

// An eventCache keeps the full Event of a connection, which handlers ask for
// with each request. The zero value is ready.
type eventCache struct {
	mu      sync.Mutex
	event   *event.Event
	version int // number of invalidations
}

// get returns the Event of what observe returns, or the one of before.
func (c *eventCache) get(size event.Size, clients *known.Database, observe func() (event.Observation, bool)) (event.Event, bool) {
	c.mu.Lock()
	cached, version := c.event, c.version
	c.mu.Unlock()
	if size == event.Full && cached != nil {
		return *cached, true
	}
	o, ok := observe()
	if !ok {
		return event.Event{}, false
	}
	e := (&event.Observer{Clients: clients}).Event(&o, size)
	if size == event.Full && o.Carrier.Bytes <= maxCachedHello {
		c.put(e, version)
	}
	return e, true
}

// put keeps e, unless it was made before the last invalidation.
func (c *eventCache) put(e event.Event, version int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version == version {
		c.event = &e
	}
}

// invalidate drops the Event, because more is known of the connection.
func (c *eventCache) invalidate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.event = nil
	c.version++
}
