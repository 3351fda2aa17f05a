package proxy

import (
	"bufio"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlspeek/tlspeek/server"
)

// maxInterim is how many 1xx answers a backend may send to one request.
const maxInterim = 100

const (
	lingerTime = 2 * time.Second  // for the rest of a body, once there is an answer
	closeTime  = 30 * time.Second // after that, for the rest of the answer
)

// What an exchange is doing.
const (
	sending   = iota // the request's body
	waiting          // for the header of the answer
	answering        // the answer's body
	upgraded         // a WebSocket
)

// An exchange is a request and its answer. It is the ResponseWriter that ReverseProxy
// writes to, and the context of the request to the backend, which end with it.
type exchange struct {
	context.Context
	cancel context.CancelCauseFunc

	p      *Reverse
	to     *target
	in     *http.Request // as the client has sent it
	w      http.ResponseWriter
	values forward
	body   requestBody
	held   heldBody
	stale  atomic.Bool // the connection to the backend cannot be used
	answer answerBody
	dials  dials

	websocket bool        // the client asks for one
	interim   int         // 1xx answers so far
	outer     http.Header // fields that handlers around this one have set
	hijacked  bool
	broken    bool // the answer is not whole

	progress atomic.Int64 // when a byte was moved last, since p.began
	state    atomic.Int32
	writing  atomic.Bool // to the client

	mu    sync.Mutex
	fired bool // check has ended what stalls
	done  bool // the handler is about to return
	told  bool // of a failure

	watched    bool // the watcher has it in its list
	prev, next *exchange
}

type exchangeKey struct{}

// Value has exchangeKey for x, and a server in any case: ReverseProxy aborts an answer
// that breaks off only where it finds one, and quic-go names none.
func (x *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	value := x.Context.Value(key)
	if value == nil && key == http.ServerContextKey {
		return x.p
	}
	return value
}

// Header returns that of the answer.
func (x *exchange) Header() http.Header { return x.w.Header() }

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.w }

// WriteHeader also passes 1xx answers on.
func (x *exchange) WriteHeader(status int) {
	h := x.w.Header()
	if 100 <= status && status <= 199 {
		x.writeInterim(h, status)
		return
	}
	if x.interim > 0 { // after which ReverseProxy has removed these
		for name, values := range x.outer {
			h[name] = append(values, h[name]...)
		}
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // net/http would guess it
	}
	if x.in.ProtoMajor == 1 && x.body.ReadCloser != nil && !x.body.ended.Load() {
		// The answer is early, or there is something wrong with the body. What is left of it
		// must not become the next request.
		h["Connection"] = []string{"close"}
	}
	x.w.WriteHeader(status)
}

// writeInterim passes on a 1xx answer if the client understands it.
func (x *exchange) writeInterim(h http.Header, status int) {
	if x.interim++; x.interim > maxInterim {
		x.cancel(errManyInterim)
		return
	}
	if status == http.StatusSwitchingProtocols { // over HTTP/2, where it is none (RFC 9113, section 8.6)
		x.cancel(errSwitch)
		return
	}
	if !x.in.ProtoAtLeast(1, 1) || status == http.StatusContinue && x.in.Header["Expect"] == nil {
		return
	}
	for name := range h {
		if framingFields.Has(name) || name == "Alt-Svc" || name == "Upgrade" || name == "Te" {
			delete(h, name)
		}
	}
	x.w.WriteHeader(status)
}

// Write writes a part of the answer's body.
func (x *exchange) Write(p []byte) (int, error) {
	x.writing.Store(true)
	n, err := x.w.Write(p)
	x.writing.Store(false)
	if err != nil {
		x.broken = true
		x.fail(FailClient, err)
		return n, err
	}
	x.moved()
	return n, nil
}

// Hijack takes over the connection for a WebSocket.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	t := &tunnel{Conn: conn, x: x, ahead: rw.Reader}
	x.hijacked = true
	x.enter(upgraded)
	if !x.p.tunnels.add(t) {
		x.cancel(http.ErrServerClosed)
	}
	return t, rw, nil
}

// enter changes what x is doing, and watches that it goes on.
func (x *exchange) enter(state int32) {
	x.state.Store(state)
	x.moved()
	if x.p.limit(state) > 0 {
		x.p.watch.add(x)
	}
}

// moved notes that something was moved.
func (x *exchange) moved() { x.progress.Store(int64(time.Since(x.p.began))) }

// check ends x if nothing was moved for too long. The watcher calls it.
func (x *exchange) check() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.done {
		return
	}
	if x.fired { // and it did not help: a client that reads nothing blocks all of its connection
		if c, ok := server.ClientOf(x.Context).(io.Closer); ok {
			c.Close()
		}
		return
	}
	state := x.state.Load()
	if !x.isOver(state) {
		return
	}
	x.fired = true
	c, past := http.NewResponseController(x.w), time.Unix(1, 0)
	switch {
	case state == upgraded:
		x.cancel(errClientStalled)
		return
	case state == sending && x.body.reading.Load():
		x.cancel(errClientStalled)
	case state == answering && x.writing.Load():
		x.cancel(errClientStalled)
		_ = c.SetWriteDeadline(past) // a writer without deadlines is bounded by its server
	default:
		x.cancel(errBackendStalled)
	}
	if x.body.reading.Load() {
		_ = c.SetReadDeadline(past)
	}
}

// end is called when the handler returns.
func (x *exchange) end() {
	x.p.watch.remove(x)
	x.mu.Lock()
	x.done = true
	x.mu.Unlock()
	x.cancel(nil)
	if x.body.ReadCloser != nil && x.in.ProtoMajor == 1 && !x.hijacked && !x.body.ended.Load() {
		endSoon(x.in.Context())
	}
}

// endSoon bounds how long the client of a request may take for the rest of its body, which
// net/http reads before it closes the connection. It lifts deadlines before.
func endSoon(ctx context.Context) {
	if conn, ok := server.ClientOf(ctx).(net.Conn); ok {
		time.AfterFunc(lingerTime, func() {
			_ = conn.SetReadDeadline(time.Unix(1, 0))
			time.AfterFunc(closeTime, func() { conn.Close() })
		})
	}
}

// fail reports a failure, once.
func (x *exchange) fail(kind FailKind, err error) {
	x.mu.Lock()
	told := x.told
	x.told = true
	x.mu.Unlock()
	if told {
		return
	}
	x.logFailed(kind, err)
	if x.p.Failed != nil {
		x.p.Failed(x.to.name, kind)
	}
}

// A requestBody is the body that a client sends, on its way to the backend.
type requestBody struct {
	io.ReadCloser
	x       *exchange
	read    int64
	reading atomic.Bool
	ended   atomic.Bool
	err     atomic.Pointer[error] // why it was not read in full
}

// Read also removes the trailers that a client must not send. They come with the end.
func (b *requestBody) Read(p []byte) (int, error) {
	b.reading.Store(true)
	n, err := b.ReadCloser.Read(p)
	b.reading.Store(false)
	b.read += int64(n)
	if length := b.x.in.ContentLength; length >= 0 && (b.read > length || b.read < length && err == io.EOF) {
		err = errBodyLength // over HTTP/3, where nobody else compares them
	}
	switch {
	case err == io.EOF:
		removeForgedTrailers(b.x.in.Trailer)
		b.ended.Store(true)
		b.x.state.CompareAndSwap(sending, waiting)
	case err != nil:
		b.err.CompareAndSwap(nil, &err)
	}
	b.x.moved()
	return n, err
}

// Close does nothing: that of net/http would wait for a client that sends nothing, before
// the end of the answer is sent. The server closes the body after that.
func (b *requestBody) Close() error { return nil }

// failed returns why the body could not be read.
func (b *requestBody) failed() error {
	if err := b.err.Load(); err != nil {
		return *err
	}
	return nil
}

// An answerBody is the body of a backend's answer.
type answerBody struct {
	io.ReadCloser
	x     *exchange
	res   *http.Response // whose trailers come with the end
	left  int64          // bytes to come; negative if that is not known, and ReverseProxy flushes each piece
	short bool           // the last piece was smaller than it could be: the next one may take time
	ended bool
}

// Read passes on what came before, if there may be a pause.
func (b *answerBody) Read(p []byte) (int, error) {
	if b.short && b.left > 0 {
		_ = http.NewResponseController(b.x.w).Flush()
	}
	n, err := b.ReadCloser.Read(p)
	if b.ended = err == io.EOF; b.ended {
		removeInvalidTrailers(b.res.Trailer)
	} else if err != nil {
		b.x.broken = true
		b.failed(err)
	}
	b.left, b.short = b.left-int64(n), n < len(p)
	if n > 0 {
		b.x.moved()
	}
	return n, err
}

// Close leaves a body alone that has ended: over HTTP/2, net/http would wait for the end of
// the request's, golang/go#80085, and the client for its trailers.
func (b *answerBody) Close() error {
	if b.ended {
		return nil
	}
	return b.ReadCloser.Close()
}

func (b *answerBody) failed(err error) {
	cause := context.Cause(b.x.Context)
	switch {
	case cause == errClientStalled:
		b.x.fail(FailClient, cause)
	case cause == errBackendStalled:
		b.x.fail(FailTimeout, cause)
	case b.x.in.Context().Err() != nil:
		b.x.fail(FailClient, err)
	default:
		kind, _ := failure(err)
		b.x.fail(kind, err)
	}
}

// outerFields returns a copy of the fields that other handlers have set.
func outerFields(h http.Header) http.Header {
	if len(h) == 0 {
		return nil
	}
	return maps.Clone(h)
}
