// Package answers bounds what an answer about a hello costs: the memory and the
// processor time of making it, the memory until its client has read it, and how much
// of a message is taken apart. One about a hello of 60 KB takes megabytes.
package answers

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/internal/budget"
)

// A Resource is something that answers use up.
type Resource string

// The resources, and what they are counted in.
const (
	Requests     Resource = "requests"      // under way
	SmallAnswers Resource = "small_answers" // bytes
	LargeAnswers Resource = "large_answers" // bytes
	Renders      Resource = "renders"       // answers that are made now and take long
	Readings     Resource = "readings"      // uploads that are read now
	Uploads      Resource = "uploads"       // bytes
	Watchers     Resource = "watchers"      // of the live view
	Refusals     Resource = "refusals"      // texts that clients have not read yet
)

// Resources has them all.
var Resources = [...]Resource{Requests, SmallAnswers, LargeAnswers, Renders, Readings, Uploads, Watchers, Refusals}

// The causes of a refusal: what the client holds, and what all hold together.
const (
	CauseClient = "client"
	CauseAll    = "all"
)

const (
	// DefaultMaxBytes is what answers and uploads may have together.
	DefaultMaxBytes = 64 << 20

	waitTimeout = 15 * time.Second
	maxRequests = 1024

	// RetryAfter is the value of that field where there are too many answers,
	// in seconds, and Busy says so in words.
	RetryAfter = "10"
	Busy       = "too many answers at once: try again in a moment"
)

// Budgets bounds the answers under way, of all clients and of each. The zero value is
// ready. It is safe for use by several goroutines. The fields must not be changed once
// it is in use.
type Budgets struct {
	// MaxBytes is what answers and uploads may have together; 0 is DefaultMaxBytes. An
	// eighth is for small answers, three eighths for large ones, and half for uploads.
	MaxBytes int64

	// Refused, if not nil, is called for each request, line or watcher that is refused,
	// with CauseClient or CauseAll.
	Refused func(r Resource, cause string)

	once    sync.Once
	budgets map[Resource]*budget.Budget
}

func (b *Budgets) of(r Resource) *budget.Budget {
	b.once.Do(b.makeBudgets)
	return b.budgets[r]
}

func (b *Budgets) makeBudgets() {
	bytes := b.MaxBytes
	if bytes <= 0 {
		bytes = DefaultMaxBytes
	}
	// Short answers need a processor, too.
	processors := int64(max(1, min(4, runtime.GOMAXPROCS(0)/2)))
	b.budgets = map[Resource]*budget.Budget{
		// A stream over HTTP/2 whose client reads nothing takes about 25 KB.
		Requests:     {Total: maxRequests, Divisor: 8, Least: 8},
		SmallAnswers: {Total: bytes / 8, Divisor: 16, Least: least},
		LargeAnswers: {Total: bytes / 8 * 3, Divisor: 8},
		// Making one answer takes up to 40 MB for a moment, and reading a capture as much
		// for seconds.
		Renders:  {Total: processors, Divisor: max(2, processors), Least: 1},
		Readings: {Total: processors, Divisor: max(2, processors), Least: 1},
		Uploads:  {Total: bytes / 2, Divisor: 2, Least: least},
		Watchers: {Total: 256, Divisor: 32, Least: 1},
		Refusals: {Total: 256, Divisor: 8, Least: 1},
	}
	for _, of := range b.budgets {
		of.Wait, of.MaxWaiting, of.MaxWaitingPerClient = waitTimeout, maxRequests, maxRequests/8
	}
}

// Used returns how much of r is used now, and how much there is.
func (b *Budgets) Used(r Resource) (used, total int64) {
	of := b.of(r)
	return of.Used(), of.Total
}

type contextKey struct{}

// WithBudgets has [BudgetsOf] find b.
func WithBudgets(ctx context.Context, b *Budgets) context.Context {
	return context.WithValue(ctx, contextKey{}, b)
}

// BudgetsOf returns the Budgets of ctx, or otherwise.
func BudgetsOf(ctx context.Context, otherwise *Budgets) *Budgets {
	if b, ok := ctx.Value(contextKey{}).(*Budgets); ok {
		return b
	}
	return otherwise
}

// ClientOf returns the network that the client of r is counted by.
func ClientOf(r *http.Request) netip.Addr {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return budget.Network(a.Addr())
}

// NetworkOf returns the network that a client with an address is counted by.
func NetworkOf(addr net.Addr) netip.Addr {
	a, _ := netip.ParseAddrPort(addr.String())
	return budget.Network(a.Addr())
}

// TryEnter counts a use of r without waiting. The use counts until leave is called.
func (b *Budgets) TryEnter(client netip.Addr, r Resource) (leave func(), ok bool) {
	hold, err := b.of(r).TryAcquire(client, 1)
	b.count(r, err)
	return hold.Release, err == nil
}

// BeginUpload waits until there is room for an upload of n bytes. They count until
// leave is called.
func (b *Budgets) BeginUpload(ctx context.Context, client netip.Addr, n int64) (leave func(), ok bool) {
	of := b.of(Uploads)
	hold, err := of.Acquire(ctx, client, min(max(n, minimum), of.Total/of.Divisor))
	b.count(Uploads, err)
	return hold.Release, err == nil
}

// An Answer is one under way.
type Answer struct {
	budgets                *Budgets
	client                 netip.Addr
	bytes, reading, render budget.Hold
}

// Begin waits until the client may have one more answer, and until it can be made. It
// returns false if that takes too long, or ctx is done. The answer is under way until
// End is called.
func (b *Budgets) Begin(ctx context.Context, client netip.Addr, c Cost) (*Answer, bool) {
	a, ok := b.Reserve(ctx, client, c)
	if ok && c.Heavy && !a.Render(ctx) {
		a.End()
		ok = false
	}
	return a, ok
}

// Reserve is Begin for an answer that is not made yet.
func (b *Budgets) Reserve(ctx context.Context, client netip.Addr, c Cost) (*Answer, bool) {
	r := SmallAnswers
	if c.Heavy {
		r = LargeAnswers
	}
	of := b.of(r)
	// One that may be longer than any counts as the longest until it is made.
	bytes, err := of.Acquire(ctx, client, min(max(int64(c.Bytes), minimum), of.Total/of.Divisor))
	b.count(r, err)
	return &Answer{budgets: b, client: client, bytes: bytes}, err == nil
}

// Read waits until an upload can be read for the answer. Until Rendered is called,
// nothing may wait for the client.
func (a *Answer) Read(ctx context.Context) (ok bool) {
	return a.enter(ctx, Readings, &a.reading)
}

// Render waits until the answer can be made, as Read does.
func (a *Answer) Render(ctx context.Context) (ok bool) {
	return a.enter(ctx, Renders, &a.render)
}

func (a *Answer) enter(ctx context.Context, r Resource, hold *budget.Hold) bool {
	var err error
	*hold, err = a.budgets.of(r).Acquire(ctx, a.client, 1)
	a.budgets.count(r, err)
	return err == nil
}

// Rendered says that the answer is made and takes n bytes, which its client has to
// read.
func (a *Answer) Rendered(n int) {
	a.reading.Release()
	a.render.Release()
	a.bytes.Resize(max(int64(n), minimum))
}

// End ends the answer. It may be called again.
func (a *Answer) End() {
	a.reading.Release()
	a.render.Release()
	a.bytes.Release()
}

// count counts a refusal. That a client has disconnected is none.
func (b *Budgets) count(r Resource, err error) {
	if b.Refused == nil {
		return
	}
	switch {
	case errors.Is(err, budget.ErrShare):
		b.Refused(r, CauseClient)
	case errors.Is(err, budget.ErrFull):
		b.Refused(r, CauseAll)
	}
}
