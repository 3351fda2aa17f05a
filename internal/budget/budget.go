// Package budget shares something scarce among clients: memory, processor time,
// places. No client can use up what the others need.
package budget

import (
	"context"
	"errors"
	"math/bits"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// A Budget is a weighted semaphore with a share for each client. While nobody else holds
// anything, the share is Total/Divisor. It shrinks with the square of what the others
// leave: of a half, it is a quarter. So k clients that come one after the other, and take
// all that they may, leave Total*(Divisor-1)/(Divisor-1+k) to the next one. (Choudhury and Hahne, "Dynamic Queue Length
// Thresholds for Shared-Memory Packet Switches", 1998, have shares that are
// proportional to what is left. There, all queues keep sending, and those over their share
// soon shrink; clients that hold on would leave next to nothing.)
//
// What does not fit waits. It waits only for what its own client and the total lack,
// never for others that wait. When something is released, the client that holds the
// least goes first.
//
// A Budget keeps nothing of a client that neither holds nor waits. It is safe for use
// by several goroutines. The exported fields must not be changed once it is in use.
type Budget struct {
	// Total is what all clients may hold together.
	Total int64

	// Divisor is at least 2.
	Divisor int64

	// Least is what a client may hold even if that is more than its share, while
	// the total allows it.
	Least int64

	// Wait is how long Acquire waits.
	Wait time.Duration

	// MaxWaiting bounds how many wait, and MaxWaitingPerClient those of one client.
	MaxWaiting, MaxWaitingPerClient int

	mu      sync.Mutex
	used    int64
	clients map[netip.Addr]usage
	waiting []*waiter // in the order in which they came; none of them fits
}

// A usage is what a client holds, and how many of its requests wait.
type usage struct {
	held    int64
	waiting int
}

// A waiter waits until its amount fits.
type waiter struct {
	client netip.Addr
	amount int64
	ready  chan struct{} // closed when it holds the amount
}

var (
	// ErrShare says that a client holds its share already.
	ErrShare = errors.New("the client holds its share")

	// ErrFull says that the others leave too little to a client.
	ErrFull = errors.New("all clients together hold too much")
)

// A Hold is an amount that a client holds. The zero value is nothing.
type Hold struct {
	budget *Budget
	client netip.Addr
	amount int64
}

// Acquire takes an amount for a client, and waits for it if it must. The error is
// [ErrShare] or [ErrFull] if it has waited in vain, if too many wait, or if the amount
// is more than a client may ever hold. It is that of ctx if ctx is done before.
func (b *Budget) Acquire(ctx context.Context, client netip.Addr, amount int64) (Hold, error) {
	b.mu.Lock()
	err := b.take(client, amount)
	if err == nil {
		b.mu.Unlock()
		return Hold{b, client, amount}, nil
	}
	if amount > b.share(b.Total) || len(b.waiting) >= b.MaxWaiting || b.clients[client].waiting >= b.MaxWaitingPerClient {
		b.mu.Unlock()
		return Hold{}, err
	}
	w := &waiter{client, amount, make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.change(client, 0, 1)
	b.mu.Unlock()

	timer := time.NewTimer(b.Wait)
	defer timer.Stop()
	select {
	case <-w.ready:
		return Hold{b, client, amount}, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, w)
	if i < 0 { // its turn came just now
		return Hold{b, client, amount}, nil
	}
	b.waiting = slices.Delete(b.waiting, i, i+1)
	if ctx.Err() == nil {
		err = b.fits(client, amount)
	}
	b.change(client, 0, -1)
	return Hold{}, err
}

// TryAcquire takes an amount for a client if it fits, without waiting. Otherwise the
// error is [ErrShare] or [ErrFull].
func (b *Budget) TryAcquire(client netip.Addr, amount int64) (Hold, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.take(client, amount); err != nil {
		return Hold{}, err
	}
	return Hold{b, client, amount}, nil
}

// Resize changes the amount that h holds. It does not wait: use it to release a part,
// or to account for what could not be known before.
func (h *Hold) Resize(amount int64) {
	b := h.budget
	if b == nil || amount == h.amount {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.change(h.client, amount-h.amount, 0)
	h.amount = amount
	b.wake()
}

// Release releases all that h holds. It may be called again.
func (h *Hold) Release() {
	h.Resize(0)
	h.budget = nil
}

// Used returns what all clients hold together.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// take takes an amount if it fits. It is called with mu held, as are those below.
func (b *Budget) take(client netip.Addr, amount int64) error {
	if err := b.fits(client, amount); err != nil {
		return err
	}
	b.change(client, amount, 0)
	return nil
}

// fits returns why a client may not take an amount, or nil.
func (b *Budget) fits(client netip.Addr, amount int64) error {
	held := b.clients[client].held
	share := b.share(b.Total - b.used + held)
	switch {
	case b.used+amount <= b.Total && held+amount <= share:
		return nil
	case held+amount > b.share(b.Total):
		return ErrShare
	}
	return ErrFull
}

// share returns what a client may hold of what the others leave.
func (b *Budget) share(left int64) int64 {
	if left <= 0 {
		return b.Least
	}
	hi, lo := bits.Mul64(uint64(left), uint64(left))
	share, _ := bits.Div64(hi, lo, uint64(b.Total)*uint64(b.Divisor))
	return max(int64(share), b.Least)
}

// change changes what is known of a client. Amounts of all clients change with it.
func (b *Budget) change(client netip.Addr, amount int64, waiting int) {
	b.used += amount
	u := b.clients[client]
	u.held += amount
	u.waiting += waiting
	if u == (usage{}) {
		delete(b.clients, client)
		return
	}
	if b.clients == nil {
		b.clients = make(map[netip.Addr]usage)
	}
	b.clients[client] = u
}

// wake gives those that wait what fits now.
func (b *Budget) wake() {
	for len(b.waiting) > 0 {
		i := b.next()
		if i < 0 {
			return
		}
		w := b.waiting[i]
		b.waiting = slices.Delete(b.waiting, i, i+1)
		b.change(w.client, w.amount, -1)
		close(w.ready)
	}
}

// next returns the index of the waiter whose turn it is, or -1: the first one of the
// client that holds the least.
func (b *Budget) next() int {
	best, least := -1, int64(0)
	for i, w := range b.waiting {
		held := b.clients[w.client].held
		if (best < 0 || held < least) && b.fits(w.client, w.amount) == nil {
			best, least = i, held
		}
	}
	return best
}

// Network returns the addresses among which one client can choose, by the first of
// them: of IPv6 a /64. Clients are counted by it.
func Network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		prefix, _ := a.Prefix(64)
		return prefix.Addr()
	}
	return a
}
