package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// enterAll has n answers wanted on a connection, and returns what ends one.
func enterAll(t *testing.T, a *answers, conn source, n int) (leaves []func()) {
	t.Helper()
	for range n {
		leave, ok := a.enter(t.Context(), conn)
		require.True(t, ok)
		leaves = append(leaves, leave)
	}
	return leaves
}

func TestAnswersOfAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a answers
		conn, other := new(Conn), new(quicConn)
		leaves := enterAll(t, &a, conn, maxAnswersPerConn)
		began := time.Now()
		_, ok := a.enter(t.Context(), conn)
		assert.False(t, ok)
		assert.Equal(t, answerWait, time.Since(began))
		enterAll(t, &a, other, maxAnswersPerConn)

		entered := make(chan func())
		go func() {
			leave, ok := a.enter(t.Context(), conn)
			assert.True(t, ok)
			entered <- leave
		}()
		synctest.Wait()
		leaves[0]()
		leaves[0] = <-entered
		assert.Equal(t, maxAnswersPerConn, a.conns[conn])
		for _, leave := range leaves {
			leave()
		}
		assert.NotContains(t, a.conns, source(conn), "nothing is kept of a connection without answers")
		assert.Equal(t, maxAnswersPerConn, a.all)
		assert.Empty(t, a.waiting)
	})
}

// TestAnswersInTurn has clients with all answers there may be, and one with none,
// which comes last.
func TestAnswersInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a answers
		var leaves []func()
		var many []source
		for range maxAnswers / maxAnswersPerConn {
			conn := new(Conn)
			many = append(many, conn)
			leaves = append(leaves, enterAll(t, &a, conn, maxAnswersPerConn)...)
		}
		order := make(chan string, 20)
		want := func(name string, conn source) {
			go func() {
				if _, ok := a.enter(t.Context(), conn); ok {
					order <- name
				} else {
					order <- "not " + name
				}
			}()
			synctest.Wait()
		}
		for _, conn := range many {
			want("one of many", conn)
		}
		want("unknown", nil)
		want("the first", new(Conn))
		leaves[0]()
		assert.Equal(t, "unknown", <-order, "nothing is known to be under way for it")
		leaves[1]()
		assert.Equal(t, "the first", <-order)
		leaves[2]()
		assert.Equal(t, "one of many", <-order)
		assert.Equal(t, maxAnswers, a.all)
		time.Sleep(answerWait)
		for range len(many) - 1 {
			assert.Equal(t, "not one of many", <-order)
		}
	})
}

func TestAnswersWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a answers
		conn := new(Conn)
		leaves := enterAll(t, &a, conn, maxAnswersPerConn)
		ctx, cancel := context.WithCancel(t.Context())
		refused := make(chan bool, maxAnswersWaiting)
		for range maxAnswersWaiting {
			go func() {
				_, ok := a.enter(ctx, conn)
				refused <- !ok
			}()
		}
		synctest.Wait()
		_, ok := a.enter(t.Context(), conn)
		assert.False(t, ok, "at once: there are too many that wait")
		cancel() // the clients have gone
		for range maxAnswersWaiting {
			assert.True(t, <-refused)
		}
		assert.Empty(t, a.waiting)
		leaves[0]()
		enterAll(t, &a, conn, 1)
	})
}

// TestBusy has handlers that are asked when there are too many answers.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a answers
		p := &Page{}
		h := handler(p, &a)
		enterAll(t, &a, nil, maxAnswers)
		for _, path := range []string{"/", "/json", "/hello.bin", "/api/all", "/api/clean", "/api/browserleaks", "/compare"} {
			for _, accept := range []string{"*/*", "text/html"} {
				w := get(h, path, accept)
				assert.Equal(t, 503, w.Code, path)
				assert.Equal(t, "10", w.Header().Get("Retry-After"), path)
				assert.Contains(t, w.Body.String(), "too many answers at once: try again in a moment", path)
			}
		}
		assert.Equal(t, 503, post(t, h, map[string]string{"client": "x"}, nil).Code)
		assert.Equal(t, 200, get(h, "/static/style.css", "*/*").Code)
		assert.Equal(t, maxAnswers, a.all)
		r := httptest.NewRequest("OPTIONS", "/json", nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		assert.Equal(t, http.StatusNoContent, w.Code)
	})
}

func TestHandlersLeave(t *testing.T) {
	var a answers
	h := handler(&Page{}, &a)
	for _, path := range []string{"/", "/json", "/hello.bin", "/api/all", "/compare", "/compare?client=x"} {
		get(h, path, "text/html")
		assert.Zero(t, a.all, path)
	}
	post(t, h, map[string]string{"client": "x"}, nil)
	assert.Zero(t, a.all)
}

// A slowWriter takes a while for each write, and notes its deadline.
type slowWriter struct {
	strings.Builder
	took     time.Duration
	deadline time.Time
	sizes    []int
}

func (w *slowWriter) SetWriteDeadline(t time.Time) error { w.deadline = t; return nil }

func (w *slowWriter) Write(p []byte) (int, error) {
	time.Sleep(w.took)
	if time.Now().After(w.deadline) {
		return 0, errors.New("late")
	}
	w.sizes = append(w.sizes, len(p))
	return w.Builder.Write(p)
}

func TestWriteAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := strings.Repeat("x", 5*answerStep/2)
		w := &slowWriter{took: answerStall}
		require.NoError(t, writeAll(w, w.SetWriteDeadline, []byte(body)))
		assert.Equal(t, body, w.String())
		assert.Equal(t, []int{answerStep, answerStep, answerStep / 2}, w.sizes)

		w = &slowWriter{took: answerStall + 1}
		assert.EqualError(t, writeAll(w, w.SetWriteDeadline, []byte(body)), "late")
		assert.Empty(t, w.String())

		w = &slowWriter{took: answerStall}
		began := time.Now()
		assert.EqualError(t, writeAll(w, w.SetWriteDeadline, make([]byte, 100*answerStep)), "late")
		assert.LessOrEqual(t, time.Since(began), defaultWriteTimeout+answerStall)

		require.NoError(t, writeAll(io.Discard, func(time.Time) error { return http.ErrNotSupported }, []byte(body)))
	})
}
