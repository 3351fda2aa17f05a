package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/qlogwriter"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/quichello"
)

// An HTTP3 serves HTTP/3 to clients whose hellos it reads: [ClientOf],
// [FromContext] and [EventOf] find them for a request.
//
// The fields must not be changed once Serve was called.
type HTTP3 struct {
	// Handler answers the requests. It is called by a goroutine for each.
	Handler http.Handler

	// TLSConfig has the certificate. Its NextProtos are not used.
	TLSConfig *tls.Config

	// Observe, if not nil, is called with each hello, and with a malformed one,
	// as that of a [Listener]: by the goroutine that reads from the socket, so
	// that all clients of the socket wait for it. It is called for each client
	// that sends a hello, whether it has shown its address or not, which Unverified
	// of the Observation says. See Verified.
	Observe func(*event.Observation)

	// Verified is that of a [Listener].
	Verified func(*event.Observation)

	// Decide is that of a [Listener]. It is called when crypto/tls has read the
	// hello, and answers nothing before; a Decision to close ends the handshake with
	// an error. For the hello after a HelloRetryRequest it is called again: before the
	// answer, too, or, where a session is resumed, after it. The Config of that
	// Decision does not apply.
	Decide func(c Client) Decision

	// DecideRequest is that of a [Listener]. It is not called for the requests of a
	// Handler that is not one of [Wrap].
	DecideRequest func(c Client, r *http.Request) Decision

	// Settled, SettleTimeout and MaxUnsettled are those of a [Listener]. Hellos of
	// clients that do not get as far as a connection are settled, too.
	Settled       func(*event.Observation, *event.Event)
	SettleTimeout time.Duration
	MaxUnsettled  int

	// Clients is that of a [Listener].
	Clients *known.Database

	// Limits bounds the connections, together with those of a Listener that
	// shares it. MaxHalfOpen does not apply. Nil is for no bounds.
	Limits *Limits

	// RetryAbove is how many handshakes may be unfinished before further
	// clients have to prove their address (RFC 9000, section 8.1.2). 0 is 100,
	// negative is for all clients. So do those who come while more hellos arrive
	// than are read.
	RetryAbove int

	// IdleTimeout is how long a connection stays open without a request, whatever
	// else it sends. 0 is for the timeout of the QUIC connection alone, 30 seconds
	// without any packet.
	IdleTimeout time.Duration

	drops     helloDrops
	flowBytes int // for tests: the limit of the tap, if not 0

	once   sync.Once // for lives
	lives  settling
	shared *settling // that of a Listener, used in place of lives

	life     lifecycle
	halfOpen atomic.Int64
	port     atomic.Pointer[servedPort] // the latest, while it is served
}

// defaultRetryAbove unfinished handshakes cost 7 MB in quic-go.
const defaultRetryAbove = 100

// Serve serves on conn until [HTTP3.Shutdown] or [HTTP3.Close] is called, and
// then returns [http.ErrServerClosed] once the connections are closed. It does
// not close conn. It may be called for several sockets at once.
func (s *HTTP3) Serve(conn *net.UDPConn) error {
	if !s.life.begin() {
		return http.ErrServerClosed
	}
	defer s.life.running.Done()
	t := newTap(conn, s.Observe)
	t.verified, t.settling, t.drops = s.Verified, s.settling(), &s.drops
	if s.flowBytes > 0 {
		t.limit = s.flowBytes
	}
	transport := &quic.Transport{
		Conn:               t,
		ConnectionIDLength: serverIDLen,
		ConnContext: func(ctx context.Context, client *quic.ClientInfo) (context.Context, error) {
			return s.newConn(ctx, t, client)
		},
		VerifySourceAddress: func(net.Addr) bool { return s.mustVerify() || t.isOverloaded() },
	}
	var conns sync.WaitGroup
	defer conns.Wait()
	defer transport.Close() // which ends the connections
	config := quicConfig()
	// The connection id is the original one, also after a Retry.
	config.Tracer = func(ctx context.Context, _ bool, id quic.ConnectionID) qlogwriter.Trace {
		if c, ok := clientOf(ctx).(*quicConn); ok {
			first, _ := quichello.ConnectionIDFrom(id.Bytes())
			t.bind(first, c)
		}
		return nil
	}
	ln, err := transport.Listen(http3.ConfigureTLSConfig(s.decidingConfig()), config)
	if err != nil {
		return err
	}
	defer ln.Close()
	h3 := &http3.Server{Handler: keepTrailers(watchRequests(s.Handler)), IdleTimeout: s.IdleTimeout, MaxHeaderBytes: maxHTTP3Header}
	port := &servedPort{conn.LocalAddr().(*net.UDPAddr).Port}
	s.port.Store(port)
	defer s.port.CompareAndSwap(port, nil)
	err = s.acceptConns(&quicListener{ln, s}, h3, &conns)
	if s.life.softStop.Err() != nil {
		conns.Wait()
	}
	return err
}

// A servedPort is that of a socket.
type servedPort struct{ number int }

// settling returns what settles the connections of s.
func (s *HTTP3) settling() *settling {
	if s.shared != nil {
		return s.shared
	}
	s.once.Do(func() {
		s.lives.configure(s.Settled, s.SettleTimeout, s.MaxUnsettled, s.Clients)
		s.lives.decideRequest = s.DecideRequest
	})
	return &s.lives
}

// SettleAll is that of a [Listener].
func (s *HTTP3) SettleAll(ctx context.Context) error { return s.settling().all(ctx) }

// Shutdown refuses new connections and requests, and waits until those that have
// begun are finished. It then closes their connections; clients are not told before
// that no more requests are served. When ctx is done before, it closes what is left and
// returns the error of ctx.
func (s *HTTP3) Shutdown(ctx context.Context) error { return s.life.end(ctx) }

// Close closes all connections, and waits until Serve has returned.
func (s *HTTP3) Close() error {
	s.life.close()
	return nil
}

// mustVerify reports whether a new client has to prove its address first.
func (s *HTTP3) mustVerify() bool {
	if s.halfOpen.Load() >= s.retryAbove() {
		return true
	}
	return s.Limits != nil && s.Limits.AllowUnverified != nil && !s.Limits.AllowUnverified()
}

func (s *HTTP3) retryAbove() int64 {
	if s.RetryAbove == 0 {
		return defaultRetryAbove
	}
	return int64(max(0, s.RetryAbove))
}

// HalfOpen returns the number of handshakes that have not finished.
func (s *HTTP3) HalfOpen() int { return int(s.halfOpen.Load()) }

// Announce adds the Alt-Svc field to h that tells clients of HTTP/3 on the same
// port (RFC 7838, section 3), while it is served.
func (s *HTTP3) Announce(h http.Header) {
	if port := s.port.Load(); port != nil {
		h.Add("Alt-Svc", `h3=":`+strconv.Itoa(port.number)+`"; ma=2592000`)
	}
}

// newConn records a connection that begins, or refuses it.
func (s *HTTP3) newConn(ctx context.Context, t *tap, client *quic.ClientInfo) (context.Context, error) {
	c := &quicConn{addr: addrPort(client.RemoteAddr), verified: client.AddrVerified, halfOpen: true, tap: t}
	if s.Limits != nil {
		if err := s.Limits.addQUIC(c); err != nil {
			return nil, err
		}
	}
	s.halfOpen.Add(1)
	context.AfterFunc(ctx, func() {
		t.unbind(c)
		c.idle.stop()
		if l := c.theLife(); l != nil {
			if !c.hasFinished() {
				l.outcomeCame(failedQUIC(context.Cause(ctx)))
			}
			l.end()
		}
		s.handshakeDone(c)
		if s.Limits != nil {
			s.Limits.removeQUIC(c)
		}
	})
	return withClient(ctx, c), nil
}

// handshakeDone records that the handshake of c has ended, well or not.
func (s *HTTP3) handshakeDone(c *quicConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.halfOpen {
		c.halfOpen = false
		s.halfOpen.Add(-1)
	}
}

// A quicListener records whose handshakes have finished: quic-go's Listener
// returns no others.
type quicListener struct {
	*quic.Listener
	server *HTTP3
}

func (l *quicListener) Accept(ctx context.Context) (*quic.Conn, error) {
	for {
		conn, err := l.Listener.Accept(ctx)
		if err != nil {
			return nil, err
		}
		c, ok := clientOf(conn.Context()).(*quicConn)
		if !ok {
			return conn, nil
		}
		c.finish()
		c.tap.finish(c)
		if life := c.theLife(); life != nil {
			state := conn.ConnectionState().TLS
			life.outcomeCame(c.timed(handshakeOf(&state)))
			life.settling.verify(life)
			life.settling.handshakeDone(life)
		}
		l.server.handshakeDone(c)
		if limits := l.server.Limits; limits == nil || limits.addQUICAddr(c) {
			c.watchIdle(conn, l.server.IdleTimeout)
			return conn, nil
		}
		_ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeExcessiveLoad), "") // the client may have disconnected
	}
}
