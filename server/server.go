package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// A Server serves a handler over HTTP/1.1, HTTP/2 and HTTP/3, and clients that
// speak no HTTP with a [LineHandler]. All of them find what is known of their
// client with [ClientOf], and requests with [FromContext] and [EventOf] too.
//
// The fields must not be changed once Serve was called.
type Server struct {
	// Handler answers requests over every version of HTTP. Nil is for
	// http.DefaultServeMux.
	Handler http.Handler

	// Lines serves clients that negotiate no protocol and do not begin with
	// an HTTP request. Nil closes their connections.
	Lines LineHandler

	// TLSConfig has the certificate, and must not be nil. Serve uses a copy, to
	// whose NextProtos it adds those of HTTP. A connection that negotiates any
	// other of them, such as acme-tls/1, is closed after the handshake.
	TLSConfig *tls.Config

	// UDP are the sockets to serve HTTP/3 on. They should have the port of
	// the Listener: the answers over TCP announce it.
	UDP []*net.UDPConn

	// RetryAbove is that of [HTTP3].
	RetryAbove int

	// ReadHeaderTimeout is how long a client may take for the header of a
	// request over HTTP/1, BodyTimeout for its body, and WriteTimeout to take
	// the response. IdleTimeout is how long a connection stays open without a
	// request. 0 is 10 seconds for the first, 2 minutes for the last and a
	// minute for the others; negative is no limit. What a handler has not read of
	// a body when it returns has 5 seconds even then.
	ReadHeaderTimeout, BodyTimeout, WriteTimeout, IdleTimeout time.Duration

	// OnHandshake, if not nil, is called at the end of each TLS handshake over
	// TCP with its duration since Accept, and with its error if it failed. It
	// is called by the goroutine that serves the connection.
	OnHandshake func(took time.Duration, err error)

	// Log gets what no function returns, such as temporary errors of Accept.
	// Nil discards it.
	Log *slog.Logger

	life  lifecycle
	begun atomic.Bool
	ready atomic.Bool
	http3 atomic.Pointer[HTTP3] // nil while there is none
}

const (
	defaultReadHeaderTimeout = 10 * time.Second
	defaultBodyTimeout       = time.Minute
	defaultWriteTimeout      = time.Minute
	defaultIdleTimeout       = 2 * time.Minute

	maxStreams = 100 // of a connection over HTTP/2 or HTTP/3, at once
)

// timeout returns a timeout of net/http, where 0 is for none.
func timeout(configured, standard time.Duration) time.Duration {
	if configured == 0 {
		return standard
	}
	return max(0, configured)
}

// Ready reports whether the server accepts connections.
func (s *Server) Ready() bool { return s.ready.Load() }

// HalfOpenQUIC returns the number of QUIC handshakes that have not finished.
func (s *Server) HalfOpenQUIC() int {
	if h3 := s.http3.Load(); h3 != nil {
		return h3.HalfOpen()
	}
	return 0
}

// Serve accepts connections from l until [Server.Shutdown] or [Server.Close] is
// called. Then it returns [http.ErrServerClosed] at once, as net/http does:
// wait for Shutdown, which waits for the connections. Where l fails, or serving
// HTTP/3, it closes l and returns that error; the open connections remain until
// Shutdown or Close. A Server serves once.
func (s *Server) Serve(l *Listener) error {
	if !s.life.begin() {
		l.Close()
		return http.ErrServerClosed
	}
	defer s.life.running.Done()
	if !s.begun.CompareAndSwap(false, true) {
		l.Close()
		return errors.New("server: Serve was called before")
	}
	v := &serving{Server: s, listener: l, queue: newQueue(l.Addr()), log: s.Log}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	if s.TLSConfig == nil {
		l.Close()
		return errors.New("server: a Server needs a TLSConfig")
	}
	if err := v.configure(); err != nil {
		l.Close()
		return err
	}
	return v.run()
}

// Shutdown ends the server in order: it closes the Listener and the connections
// whose handshake is not finished, lets requests and lines that have begun
// finish, and waits until all connections are closed. When ctx is done before,
// it closes what is left, as [Server.Close] does, and returns the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error { return s.life.end(ctx) }

// Close closes the Listener and all connections, and waits for handshakes and
// line handlers to notice. As in net/http, handlers of requests may go on.
func (s *Server) Close() error {
	s.life.close()
	return nil
}

// serving is a Server while it serves a Listener.
type serving struct {
	*Server
	listener *Listener
	tls      *tls.Config
	http     *http.Server
	queue    *queue // to http, of connections whose handshake is finished
	log      *slog.Logger
}

// configure makes the servers of HTTP.
func (v *serving) configure() error {
	config := v.TLSConfig.Clone()
	config.NextProtos = append([]string{"h2", "http/1.1", "http/1.0"}, config.NextProtos...)
	v.tls = ConfigForDecisions(config)
	idle := timeout(v.IdleTimeout, defaultIdleTimeout)
	write := timeout(v.WriteTimeout, defaultWriteTimeout)
	h := v.Handler
	if h == nil {
		h = http.DefaultServeMux
	}
	if v.listener.DecideRequest == nil { // else the handler answers what it lets pass
		h = answerGeneralOptions(h)
	}
	h = limitBodies(Wrap(h), timeout(v.BodyTimeout, defaultBodyTimeout))
	if len(v.UDP) > 0 {
		l := v.listener
		h3 := &HTTP3{Handler: h, TLSConfig: v.TLSConfig, Observe: l.Observe, Verified: l.Verified, Clients: l.Clients, Limits: l.Limits, Decide: l.Decide, RetryAbove: v.RetryAbove, IdleTimeout: idle, shared: l.settling()}
		v.http3.Store(h3)
		h = announce(h, h3)
	}
	v.http = &http.Server{
		Handler:           h,
		ConnContext:       ConnContext,
		ReadHeaderTimeout: timeout(v.ReadHeaderTimeout, defaultReadHeaderTimeout),
		WriteTimeout:      write,
		IdleTimeout:       idle,
		HTTP2:             &http.HTTP2Config{WriteByteTimeout: write, MaxConcurrentStreams: maxStreams},
		ErrorLog:          slog.NewLogLogger(v.log.Handler(), slog.LevelDebug),

		DisableGeneralOptionsHandler: true, // it answers before Wrap has the request
	}
	return ConfigureHTTP2(v.http)
}

// limitBodies gives the body of a request a time to arrive: net/http reads the
// rest of a short one before the next request. A deadline for all requests
// would end the long responses to those without a body.
func limitBodies(next http.Handler, limit time.Duration) http.Handler {
	if limit == 0 {
		return limitRests(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			c := http.NewResponseController(w)
			// A connection without deadlines is bounded by its transport.
			_ = c.SetReadDeadline(time.Now().Add(limit))
			if r.ProtoMajor == 2 {
				// Otherwise that of a stream that was reset meanwhile keeps all of the
				// stream in memory until it has passed.
				defer c.SetReadDeadline(time.Time{})
			}
		}
		next.ServeHTTP(w, r)
	})
}

// restTime is how long the rest of a body may take that the handler has not read.
const restTime = 5 * time.Second

// limitRests bounds only what net/http reads of a body, over HTTP/1, when the handler has
// returned.
func limitRests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		if r.ProtoMajor == 1 && r.ContentLength != 0 && r.Header["Upgrade"] == nil { // else the connection may be the handler's
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(restTime))
		}
	})
}

// maxOptionsBody is how much of the body of an "OPTIONS *" request is read, as in
// net/http.
const maxOptionsBody = 4 << 10

// answerGeneralOptions answers "OPTIONS *" (RFC 9110, section 9.3.7) as net/http does.
func answerGeneralOptions(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodOptions || r.RequestURI != "*" {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Length", "0")
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(restTime))
			io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxOptionsBody)) // over that, net/http closes the connection
		}
	})
}

// announce tells clients that HTTP/3 is served.
func announce(next http.Handler, h3 *HTTP3) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h3.Announce(w.Header())
		next.ServeHTTP(w, r)
	})
}

func (v *serving) run() error {
	defer context.AfterFunc(v.life.softStop, func() { v.listener.Close() })()
	v.life.running.Go(v.runHTTP)
	failed := make(chan error, len(v.UDP))
	for _, conn := range v.UDP {
		v.life.running.Go(func() {
			if err := v.runHTTP3(conn); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
				v.listener.Close() // one is not served without the other
			}
		})
	}
	v.ready.Store(true)
	err := v.accept()
	v.ready.Store(false)
	v.listener.Close()
	select {
	case err = <-failed:
	default:
	}
	return err
}

// runHTTP serves the connections of the queue.
func (v *serving) runHTTP() {
	served := make(chan error, 1)
	go func() { served <- v.http.Serve(v.queue) }()
	<-v.life.softStop.Done()
	if v.http.Shutdown(v.life.hardStop) != nil {
		v.http.Close()
	}
	<-served
}

func (v *serving) runHTTP3(conn *net.UDPConn) error {
	h3 := v.http3.Load()
	served := make(chan error, 1)
	go func() { served <- h3.Serve(conn) }()
	select {
	case err := <-served:
		return err
	case <-v.life.softStop.Done():
		_ = h3.Shutdown(v.life.hardStop)
		return <-served
	}
}

// accept returns http.ErrServerClosed when the server is stopping.
func (v *serving) accept() error {
	softStop := v.life.softStop
	var pause time.Duration
	for {
		conn, err := v.listener.Accept()
		if softStop.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return http.ErrServerClosed
		}
		if err == nil {
			pause = 0
			v.life.running.Go(func() { v.serve(conn) })
			continue
		}
		// The process may be out of descriptors. net/http waits too, up to a
		// second; half of it, so that clients are soon served again.
		var temporary interface{ Temporary() bool }
		if !errors.As(err, &temporary) || !temporary.Temporary() {
			return err
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second/2)
		v.log.Warn("accepting a connection", "error", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-softStop.Done():
		}
	}
}
