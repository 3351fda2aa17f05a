package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/event"
)

// An Echo is an endpoint that tells each client what its hello was: over
// HTTP/1.1 and HTTP/2, and line by line to clients that speak neither.
type Echo struct {
	// TLSConfig has the certificate. Its NextProtos are set by Serve.
	TLSConfig *tls.Config

	// Page, if not nil, is what browsers get.
	Page *Page

	// Recorder, if not nil, is given each hello, and what came in place of one.
	Recorder *Recorder

	// Grace is how long the open connections have to finish when Serve is
	// told to stop.
	Grace time.Duration

	// Log says what goes wrong. Nil is for silence.
	Log *slog.Logger
}

// Timeouts of the endpoint's connections, once they have shaken hands.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
)

// Serve accepts connections from ln, until ctx is done: then it closes ln and
// the connections that have not shaken hands, lets the others finish within
// the grace period, and closes what is left. Its error is that of ln, if that
// ended it.
func (e *Echo) Serve(ctx context.Context, ln net.Listener) error {
	s := &serving{
		Echo:  e,
		ln:    &Listener{Listener: ln, Observe: e.observe},
		tls:   e.TLSConfig.Clone(),
		queue: newQueue(ln.Addr()),
		log:   e.Log,
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.tls.NextProtos = []string{"h2", "http/1.1"}
	s.http = &http.Server{
		Handler:           handler(e.Page),
		ConnContext:       ConnContext,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
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
	if err := e.Recorder.Record(o); err != nil && e.Log != nil {
		e.Log.Error("recording a hello", "error", err)
	}
}

// serving is an Echo while it serves one listener.
type serving struct {
	*Echo
	ln    *Listener
	tls   *tls.Config
	http  *http.Server
	queue *queue // to http, of connections that have shaken hands
	log   *slog.Logger
	conns sync.WaitGroup // that are not http's

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
	err := s.accept(ctx)
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
		// Out of descriptors, say: net/http, too, waits for better times.
		var temporary interface{ Temporary() bool }
		if !errors.As(err, &temporary) || !temporary.Temporary() {
			return err
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
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
	shaking, done := context.WithTimeout(ctx, defaultHandshakeTimeout)
	err := c.HandshakeContext(shaking)
	done()
	if err != nil {
		answerPlainHTTP(err)
		c.Close()
		return
	}
	if c.ConnectionState().NegotiatedProtocol != "" {
		s.queue.put(c)
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
	if err := answerLines(ctx, b); err != nil {
		s.log.Debug("line protocol", "client", conn.RemoteAddr(), "error", err)
	}
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
