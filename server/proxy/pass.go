package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/lru"
	"github.com/tlspeek/tlspeek/server"
)

// A Pass passes connections on to servers that end TLS, by the names that their clients
// ask for, and tells these servers in the PROXY protocol who the client is. It changes no
// byte of what it passes. The policy of a hello is obeyed: that of [server.Listener.Decide].
//
// A connection for which there is no route, or whose backend cannot be reached, gets an
// alert. A client that speaks HTTP without TLS is told so. A hello that is malformed or
// over a limit goes to the default route, where its server answers it.
//
// The fields must not be changed once Serve was called.
type Pass struct {
	// Routes say where connections go: by the whole name, or else by the longest name that
	// begins with "*.", or else by default.
	Routes []PassRoute

	// ProxyProtocol is what a backend is told of the client, before the first byte.
	ProxyProtocol ProxyProtocol

	// ConnectTimeout is how long connecting to a backend may take; 0 is 5 seconds.
	// StallTimeout is how long a connection may stay without a byte in either direction,
	// and up to a quarter more; 0 is 2 minutes. Negative is no limit.
	ConnectTimeout, StallTimeout time.Duration

	// Log gets what no function returns, such as backends that cannot be reached. Nil
	// discards it.
	Log *slog.Logger

	// Done, if not nil, is called once for each connection, when it has ended, by the
	// goroutine of that. It must not keep c, but what is in it, and not change what c refers
	// to.
	Done func(c *PassedConn)

	once     sync.Once
	hardStop context.Context // done when open connections must end
	stopHard context.CancelFunc
	buffers  sync.Pool // of *buffer
	reports  sync.Pool // of *PassedConn
	pipes    pipePool

	mu        sync.Mutex
	stopping  bool
	listeners map[*server.Listener]struct{}
	open      lru.List[passing]
	running   sync.WaitGroup // of connections, and of Serve
	watching  sync.WaitGroup
}

// A PassedConn is a connection that has ended.
type PassedConn struct {
	Route      string    // Name of the route; empty for the default, and for none
	To         string    // that of the route; empty for none
	Client     net.Addr  // true address, also behind a trusted proxy
	ServerName string    // that the client has asked for, in the form of parser.AppendText
	Began      time.Time // when it was accepted
	Took       time.Duration
	Sent       int64       // bytes that the client has sent to the backend
	Received   int64       // bytes that it has received
	Err        error       // why it ended; nil if both sides have closed it
	Event      event.Event // compact; zero if the client sent nothing
}

// Errors of a [PassedConn]. Others are those of [server.Conn.Detach], and of reading and
// writing.
var (
	ErrNoRoute = errors.New("no route")
	ErrBackend = errors.New("no connection to the backend")
	ErrStalled = errors.New("no byte for too long")
)

// timeout returns 0 for none.
func timeout(configured, standard time.Duration) time.Duration {
	if configured == 0 {
		return standard
	}
	return max(0, configured)
}

func (p *Pass) init() {
	p.once.Do(func() { p.hardStop, p.stopHard = context.WithCancel(context.Background()) })
}

// Serve accepts connections from l until [Pass.Shutdown] or [Pass.Close] is called. Then it
// returns [http.ErrServerClosed] at once: wait for Shutdown, which waits for the
// connections. Where l fails it closes l and returns that error. Several calls may serve
// several listeners.
func (p *Pass) Serve(l *server.Listener) error {
	p.init()
	defer l.Close()
	routes, err := newPassRoutes(p.Routes)
	if err != nil {
		return err
	}
	if !p.begin(l) {
		return http.ErrServerClosed
	}
	defer p.end(l)
	s := &passServer{Pass: p, routes: routes, log: p.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s.accept(l)
}

// begin counts a Serve of l as running. It returns false once the end has begun.
func (p *Pass) begin(l *server.Listener) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return false
	}
	if p.listeners == nil {
		p.listeners = make(map[*server.Listener]struct{})
		if d := timeout(p.StallTimeout, defaultStallTimeout); d > 0 {
			p.watching.Go(func() { p.watch(d / stallLooks) })
		}
	}
	p.listeners[l] = struct{}{}
	p.running.Add(1)
	return true
}

// end undoes begin.
func (p *Pass) end(l *server.Listener) {
	p.mu.Lock()
	delete(p.listeners, l)
	p.mu.Unlock()
	p.running.Done()
}

// Shutdown closes the listeners and the connections that have not been passed on, lets the
// others go on until both sides have closed them, and waits for that. When ctx is done
// before, it closes what is left, and returns the error of ctx.
func (p *Pass) Shutdown(ctx context.Context) error {
	p.init()
	p.mu.Lock()
	p.stopping = true
	for l := range p.listeners {
		l.Close()
	}
	var waiting []*passing
	for c := range p.open.All() {
		waiting = append(waiting, c)
	}
	p.mu.Unlock()
	for _, c := range waiting {
		c.endUnlessPassed()
	}
	inTime := context.AfterFunc(ctx, p.endAll)
	p.running.Wait()
	p.stopHard()
	p.watching.Wait()
	p.pipes.close()
	if !inTime() {
		return ctx.Err()
	}
	return nil
}

// Close ends all connections, and waits for that.
func (p *Pass) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.Shutdown(ctx)
	return nil
}

// endAll ends all connections at once.
func (p *Pass) endAll() {
	p.stopHard()
	p.mu.Lock()
	var all []*passing
	for c := range p.open.All() {
		all = append(all, c)
	}
	p.mu.Unlock()
	for _, c := range all {
		c.abort(net.ErrClosed)
	}
}

// A passServer is a Pass while it serves a Listener.
type passServer struct {
	*Pass
	routes *passRoutes
	log    *slog.Logger
}

// accept returns http.ErrServerClosed when the Pass is stopping.
func (s *passServer) accept(l *server.Listener) error {
	var pause time.Duration
	for {
		conn, err := l.Accept()
		if err == nil {
			pause = 0
			if !s.start(conn.(*server.Conn)) {
				return http.ErrServerClosed
			}
			continue
		}
		if s.isStopping() {
			return http.ErrServerClosed
		}
		// The process may be out of descriptors. net/http waits too.
		var temporary interface{ Temporary() bool }
		if !errors.As(err, &temporary) || !temporary.Temporary() {
			return err
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second/2)
		s.log.Warn("accepting a connection", "error", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-s.hardStop.Done():
		}
	}
}

func (p *Pass) isStopping() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopping
}

// start serves conn in a goroutine. It closes conn and returns false when the Pass is
// stopping.
func (s *passServer) start(conn *server.Conn) bool {
	c := &passing{server: s, client: conn}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		conn.Close()
		return false
	}
	s.open.Add(&c.node, c, 1)
	s.running.Add(1)
	go c.serve()
	return true
}

// stallLooks is how many looks without a byte between them make a stall.
const stallLooks = 4

// watch ends connections that stall. It looks at all of them at once, so that no
// connection has a timer, and none is set for each byte.
func (p *Pass) watch(interval time.Duration) {
	ticker := time.NewTicker(max(interval, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-p.hardStop.Done():
			return
		}
		var stalled []*passing
		p.mu.Lock()
		for c := range p.open.All() {
			if c.isStalled() {
				stalled = append(stalled, c)
			}
		}
		p.mu.Unlock()
		for _, c := range stalled {
			c.abort(ErrStalled)
		}
	}
}
