package guard

import (
	"context"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/refusal"
	"github.com/tlspeek/tlspeek/policy"
	"github.com/tlspeek/tlspeek/server"
)

// maxDrained is how many bytes are read of the body of a request that is held back. Over
// HTTP/1 net/http sees that a client has left only once the body has come.
const maxDrained = 64 << 10

// answerTime is how long a client may take for the answer once it is held back no longer.
const answerTime = 10 * time.Second

// Handler returns a handler that calls next for requests that the policy lets pass. The
// others it answers or ends:
//
//   - deny with 403, and limit with 429 and Retry-After
//   - close by closing the connection with all of its requests, whatever the version of
//     HTTP
//   - tarpit as deny, but after a time. Over HTTP/1 and HTTP/2 the connection is closed
//     after the answer.
//
// The answers are plain text. Their second line has the id of the Event, such as
// "reference: 62c82ce797b37a1e9dbd095a89cf855d", by which the operator finds what was decided.
//
// A request that is not on a connection of a [server.Listener] or [server.HTTP3] passes.
func (g *Guard) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, d := server.Judge(r, g.DecideRequest)
		if !d.Close {
			if r.Method == http.MethodOptions && r.RequestURI == "*" && server.ClientOf(r.Context()) != nil {
				answerGeneralOptions(w, r)
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		switch policy.Action(d.Action) {
		case policy.Limit:
			seconds := strconv.Itoa(max(1, int(math.Ceil(d.Retry.Seconds()))))
			w.Header().Set("Retry-After", seconds)
			refuse(w, r, http.StatusTooManyRequests, "too many requests: try again in "+seconds+" s")
		case policy.Tarpit:
			if !g.acquire() {
				closeConn(r)
			}
			g.hold(w, r, d.Wait)
			if r.ProtoMajor < 3 {
				w.Header().Set("Connection", "close") // over HTTP/2, too: GOAWAY
			}
			refuse(w, r, http.StatusForbidden, "forbidden")
		case policy.Deny:
			refuse(w, r, http.StatusForbidden, "forbidden")
		default:
			closeConn(r)
		}
	})
}

// maxOptionsBody is how much of the body of an "OPTIONS *" request is read, as in net/http.
const maxOptionsBody = 4 << 10

// answerGeneralOptions answers "OPTIONS *" as net/http does: a [server.Server] leaves it to
// the handler if requests are decided about.
func answerGeneralOptions(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", "0")
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(answerTime))
		_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxOptionsBody))
	}
}

// refuse answers with a text, and with a reference that a person can quote to the operator:
// the id of the Event.
func refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	w.Header().Set("Cache-Control", "no-store")
	if e, ok := server.FromContext(r.Context()); ok && e.ID != (event.ID{}) {
		text += "\nreference: " + e.ID.String()
	}
	refusal.Write(w, r, status, text) // as plain text that browsers do not take for anything else
}

// closeConn closes the connection of r, and ends the handler that calls it.
func closeConn(r *http.Request) {
	if c, ok := server.ClientOf(r.Context()).(io.Closer); ok {
		c.Close()
	}
	panic(http.ErrAbortHandler)
}

// hold holds r back for a time, until its client has left, or until Stop is called. It
// releases what acquire has counted.
func (g *Guard) hold(w http.ResponseWriter, r *http.Request, wait time.Duration) {
	defer g.release()
	stopping, until := g.stopping(), time.Now().Add(wait)
	// Those of the server are for requests that are answered at once. A writer without
	// deadlines has none.
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(until.Add(answerTime))
	if r.ProtoMajor == 1 && c.SetReadDeadline(until) == nil && r.ContentLength != 0 && !drain(c, r, stopping) {
		return
	}
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.Context().Done():
	case <-stopping.Done():
	}
}

// drain reads the beginning of the body of r. It returns false if the client has left
// before, the deadline has passed, or stopping is done.
func drain(c *http.ResponseController, r *http.Request, stopping context.Context) bool {
	defer context.AfterFunc(stopping, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })()
	_, err := io.CopyN(io.Discard, r.Body, maxDrained)
	return err == nil || err == io.EOF
}
