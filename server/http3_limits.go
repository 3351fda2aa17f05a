package server

import (
	"net/http"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// What a client can make quic-go hold for one connection over HTTP/3. The windows are
// those of net/http for HTTP/2, but begin lower: quic-go enlarges them while a handler
// reads as fast as the client sends. Parts of a stream that came out of order take up to
// eleven times their length.
const (
	maxHTTP3Header    = 32 << 10 // quic-go makes room for it when its length has come
	maxUniStreams     = 16       // three are used, and some clients open others to see that servers ignore them
	initialWindow     = 64 << 10
	initialConnWindow = 128 << 10
	maxWindow         = 1 << 20
)

// quicConfig returns the configuration of connections over HTTP/3.
func quicConfig() *quic.Config {
	return &quic.Config{
		MaxIncomingStreams:             maxStreams,
		MaxIncomingUniStreams:          maxUniStreams,
		InitialStreamReceiveWindow:     initialWindow,
		InitialConnectionReceiveWindow: initialConnWindow,
		MaxStreamReceiveWindow:         maxWindow,
		MaxConnectionReceiveWindow:     maxWindow,
	}
}

// An idleWatch closes a connection that has had no request for a time. That of package
// http3 stops when a stream is opened, whether a request comes on it or not.
type idleWatch struct {
	conn    *quic.Conn
	timeout time.Duration

	mu     sync.Mutex
	active int         // requests that a handler answers
	timer  *time.Timer // nil if nothing is to be closed
	closed bool
}

// watchIdle closes conn if it has no request for a time.
func (c *quicConn) watchIdle(conn *quic.Conn, timeout time.Duration) {
	c.idle.mu.Lock()
	defer c.idle.mu.Unlock()
	c.idle.conn, c.idle.timeout = conn, timeout
	if timeout > 0 && !c.idle.closed {
		c.idle.timer = time.AfterFunc(timeout, c.idle.expire)
	}
}

// expire closes the connection unless a request is under way.
func (w *idleWatch) expire() {
	w.mu.Lock()
	active := w.active
	w.mu.Unlock()
	if active == 0 {
		_ = w.conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "") // it may be closed
	}
}

// begin records a request. It ends when done is called.
func (w *idleWatch) begin() (done func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.active++
	if w.timer != nil {
		w.timer.Stop()
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.active--
		if w.active == 0 && w.timer != nil && !w.closed {
			w.timer.Reset(w.timeout)
		}
	}
}

// stop ends the watch of a connection that is closed.
func (w *idleWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

// watchRequests tells the connection of each request when it begins and ends.
func watchRequests(next http.Handler) http.Handler {
	if next == nil {
		next = http.DefaultServeMux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := clientOf(r.Context()).(*quicConn); ok {
			defer c.idle.begin()()
		}
		next.ServeHTTP(w, r)
	})
}
