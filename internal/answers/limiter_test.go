package answers

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/server"
)

// contextOf returns the context of a request on conn.
func contextOf(t *testing.T, conn *server.Conn) context.Context {
	t.Helper()
	return server.ConnContext(t.Context(), conn)
}

// enterAll begins n answers, and returns the functions that end them.
func enterAll(t *testing.T, l *Limiter, ctx context.Context, n int) (leaves []func()) {
	t.Helper()
	for range n {
		leave, ok := l.Enter(ctx)
		require.True(t, ok)
		leaves = append(leaves, leave)
	}
	return leaves
}

func TestAnswersOfOneClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Limiter
		conn := new(server.Conn)
		ctx := contextOf(t, conn)
		leaves := enterAll(t, &l, ctx, maxPerClient)
		began := time.Now()
		_, ok := l.Enter(ctx)
		assert.False(t, ok)
		assert.Equal(t, waitTimeout, time.Since(began))
		enterAll(t, &l, contextOf(t, new(server.Conn)), maxPerClient)

		entered := make(chan func())
		go func() {
			leave, ok := l.Enter(ctx)
			assert.True(t, ok)
			entered <- leave
		}()
		synctest.Wait()
		leaves[0]()
		leaves[0] = <-entered
		assert.Equal(t, maxPerClient, l.clients[conn])
		for _, leave := range leaves {
			leave()
		}
		assert.Len(t, l.clients, 1, "nothing is kept of a client without answers")
		assert.Zero(t, l.clients[conn])
		assert.Equal(t, maxPerClient, l.open)
		assert.Empty(t, l.waiting)
	})
}

// TestFewestAnswersFirst: some clients have as many answers as they may, and the one
// that waits last has none.
func TestFewestAnswersFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Limiter
		var leaves []func()
		var many []context.Context
		for range maxOpen / maxPerClient {
			ctx := contextOf(t, new(server.Conn))
			many = append(many, ctx)
			leaves = append(leaves, enterAll(t, &l, ctx, maxPerClient)...)
		}
		order := make(chan string, 20)
		enter := func(name string, ctx context.Context) {
			go func() {
				if _, ok := l.Enter(ctx); ok {
					order <- name
				} else {
					order <- "not " + name
				}
			}()
			synctest.Wait()
		}
		for _, ctx := range many {
			enter("one of many", ctx)
		}
		enter("unknown", t.Context())
		enter("the first", contextOf(t, new(server.Conn)))
		leaves[0]()
		assert.Equal(t, "unknown", <-order, "it has no answers that are known")
		leaves[1]()
		assert.Equal(t, "the first", <-order)
		leaves[2]()
		assert.Equal(t, "one of many", <-order)
		assert.Equal(t, maxOpen, l.open)
		time.Sleep(waitTimeout)
		for range len(many) - 1 {
			assert.Equal(t, "not one of many", <-order)
		}
	})
}

func TestTooManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Limiter
		ctx := contextOf(t, new(server.Conn))
		leaves := enterAll(t, &l, ctx, maxPerClient)
		canceled, cancel := context.WithCancel(ctx)
		refused := make(chan bool, maxWaiting)
		for range maxWaiting {
			go func() {
				_, ok := l.Enter(canceled)
				refused <- !ok
			}()
		}
		synctest.Wait()
		_, ok := l.Enter(ctx)
		assert.False(t, ok, "at once")
		cancel() // the clients have disconnected
		for range maxWaiting {
			assert.True(t, <-refused)
		}
		assert.Empty(t, l.waiting)
		leaves[0]()
		enterAll(t, &l, ctx, 1)
	})
}

func TestLimitAnswersBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Limiter
		h := l.Limit(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "answer") })
		leaves := enterAll(t, &l, t.Context(), maxOpen)
		w := httptest.NewRecorder()
		h(w, httptest.NewRequest("GET", "/", nil))
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, "10", w.Header().Get("Retry-After"))
		assert.Equal(t, "too many answers at once: try again in a moment\n", w.Body.String())
		leaves[0]()
		w = httptest.NewRecorder()
		h(w, httptest.NewRequest("GET", "/", nil))
		assert.Equal(t, "answer", w.Body.String())
		assert.Equal(t, maxOpen-1, l.open)
	})
}
