package answers

import (
	"net/http"
	"strconv"
	"time"
)

// Limit returns a handler that counts the requests of next. Ones that are too many get
// 503 at once. A request over HTTP/2 is under way until its client has read all of the
// answer: net/http keeps the rest of it, a stream and a goroutine until then.
func (b *Budgets) Limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hold, err := b.of(Requests).TryAcquire(ClientOf(r), 1)
		if err != nil {
			b.count(Requests, err)
			b.Refuse(w, r, func() { WriteText(w, http.StatusServiceUnavailable, Busy) })
			return
		}
		defer hold.Release()
		next.ServeHTTP(w, r)
		flush(w, r)
		if r.ProtoMajor == 2 && r.Context().Err() != nil {
			// The deadline of a stream that was reset would keep all of it in memory.
			_ = http.NewResponseController(w).SetWriteDeadline(time.Time{})
		}
	})
}

// Refuse answers 503 with Retry-After, and with words unless the client has left too
// many unread already. A client that has disconnected gets nothing.
func (b *Budgets) Refuse(w http.ResponseWriter, r *http.Request, words func()) {
	if r.Context().Err() != nil {
		return
	}
	w.Header().Set("Retry-After", RetryAfter)
	hold, err := b.of(Refusals).TryAcquire(ClientOf(r), 1)
	if err != nil {
		b.count(Refusals, err)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer hold.Release()
	words()
	flush(w, r)
}

// flush waits until the client has read what was written, if net/http would wait for
// it after the handler.
func flush(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 2 {
		_ = http.NewResponseController(w).Flush() // the client may have disconnected
	}
}

// Serve answers a request once there is room for an answer of cost c. Render makes the
// body; its error is one of the server.
func (b *Budgets) Serve(w http.ResponseWriter, r *http.Request, c Cost, render func() ([]byte, error)) {
	a, ok := b.Begin(r.Context(), ClientOf(r), c)
	if !ok {
		b.Refuse(w, r, func() { WriteText(w, http.StatusServiceUnavailable, Busy) })
		return
	}
	defer a.End()
	body, err := render()
	a.Rendered(cap(body))
	if err != nil {
		WriteText(w, http.StatusInternalServerError, err.Error())
		return
	}
	WriteBody(w, http.StatusOK, body)
}

// WriteBody writes a response, its body as [Write] does. An error means that the client
// has disconnected; there is nobody to tell.
func WriteBody(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_ = Write(w, http.NewResponseController(w).SetWriteDeadline, body)
}

// WriteText writes a response of one line, as http.Error does.
func WriteText(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	WriteBody(w, status, []byte(text+"\n"))
}
