package server

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/sink"
)

// An Echo is an endpoint that tells each client what its hello was: over
// HTTP/1.1, HTTP/2 and HTTP/3, and line by line to clients that speak neither.
type Echo struct {
	// TLSConfig has the certificate. Serve adds to its NextProtos.
	TLSConfig *tls.Config

	// Page, if not nil, is what browsers get.
	Page *Page

	// Users has clients of the user's own, by which clients are named beside
	// the built-in ones: in the answers, on the page and in the record. It may
	// be nil.
	Users *known.Database

	// UDP are the sockets to serve HTTP/3 on. They should have the port of
	// the Listener.
	UDP []*net.UDPConn

	// RetryAbove is that of [HTTP3].
	RetryAbove int

	// Recorder, if not nil, is given each hello, and what came in place of one.
	Recorder *sink.Recorder

	// Shaken, if not nil, is told of each TLS handshake over TCP that has ended:
	// its time since Accept, and why it failed if it did.
	Shaken func(took time.Duration, err error)

	// Grace is how long the open connections have to finish when Serve is
	// told to stop.
	Grace time.Duration

	// Log says what goes wrong. Nil is for silence.
	Log *slog.Logger

	ready      atomic.Bool
	unrecorded atomic.Int64          // hellos, since recording fails
	http3      atomic.Pointer[HTTP3] // nil while there is none
}

// Ready reports whether the endpoint accepts connections.
func (e *Echo) Ready() bool { return e.ready.Load() }

// HalfOpenQUIC returns how many QUIC handshakes are open.
func (e *Echo) HalfOpenQUIC() int {
	if h3 := e.http3.Load(); h3 != nil {
		return h3.HalfOpen()
	}
	return 0
}

// Timeouts of the endpoint's connections, once they have shaken hands.
const (
	readHeaderTimeout = 10 * time.Second
	bodyTimeout       = time.Minute // of a request, which nobody reads
	answerTimeout     = time.Minute // to take an answer
	idleTimeout       = 2 * time.Minute
)

// Serve accepts connections from ln, until ctx is done: then it closes ln and
// the connections that have not shaken hands, lets the others finish within
// the grace period, and closes what is left. Its error is that of ln, if that
// ended it. What ln observes the Echo is told of, too.
func (e *Echo) Serve(ctx context.Context, ln *Listener) error {
	s := &serving{Echo: e, ln: ln, tls: e.TLSConfig.Clone(), queue: newQueue(ln.Addr()), log: e.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	e.attach(ln)
	e.giveUsers(ln)
	s.tls.NextProtos = append([]string{"h2", "http/1.1", "http/1.0"}, s.tls.NextProtos...)
	s.tls = TLSConfig(s.tls)
	h := bounded(handler(e.Page, &s.answers))
	if len(e.UDP) > 0 {
		s.http3 = &HTTP3{Handler: h, TLSConfig: e.TLSConfig, Observe: ln.Observe, Users: e.Users, Limits: ln, RetryAbove: e.RetryAbove, IdleTimeout: idleTimeout}
		e.http3.Store(s.http3)
		h = announcing(h, s.http3)
	}
	s.http = &http.Server{
		Handler:           h,
		ConnContext:       ConnContext,
		ReadHeaderTimeout: readHeaderTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		HTTP2:             &http.HTTP2Config{WriteByteTimeout: answerTimeout, MaxConcurrentStreams: maxStreams},
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	if err := ConfigureHTTP2(s.http); err != nil {
		return err
	}
	if e.Page != nil && e.Page.Live != nil {
		s.http.RegisterOnShutdown(e.Page.Live.Stop)
	}
	return s.run(ctx)
}

// bounded gives the body of a request a time to come: net/http reads the rest
// of a short one before the next request. A deadline on all requests would end
// the long answers to those without.
func bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			// A connection without deadlines is bounded by its transport.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		next.ServeHTTP(w, r)
	})
}

// announcing tells clients that there is HTTP/3.
func announcing(next http.Handler, h3 *HTTP3) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h3.Announce(w.Header())
		next.ServeHTTP(w, r)
	})
}

// attach has ln tell e what happens.
func (e *Echo) attach(ln *Listener) {
	observe := ln.Observe
	ln.Observe = func(o *event.Observation) {
		if observe != nil {
			observe(o)
		}
		e.observe(o)
	}
}

// giveUsers gives the user's clients to all who make Events.
func (e *Echo) giveUsers(ln *Listener) {
	if e.Users == nil {
		return
	}
	ln.Users = e.Users
	if e.Recorder != nil {
		e.Recorder.Observer.Users = e.Users
	}
	if e.Page != nil {
		e.Page.users = e.Users
		if e.Page.Live != nil {
			e.Page.Live.observer.Users = e.Users
		}
	}
}

func (e *Echo) observe(o *event.Observation) {
	if e.Log != nil && o.Err != nil {
		level := slog.LevelInfo
		if len(o.Seen) == 0 { // a port scan, or a client that was silent
			level = slog.LevelDebug
		}
		e.Log.Log(context.Background(), level, "no hello", "client", o.Src, "error", o.Err, "seen", slog.StringValue(hexText(o.Seen)))
	}
	if e.Page != nil && e.Page.Live != nil {
		e.Page.Live.Observe(o)
	}
	if e.Recorder == nil || o.Err != nil && len(o.Seen) == 0 {
		return
	}
	e.recorded(e.Recorder.Record(o))
}

func hexText(b []byte) string { return hex.EncodeToString(b[:min(len(b), 32)]) }

// recorded says when recording begins to fail, and when it works again.
func (e *Echo) recorded(err error) {
	switch {
	case err != nil:
		if e.unrecorded.Add(1) == 1 && e.Log != nil {
			e.Log.Error("recording a hello", "error", err)
		}
	case e.unrecorded.Load() > 0:
		if n := e.unrecorded.Swap(0); n > 0 && e.Log != nil {
			e.Log.Info("recording hellos again", "lost", n)
		}
	}
}

// serving is an Echo while it serves one listener.
type serving struct {
	*Echo
	ln    *Listener
	tls   *tls.Config
	http  *http.Server
	http3 *HTTP3 // nil without UDP
	queue *queue // to http, of connections that have shaken hands
	log   *slog.Logger
	conns sync.WaitGroup // that are not http's

	answers answers

	killed context.Context // when the grace period is over
}

func (s *serving) run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- s.http.Serve(s.queue) }()
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { s.ln.Close() })
	defer stop()
	killed, kill := context.WithCancel(context.Background())
	s.killed = killed
	saved := make(chan struct{})
	go func() { s.save(ctx); close(saved) }()
	served3 := make(chan error, len(s.UDP))
	for _, conn := range s.UDP {
		go func() {
			err := s.http3.Serve(ctx, killed, conn)
			cancel() // one does not go on without the other
			served3 <- err
		}()
	}
	s.ready.Store(true)
	err := s.accept(ctx)
	s.ready.Store(false)
	s.ln.Close()
	cancel() // who shakes hands, or waits for a line

	grace, release := context.WithTimeout(killed, s.Grace)
	defer release()
	context.AfterFunc(grace, kill)
	if s.http.Shutdown(grace) != nil {
		s.http.Close()
	}
	<-served
	s.conns.Wait()
	for range s.UDP {
		err = errors.Join(err, <-served3)
	}
	kill()
	<-saved
	return errors.Join(err, s.saveLatest())
}

// saveEvery is how often the file of the latest Events is written.
const saveEvery = 10 * time.Second

func (s *serving) save(ctx context.Context) {
	ticker := time.NewTicker(saveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := s.saveLatest(); err != nil {
				s.log.Error("saving the latest hellos", "error", err)
			}
		}
	}
}

func (s *serving) saveLatest() error {
	if s.Recorder == nil || s.Recorder.Latest == nil {
		return nil
	}
	return s.Recorder.Latest.Save()
}

// accept returns nil once ctx is done.
func (s *serving) accept(ctx context.Context) error {
	var pause time.Duration
	for {
		conn, err := s.ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if err == nil {
			pause = 0
			s.conns.Go(func() { s.serve(ctx, conn) })
			continue
		}
		// Out of descriptors, say: net/http, too, waits for better times, if
		// longer. Within a second of relief clients are served again.
		var temporary interface{ Temporary() bool }
		if !errors.As(err, &temporary) || !temporary.Temporary() {
			return err
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second/2)
		s.log.Warn("accepting a connection", "error", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// serve shakes hands, and hands the connection to who speaks its protocol.
func (s *serving) serve(ctx context.Context, conn net.Conn) {
	c := tls.Server(conn, s.tls)
	began := time.Now()
	err := s.shake(ctx, c)
	if s.Shaken != nil {
		s.Shaken(time.Since(began), err)
	}
	if err != nil {
		answerPlainHTTP(err)
		c.Close()
		return
	}
	switch c.ConnectionState().NegotiatedProtocol {
	case "h2", "http/1.1", "http/1.0":
		s.queue.put(c)
		return
	case "":
	default: // acme-tls/1, which has no more to say (RFC 8737, section 3)
		c.Close()
		return
	}
	b := newBuffered(c)
	b.SetReadDeadline(time.Now().Add(idleTimeout))
	stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	if b.speaksHTTP() && stop() {
		c.SetReadDeadline(time.Time{})
		s.queue.put(b)
		return
	}
	defer stop()
	defer c.Close()
	defer context.AfterFunc(s.killed, func() { c.Close() })()
	if err := answerLines(ctx, b, &s.answers); err != nil {
		s.log.Debug("line protocol", "client", conn.RemoteAddr(), "error", err)
	}
}

// shake does the handshake, within the time for it. The Conn below looks after
// that, too, but for clients that are asked for a certificate.
func (s *serving) shake(ctx context.Context, c *tls.Conn) error {
	if timeout := s.ln.handshakeTimeout(); timeout > 0 {
		var done context.CancelFunc
		ctx, done = context.WithTimeout(ctx, timeout)
		defer done()
	}
	return c.HandshakeContext(ctx)
}

// answerPlainHTTP tells a client that speaks HTTP without TLS what is wrong,
// as net/http does.
func answerPlainHTTP(err error) {
	var record tls.RecordHeaderError
	if !errors.As(err, &record) || record.Conn == nil {
		return
	}
	switch string(record.RecordHeader[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
	}
}

// A queue is a net.Listener of connections that somebody else has accepted.
type queue struct {
	addr   net.Addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newQueue(addr net.Addr) *queue {
	return &queue{addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (q *queue) put(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.closed:
		c.Close()
	}
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.closed:
		return nil, net.ErrClosed
	}
}

func (q *queue) Close() error {
	q.once.Do(func() { close(q.closed) })
	return nil
}

func (q *queue) Addr() net.Addr { return q.addr }
