package budget

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A slowBudget says who holds what by adding up all that was asked for.
type slowBudget struct {
	total, divisor, least int64
	maxWaiting, perClient int
	asked                 []*asked // in order
}

// An asked is an amount that a client holds, waits for, or did not get.
type asked struct {
	client  int
	amount  int64
	held    bool
	waiting bool
}

func (s *slowBudget) held(client int) (own, others int64) {
	for _, a := range s.asked {
		switch {
		case a.held && a.client == client:
			own += a.amount
		case a.held:
			others += a.amount
		}
	}
	return own, others
}

func (s *slowBudget) fits(a *asked) bool {
	own, others := s.held(a.client)
	share := (s.total - others) * (s.total - others) / (s.total * s.divisor)
	if s.least > share {
		share = s.least
	}
	return own+others+a.amount <= s.total && own+a.amount <= share
}

func (s *slowBudget) ask(client int, amount int64, wait bool) *asked {
	a := &asked{client: client, amount: amount}
	waiting, ofClient := 0, 0
	for _, other := range s.asked {
		if other.waiting {
			waiting++
			if other.client == client {
				ofClient++
			}
		}
	}
	a.held = s.fits(a)
	ever := amount*s.divisor <= s.total || amount <= s.least
	a.waiting = !a.held && wait && ever && waiting < s.maxWaiting && ofClient < s.perClient
	s.asked = append(s.asked, a)
	return a
}

// settle gives those that wait what fits: each time to the client with the least.
func (s *slowBudget) settle() {
	for {
		var best *asked
		var least int64
		for _, a := range s.asked {
			if !a.waiting || !s.fits(a) {
				continue
			}
			if own, _ := s.held(a.client); best == nil || own < least {
				best, least = a, own
			}
		}
		if best == nil {
			return
		}
		best.waiting, best.held = false, true
	}
}

// A request is one of a Budget, beside the same one of a slowBudget.
type request struct {
	*asked
	hold   Hold
	err    error
	done   chan struct{} // closed when hold and err are known
	cancel context.CancelFunc
}

// TestAgainstOracle asks, resizes, releases and cancels at random.
func TestAgainstOracle(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) { compareWithOracle(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func compareWithOracle(t *testing.T, r *rand.Rand) {
	s := &slowBudget{total: 1 + r.Int64N(60), divisor: 2 + r.Int64N(6), least: r.Int64N(4), maxWaiting: r.IntN(8), perClient: r.IntN(4)}
	b := &Budget{Total: s.total, Divisor: s.divisor, Least: s.least, Wait: time.Hour, MaxWaiting: s.maxWaiting, MaxWaitingPerClient: s.perClient}
	var all []*request
	for range 60 {
		switch i := r.IntN(10); {
		case i < 5:
			all = append(all, ask(t, b, s, 1+r.IntN(5), 1+r.Int64N(12), i < 4))
		case len(all) == 0:
		default:
			q := all[r.IntN(len(all))]
			switch {
			case q.waiting:
				q.cancel()
				q.waiting = false
			case q.held && i < 7:
				q.amount = r.Int64N(q.amount + 2)
				q.hold.Resize(q.amount)
			case q.held:
				q.hold.Release()
				q.held = false
			}
		}
		s.settle()
		synctest.Wait()
		compareHolds(t, b, s, all)
	}
	for _, q := range all {
		q.cancel()
		<-q.done
		q.hold.Release()
	}
	requireUnused(t, b)
}

func ask(t *testing.T, b *Budget, s *slowBudget, who int, amount int64, wait bool) *request {
	ctx, cancel := context.WithCancel(t.Context())
	q := &request{asked: s.ask(who, amount, wait), done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(q.done)
		if wait {
			q.hold, q.err = b.Acquire(ctx, client(who), amount)
		} else {
			q.hold, q.err = b.TryAcquire(client(who), amount)
		}
	}()
	synctest.Wait()
	return q
}

func compareHolds(t *testing.T, b *Budget, s *slowBudget, all []*request) {
	waiting, used := 0, int64(0)
	for _, q := range all {
		if q.waiting {
			waiting++
			select {
			case <-q.done:
				require.Fail(t, "a request does not wait", "%+v: %v", q.asked, q.err)
			default:
			}
			continue
		}
		<-q.done
		if q.held {
			require.NoError(t, q.err)
			used += q.amount
		}
	}
	require.Equal(t, used, b.Used())
	require.Len(t, b.waiting, waiting)
	for who := 1; who <= 5; who++ {
		own, _ := s.held(who)
		assert.Equal(t, own, b.clients[client(who)].held)
	}
	clients := make(map[int]bool)
	for _, a := range s.asked {
		if a.waiting || a.held && a.amount > 0 {
			clients[a.client] = true
		}
	}
	require.Len(t, b.clients, len(clients), "nothing is kept of those that neither hold nor wait")
}
