package answers

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	first  = netip.MustParseAddr("192.0.2.1")
	second = netip.MustParseAddr("2001:db8::")
)

// A refusals counts what was refused.
type refusals map[string]int

func (r refusals) add(of Resource, cause string) { r[string(of)+" "+cause]++ }

// used returns what is used of everything.
func (b *Budgets) used() map[Resource]int64 {
	all := make(map[Resource]int64)
	for _, r := range Resources {
		if n, _ := b.Used(r); n != 0 {
			all[r] = n
		}
	}
	return all
}

// TestEveryBudgetLeavesRoom: no client may hold more than half of anything, and one that
// holds nothing gets something while others hold their shares.
func TestEveryBudgetLeavesRoom(t *testing.T) {
	for _, bytes := range []int64{0, 16 << 20, 1 << 30} {
		b := &Budgets{MaxBytes: bytes}
		for _, r := range Resources {
			of := b.of(r)
			if of.Total > 1 {
				assert.LessOrEqual(t, max(of.Total/of.Divisor, of.Least), max(1, of.Total/2), r)
			}
			for n := range 20 {
				for step := of.Total; step > 0; step /= 2 {
					for {
						if _, err := of.TryAcquire(netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), step); err != nil {
							break
						}
					}
				}
			}
			if r != Renders && r != Readings { // these are short
				_, err := of.TryAcquire(second, max(1, of.Least))
				assert.NoError(t, err, "%s of %d", r, bytes)
			}
		}
	}
}

func TestAnswerHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := refusals{}
		b := &Budgets{Refused: refused.add}
		a, ok := b.Begin(t.Context(), first, Cost{Bytes: 1 << 20, Heavy: true})
		require.True(t, ok)
		assert.Equal(t, map[Resource]int64{LargeAnswers: 1 << 20, Renders: 1}, b.used())

		// Another one of the same client waits until this one is made.
		began := time.Now()
		_, ok = b.Begin(t.Context(), first, Cost{Bytes: 1 << 10, Heavy: true})
		assert.False(t, ok)
		assert.Equal(t, waitTimeout, time.Since(began))
		assert.Equal(t, refusals{"renders client": 1}, refused)
		other, ok := b.Reserve(t.Context(), second, Cost{Bytes: 10_000, Heavy: true})
		require.True(t, ok)
		require.True(t, other.Read(t.Context()))
		assert.Equal(t, map[Resource]int64{LargeAnswers: 1<<20 + 10_000, Renders: 1, Readings: 1}, b.used())
		other.Rendered(5_000)
		assert.Equal(t, map[Resource]int64{LargeAnswers: 1<<20 + 5_000, Renders: 1}, b.used())
		other.End()

		a.Rendered(300_000)
		assert.Equal(t, map[Resource]int64{LargeAnswers: 300_000}, b.used())
		small, ok := b.Begin(t.Context(), first, Cost{Bytes: 100})
		require.True(t, ok)
		assert.Equal(t, map[Resource]int64{LargeAnswers: 300_000, SmallAnswers: minimum}, b.used())
		small.End()
		a.End()
		a.End()
		assert.Empty(t, b.used())

		// An answer that may be longer than any is made all the same.
		a, ok = b.Begin(t.Context(), first, Cost{Bytes: 1 << 40, Heavy: true})
		require.True(t, ok)
		a.End()

		ctx, cancel := context.WithCancel(t.Context())
		a, ok = b.Begin(t.Context(), first, Cost{Heavy: true})
		require.True(t, ok)
		cancel()
		_, ok = b.Begin(ctx, first, Cost{Heavy: true})
		assert.False(t, ok)
		assert.Len(t, refused, 1, "a client that has disconnected is not refused")
		a.End()
		assert.Empty(t, b.used())
	})
}

func TestUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := refusals{}
		b := &Budgets{Refused: refused.add}
		var leaves []func()
		for range 2 {
			leave, ok := b.BeginUpload(t.Context(), first, 8<<20)
			require.True(t, ok)
			leaves = append(leaves, leave)
		}
		_, ok := b.BeginUpload(t.Context(), first, 1)
		assert.False(t, ok)
		assert.Equal(t, refusals{"uploads client": 1}, refused)
		leave, ok := b.BeginUpload(t.Context(), second, 4<<20)
		assert.True(t, ok)
		for _, l := range append(leaves, leave) {
			l()
		}
		assert.Empty(t, b.used())
	})
}

// TestLimit: one client has as many requests under way as it may.
func TestLimit(t *testing.T) {
	refused := refusals{}
	b := &Budgets{Refused: refused.add}
	goOn, entered := make(chan struct{}), make(chan struct{})
	h := b.Limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			entered <- struct{}{}
			<-goOn
		}
		io.WriteString(w, "answer")
	}))
	get := func(client, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		r.RemoteAddr = client
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	done := make(chan struct{})
	for range 128 {
		go func() {
			get("192.0.2.1:1000", "/wait")
			done <- struct{}{}
		}()
		<-entered
	}
	w := get("192.0.2.1:2000", "/")
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Equal(t, "10", w.Header().Get("Retry-After"))
	assert.Equal(t, "too many answers at once: try again in a moment\n", w.Body.String())
	assert.Equal(t, refusals{"requests client": 1}, refused)
	for _, other := range []string{"192.0.2.2:1000", "[2001:db8::1]:1000"} {
		assert.Equal(t, "answer", get(other, "/").Body.String())
	}

	// A client that has not read 32 of such texts gets none.
	var leaves []func()
	for range 32 {
		leave, ok := b.TryEnter(first, Refusals)
		require.True(t, ok)
		leaves = append(leaves, leave)
	}
	w = get("[::ffff:192.0.2.1]:3000", "/")
	assert.Equal(t, http.StatusServiceUnavailable, w.Code)
	assert.Equal(t, "10", w.Header().Get("Retry-After"))
	assert.Empty(t, w.Body.String())
	for _, leave := range leaves {
		leave()
	}

	close(goOn)
	for range 128 {
		<-done
	}
	assert.Equal(t, "answer", get("192.0.2.1:2000", "/").Body.String())
	assert.Empty(t, b.used())
}

func TestServeBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(Budgets)
		h := func(w http.ResponseWriter, r *http.Request) {
			b.Serve(w, r, Cost{Heavy: true}, func() ([]byte, error) { return []byte("answer"), nil })
		}
		a, ok := b.Begin(t.Context(), first, Cost{Heavy: true})
		require.True(t, ok)
		w := httptest.NewRecorder()
		h(w, httptest.NewRequest("GET", "/", nil)) // from 192.0.2.1
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, "10", w.Header().Get("Retry-After"))
		assert.Equal(t, "too many answers at once: try again in a moment\n", w.Body.String())
		a.End()
		w = httptest.NewRecorder()
		h(w, httptest.NewRequest("GET", "/", nil))
		assert.Equal(t, "answer", w.Body.String())
		assert.Equal(t, "6", w.Header().Get("Content-Length"))
		assert.Empty(t, b.used())
	})
}

func TestNetworks(t *testing.T) {
	for address, want := range map[string]netip.Addr{
		"192.0.2.1:1":          first,
		"[::ffff:192.0.2.1]:1": first,
		"[2001:db8::2:3]:1":    second,
		"pipe":                 {},
	} {
		assert.Equal(t, want, ClientOf(&http.Request{RemoteAddr: address}))
	}
}
