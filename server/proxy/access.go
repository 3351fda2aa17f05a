package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/headertext"
	"github.com/tlspeek/tlspeek/server"
)

// An AccessFormat is the form of the lines of an [AccessLog].
type AccessFormat int

// The formats of an [AccessLog].
const (
	AccessText     AccessFormat = iota // as slog.TextHandler has it
	AccessJSON                         // as slog.JSONHandler has it
	AccessCombined                     // Apache's combined format, and after it JA4 and client
)

var accessFormats = [...]string{"text", "json", "combined"}

// MarshalText returns "text", "json" or "combined".
func (f AccessFormat) MarshalText() ([]byte, error) {
	if f < 0 || int(f) >= len(accessFormats) {
		return nil, fmt.Errorf("no format of access logs has the number %d", int(f))
	}
	return []byte(accessFormats[f]), nil
}

// UnmarshalText sets f to the format with the given name.
func (f *AccessFormat) UnmarshalText(text []byte) error {
	n := slices.Index(accessFormats[:], string(text))
	if n < 0 {
		return errors.New("must be text, json or combined")
	}
	*f = AccessFormat(n)
	return nil
}

// These are statuses of requests that nobody was sent an answer to. nginx has the same
// numbers for them.
const (
	StatusNoAnswer   = 444 // the connection or stream was closed without an answer
	StatusClientGone = 499 // the client was gone before there was an answer
)

// An AccessLog has a line written for each request, when it is answered. Its fields must
// not be changed once its Handler serves.
type AccessLog struct {
	Log    *slog.Logger  // gets a record for each request; may be nil
	W      io.Writer     // gets a line with one call of Write, one at a time; may be nil
	Format AccessFormat  // of the lines of W
	Done   func(*Access) // is called for each request, such as to count them; may be nil. It must not keep the Access.

	mu    sync.Mutex   // held while W is called for AccessCombined
	lines sync.Pool    // of *[]byte
	open  atomic.Int64 // requests that have no line yet
}

// An Access is a request and how it was answered. Texts of the client are as it has sent
// them. Those of an Event are empty where [server.EventOf] has none, and where there is
// nothing but Done.
type Access struct {
	Time      time.Time     // when the request had come
	Took      time.Duration // until it was answered, or the connection that it was upgraded to has ended
	Client    netip.Addr    // behind a trusted proxy, that of its client
	Method    string
	Host      string
	URI       string // path and query
	Proto     string // "HTTP/2.0"
	Status    int    // of the answer; see StatusNoAnswer and StatusClientGone
	Sent      int64  // bytes of the answer's body, or of an upgraded connection
	Received  int64  // bytes that were read of the request's body, or of an upgraded connection
	UserAgent string
	Referer   string
	Route     string // which backend has answered, or was to
	Upgraded  bool   // the connection was taken over, as for a WebSocket
	Aborted   bool   // the answer is not whole, or there is none

	Event  event.ID // of the connection
	JA4    string
	TLS    string // who sends such hellos, as [server.Headers] has it in Client
	Claim  string // "consistent", "inconsistent" or "unknown"
	Rule   string
	Action string
	Tags   []string
}

// Handler returns a handler that calls next, and has a line for each of its requests. It
// must be the outermost of a [server.Server], so that what a policy refuses has a line,
// too. With an [http.Server], [server.Wrap] belongs around it. Requests that the server
// answers by itself because they are malformed have no line.
//
// Next gets a ResponseWriter of its own, which has the methods Flush, Hijack, Push and
// ReadFrom where that of the server has them, and Unwrap for [http.ResponseController].
func (l *AccessLog) Handler(next http.Handler) http.Handler {
	var logs []*slog.Logger
	if l.Log != nil {
		logs = append(logs, l.Log)
	}
	if l.W != nil && l.Format == AccessText {
		logs = append(logs, slog.New(slog.NewTextHandler(l.W, nil)))
	}
	if l.W != nil && l.Format == AccessJSON {
		logs = append(logs, slog.New(slog.NewJSONHandler(l.W, nil)))
	}
	hasLines := len(logs) > 0 || l.W != nil
	write := func(ctx context.Context, x *Access) {
		l.write(ctx, x, logs)
		l.open.Add(-1)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.open.Add(1)
		a := &accessWriter{ResponseWriter: w, ctx: r.Context(), write: write}
		a.begin(r)
		if hasLines {
			a.setEvent(r)
		}
		defer a.handlerDone()
		next.ServeHTTP(a.view(), r)
		a.returned = true
	})
}

// Wait waits until each request that has come to a Handler has its line, or ctx is done. Call
// it when the server has ended, and has closed the connections of requests that took too long:
// their handlers notice only then.
func (l *AccessLog) Wait(ctx context.Context) error {
	const interval = 5 * time.Millisecond
	for l.open.Load() > 0 {
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// noteRoute says for the line of a request which backend has answered, or was to. Without
// an [AccessLog] above it does nothing.
func noteRoute(w http.ResponseWriter, route string) {
	for w != nil {
		if a, ok := w.(interface{ noteRoute(string) }); ok {
			a.noteRoute(route)
			return
		}
		below, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return
		}
		w = below.Unwrap()
	}
}

// begin sets what is known before there is an answer. Handlers may change the request.
func (a *accessWriter) begin(r *http.Request) {
	a.open.Store(1)
	x := &a.access
	x.Time = time.Now()
	if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		x.Client = addr.Addr().Unmap()
	}
	x.Method, x.Host, x.URI, x.Proto = r.Method, r.Host, r.RequestURI, r.Proto
	if x.URI == "" && r.URL != nil {
		x.URI = r.URL.RequestURI()
	}
	x.UserAgent, x.Referer = r.UserAgent(), r.Referer()
	if r.Body != nil && r.Body != http.NoBody {
		a.body = &accessBody{ReadCloser: r.Body}
		r.Body = a.body
	}
}

// setEvent sets what is known of the client. The Event is copied here, since the frame of
// the handler stays as long as the request.
func (a *accessWriter) setEvent(r *http.Request) {
	e, ok := server.EventOf(r, event.Full)
	if !ok {
		return
	}
	x := &a.access
	x.Event, x.JA4, x.TLS = e.ID, e.JA4(), headertext.List(headertext.NearestNames(e.Client))
	x.Rule, x.Action, x.Tags = e.Rule, e.Action, e.Tags
	if e.Claim != nil {
		x.Claim = e.Claim.Verdict.String()
	}
}

// handlerDone is called when the handler has returned, or panics.
func (a *accessWriter) handlerDone() {
	a.gone = a.gone || !a.wrote() && a.ctx.Err() != nil
	a.partDone()
}

// partDone has the line written once the handler and the connection that it has taken over
// are done.
func (a *accessWriter) partDone() {
	if a.open.Add(-1) > 0 {
		return
	}
	x := &a.access
	x.Took = time.Since(x.Time)
	if a.body != nil {
		x.Received = a.body.read.Load()
	}
	if a.conn != nil {
		x.Sent, x.Received = x.Sent+a.conn.written.Load(), x.Received+a.conn.read.Load()
	}
	a.setStatus()
	a.write(a.ctx, x)
}

// setStatus sets the status that the line has.
func (a *accessWriter) setStatus() {
	x := &a.access
	ends := x.Action == "close" || x.Action == "tarpit" // the policy, and so not the client
	switch {
	case a.wrote() && a.gone && x.Status >= http.StatusInternalServerError:
		x.Status = StatusClientGone
	case a.wrote():
	case a.returned && !a.gone:
		x.Status = http.StatusOK
	case a.gone && !(ends && !a.returned):
		x.Status = StatusClientGone
	default:
		x.Status = StatusNoAnswer
	}
	x.Aborted = a.failed || !a.returned || x.Status == StatusClientGone
	if x.Method == http.MethodHead {
		x.Sent = 0 // net/http counts what it does not send
	}
}

// write writes the line of a request.
func (l *AccessLog) write(ctx context.Context, x *Access, logs []*slog.Logger) {
	if l.Done != nil {
		l.Done(x)
	}
	for _, log := range logs {
		if log.Enabled(ctx, slog.LevelInfo) {
			logAccess(ctx, log, x)
		}
	}
	if l.W == nil || l.Format != AccessCombined {
		return
	}
	b, ok := l.lines.Get().(*[]byte)
	if !ok {
		b = new([]byte)
	}
	*b = x.appendCombined((*b)[:0])
	l.mu.Lock()
	_, _ = l.W.Write(*b) // who has to know of errors asks W
	l.mu.Unlock()
	l.lines.Put(b)
}

// An accessBody counts the bytes that are read of the body of a request. Others may read it
// when its handler has returned, so that it is not used again.
type accessBody struct {
	io.ReadCloser
	read atomic.Int64
}

func (b *accessBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	return n, err
}
