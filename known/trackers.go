package known

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"github.com/tlspeek/tlspeek/internal/lru"
)

// The memory of Trackers.
const (
	defaultTrackersBytes = 16 << 20

	// trackedSize is what a client takes: 384 bytes for the trackedClient, and its
	// entry in a map that is half empty after it has grown.
	trackedSize = 448
)

// Trackers has a [Tracker] for each client address, and forgets clients that have been
// quiet for long. One client is an IPv4 address or an IPv6 network of 64 bits.
//
// The zero value is ready. Trackers may be used by several goroutines at once.
type Trackers struct {
	// MaxBytes bounds the memory; a client takes 448 bytes. It must not change after
	// the first use. If it is 0, the bound is 16 MiB, which is enough for 37,449
	// clients.
	MaxBytes int

	mu        sync.Mutex
	clients   map[uint64]*trackedClient // by clientKey
	ages      lru.List[trackedClient]   // see makeRoom
	forgotten int64
}

type trackedClient struct {
	node    lru.Node[trackedClient]
	key     uint64
	recent  bool // has sent a hello since it was last looked at
	tracker Tracker
}

// AppendTells is [Tracker.AppendTells] with the Tracker of the client that has the
// address. Without a valid address there are no tells.
func (t *Trackers) AppendTells(dst []Tell, client netip.Addr, o *Observation) []Tell {
	if !client.IsValid() {
		return dst
	}
	now := rememberedHelloOf(o)
	if !now.isComparable() {
		return dst
	}
	key := clientKey(client)
	t.mu.Lock()
	r := t.trackerOf(key).compare(&now)
	t.mu.Unlock()
	return appendRepeats(dst, o.Hello, &r)
}

// Forgotten returns the number of times that a client was forgotten to make room for
// another.
func (t *Trackers) Forgotten() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.forgotten
}

// clientKey returns the first 64 bits of an IPv6 address, or all of an IPv4 address: it
// looks like an IPv6 address that nobody has.
func clientKey(a netip.Addr) uint64 {
	if a = a.Unmap(); a.Is4() {
		b := a.As4()
		return uint64(binary.BigEndian.Uint32(b[:]))
	}
	b := a.As16()
	return binary.BigEndian.Uint64(b[:])
}

// trackerOf returns the Tracker of a client, a new one if there is none. It is called
// with mu held.
func (t *Trackers) trackerOf(key uint64) *Tracker {
	if c := t.clients[key]; c != nil {
		c.recent = true
		return &c.tracker
	}
	if t.clients == nil {
		t.clients = make(map[uint64]*trackedClient)
	}
	c := t.makeRoom()
	c.key, c.recent = key, false
	c.tracker.reset() // what is remembered stays, but counts no more: to clear it takes longer
	t.clients[key] = c
	t.ages.Add(&c.node, c, trackedSize)
	return &c.tracker
}

// makeRoom returns memory for a client. If there is no room, it is that of the oldest
// client which has sent nothing since makeRoom last looked at it. To move a client with
// each hello would cost more: its neighbors in the list are seldom in the cache. It is
// called with mu held.
func (t *Trackers) makeRoom() *trackedClient {
	if t.ages.Len() == 0 || t.ages.Size()+trackedSize <= t.maxBytes() {
		return new(trackedClient)
	}
	for {
		c := t.ages.Oldest()
		t.ages.Remove(&c.node)
		if !c.recent {
			delete(t.clients, c.key)
			t.forgotten++
			return c
		}
		c.recent = false
		t.ages.Add(&c.node, c, trackedSize)
	}
}

func (t *Trackers) maxBytes() int {
	if t.MaxBytes > 0 {
		return t.MaxBytes
	}
	return defaultTrackersBytes
}
