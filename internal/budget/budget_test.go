package budget

import (
	"context"
	"net/netip"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// client returns the address of the n-th client.
func client(n int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)}) }

// requireUnused has b hold nothing, and know nobody.
func requireUnused(t *testing.T, b *Budget) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Zero(t, b.used)
	require.Empty(t, b.clients)
	require.Empty(t, b.waiting)
}

func TestShareOfOneClient(t *testing.T) {
	b := &Budget{Total: 256, Divisor: 32}
	var holds []Hold
	for range 8 {
		h, err := b.TryAcquire(client(1), 1)
		require.NoError(t, err)
		holds = append(holds, h)
	}
	_, err := b.TryAcquire(client(1), 1)
	assert.Equal(t, ErrShare, err)
	_, err = b.TryAcquire(client(2), 8)
	assert.Equal(t, ErrFull, err, "the first one leaves 248: 248*248/256/32 is 7")
	h, err := b.TryAcquire(client(2), 7)
	require.NoError(t, err)
	assert.EqualValues(t, 15, b.Used())
	for i := range holds {
		holds[i].Release()
		holds[i].Release()
	}
	assert.EqualValues(t, 7, b.Used())
	h.Release()
	requireUnused(t, b)
}

// TestRoomForOneMore: however many clients come one after the other, and take all they
// can get, there is room for one more. In all, never more than the total is held.
func TestRoomForOneMore(t *testing.T) {
	for _, clients := range []int64{1, 2, 8, 50, 1000} {
		b := &Budget{Total: 32 << 20, Divisor: 8}
		for i := range clients {
			for n := b.Total; n > 0; n /= 2 {
				for {
					if _, err := b.TryAcquire(client(int(i)), n); err != nil {
						break
					}
				}
			}
		}
		left := b.Total - b.Used()
		assert.GreaterOrEqual(t, left, b.Total*7/(7+clients), "%d clients", clients)
		_, err := b.TryAcquire(client(int(clients)), left/8*left/b.Total)
		assert.NoError(t, err, "%d clients", clients)
	}
}

// TestHugeTotal: nothing overflows.
func TestHugeTotal(t *testing.T) {
	b := &Budget{Total: 1 << 50, Divisor: 4}
	h, err := b.TryAcquire(client(1), 1<<48)
	require.NoError(t, err)
	_, err = b.TryAcquire(client(1), 1)
	assert.Equal(t, ErrShare, err)
	h.Resize(1 << 49)
	_, err = b.TryAcquire(client(2), 1<<46)
	assert.NoError(t, err)
	_, err = b.TryAcquire(client(2), 1)
	assert.Equal(t, ErrFull, err)
}

func TestLeast(t *testing.T) {
	b := &Budget{Total: 2, Divisor: 2, Least: 1}
	_, err := b.TryAcquire(client(1), 1)
	require.NoError(t, err)
	_, err = b.TryAcquire(client(1), 1)
	assert.Equal(t, ErrShare, err)
	second, err := b.TryAcquire(client(2), 1)
	require.NoError(t, err, "half of the one that is left would be none")
	_, err = b.TryAcquire(client(3), 1)
	assert.Equal(t, ErrFull, err)
	second.Release()
	_, err = b.TryAcquire(client(3), 1)
	assert.NoError(t, err)
}

func TestResize(t *testing.T) {
	b := &Budget{Total: 100, Divisor: 2, Least: 100}
	h, err := b.TryAcquire(client(1), 60)
	require.NoError(t, err)
	h.Resize(10)
	assert.EqualValues(t, 10, b.Used())
	_, err = b.TryAcquire(client(2), 90)
	require.NoError(t, err)
	h.Resize(70)
	assert.EqualValues(t, 160, b.Used(), "what is there already counts, also beyond the total")
	_, err = b.TryAcquire(client(3), 1)
	assert.Equal(t, ErrFull, err)
	h.Release()
	h.Resize(5)
	assert.EqualValues(t, 90, b.Used(), "it is over")
	new(Hold).Release()
}

// acquire begins Acquire, whose result comes from the channel.
func acquire(ctx context.Context, b *Budget, client netip.Addr, n int64) <-chan error {
	result := make(chan error, 1)
	go func() {
		_, err := b.Acquire(ctx, client, n)
		result <- err
	}()
	synctest.Wait()
	return result
}

func TestAcquireWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Budget{Total: 10, Divisor: 2, Wait: 15 * time.Second, MaxWaiting: 2, MaxWaitingPerClient: 1}
		h, err := b.Acquire(t.Context(), client(1), 5)
		require.NoError(t, err)
		began := time.Now()
		waits := acquire(t.Context(), b, client(1), 5)
		assert.Equal(t, ErrShare, <-acquire(t.Context(), b, client(1), 1), "one waits already")
		assert.Equal(t, ErrShare, <-acquire(t.Context(), b, client(2), 6), "it could never have that")
		assert.Equal(t, time.Now(), began)
		assert.Equal(t, ErrShare, <-waits)
		assert.Equal(t, 15*time.Second, time.Since(began))

		waits = acquire(t.Context(), b, client(1), 5)
		h.Release()
		assert.NoError(t, <-waits)
		assert.EqualValues(t, 5, b.Used())

		ctx, cancel := context.WithCancel(t.Context())
		waits = acquire(ctx, b, client(2), 5)
		other := acquire(t.Context(), b, client(3), 5)
		assert.Equal(t, ErrFull, <-acquire(t.Context(), b, client(4), 5), "two wait already")
		cancel()
		assert.Equal(t, context.Canceled, <-waits)
		assert.Equal(t, ErrFull, <-other)
		assert.Len(t, b.clients, 1)
	})
}

// TestLeastHeldFirst: of those that wait, the client that holds the least goes first,
// and then who came first. Who does not fit holds up nobody.
func TestLeastHeldFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Budget{Total: 4, Divisor: 2, Least: 4, Wait: time.Minute, MaxWaiting: 10, MaxWaitingPerClient: 10}
		held := make([]Hold, 0, 4)
		for _, c := range []int{1, 1, 1, 2} {
			h, err := b.TryAcquire(client(c), 1)
			require.NoError(t, err)
			held = append(held, h)
		}
		var mu sync.Mutex
		var order []string
		wait := func(c int, n int64, name string) {
			go func() {
				_, err := b.Acquire(t.Context(), client(c), n)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					order = append(order, name)
				}
			}()
			synctest.Wait()
		}
		wait(1, 1, "the one with the most")
		wait(4, 4, "too much")
		wait(2, 1, "the one with some")
		wait(3, 1, "the first with none")
		wait(5, 1, "the second with none")
		for i := range held {
			held[i].Release()
			synctest.Wait()
		}
		assert.Equal(t, []string{"the first with none", "the second with none", "the one with the most", "the one with some"}, order)
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Len(t, order, 4)
	})
}

// TestConcurrent has the race detector look at it, and nothing is left over.
func TestConcurrent(t *testing.T) {
	b := &Budget{Total: 100, Divisor: 4, Least: 1, Wait: time.Minute, MaxWaiting: 10, MaxWaitingPerClient: 3}
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			for n := range 500 {
				h, err := b.Acquire(t.Context(), client(i%8), int64(1+n%20))
				if err != nil {
					continue
				}
				assert.LessOrEqual(t, b.Used(), b.Total)
				h.Resize(1)
				h.Release()
			}
		})
	}
	all.Wait()
	requireUnused(t, b)
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.7":                  "192.0.2.7",
		"::ffff:192.0.2.7":           "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":       "2001:db8:1:2::",
		"2001:db8:1:2:ffff::%eth0":   "2001:db8:1:2::",
		"2001:db8:1:3::":             "2001:db8:1:3::",
		"fe80::1%" + strconv.Itoa(3): "fe80::",
	} {
		assert.Equal(t, netip.MustParseAddr(want), Network(netip.MustParseAddr(in)), in)
	}
	assert.Equal(t, netip.Addr{}, Network(netip.Addr{}))
}

func TestAcquireAllocatesNothing(t *testing.T) {
	b := &Budget{Total: 100, Divisor: 4}
	keep, err := b.TryAcquire(client(0), 1)
	require.NoError(t, err)
	defer keep.Release()
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		h, err := b.Acquire(t.Context(), client(1), 4)
		if err != nil {
			t.Error(err)
		}
		h.Resize(2)
		h.Release()
	}))
}
