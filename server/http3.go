package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/qlogwriter"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

// An HTTP3 serves HTTP/3 to clients whose hellos it sees: [FromContext] finds
// them for a request.
type HTTP3 struct {
	Handler   http.Handler
	TLSConfig *tls.Config // its NextProtos are not used

	// Observe, if not nil, is told of each hello, as that of a [Listener].
	Observe func(*event.Observation)

	// Clients is that of a [Listener].
	Clients *known.Database

	// Limits, if not nil, is the Listener whose MaxConns and MaxPerAddr are to
	// hold for its connections and those over QUIC together. Those that are too
	// many are refused, and Dropped is told.
	Limits *Listener

	// RetryAbove is how many handshakes may be open before further clients
	// have to show that their address is theirs (RFC 9000, section 8.1.2).
	// 0 is 100, negative for all clients.
	RetryAbove int

	// IdleTimeout is how long a connection may be without a request.
	IdleTimeout time.Duration

	flowBytes int // for tests: the limit of the tap, if not 0

	life     lifecycle
	halfOpen atomic.Int64
	server   atomic.Pointer[http3.Server]
}

// defaultRetryAbove handshakes cost 7 MB in quic-go.
const defaultRetryAbove = 100

// Serve serves on conn until Shutdown or Close is called, and then returns
// [http.ErrServerClosed]. It does not close conn. It may be called for several
// sockets at once.
func (s *HTTP3) Serve(conn *net.UDPConn) error {
	if !s.life.begin() {
		return http.ErrServerClosed
	}
	defer s.life.running.Done()
	t := newTap(conn, s.Observe)
	if s.flowBytes > 0 {
		t.limit = s.flowBytes
	}
	transport := &quic.Transport{
		Conn: t,
		ConnContext: func(ctx context.Context, client *quic.ClientInfo) (context.Context, error) {
			return s.begin(ctx, t, client)
		},
		VerifySourceAddress: func(net.Addr) bool { return s.halfOpen.Load() >= s.retryAbove() },
	}
	defer transport.Close()
	ln, err := transport.Listen(http3.ConfigureTLSConfig(s.TLSConfig), &quic.Config{
		MaxIncomingStreams: maxStreams,
		// The connection id is the original one, also after a Retry.
		Tracer: func(ctx context.Context, _ bool, id quic.ConnectionID) qlogwriter.Trace {
			if c, ok := clientOf(ctx).(*quicConn); ok {
				t.claim(string(id.Bytes()), c)
			}
			return nil
		},
	})
	if err != nil {
		return err
	}
	defer ln.Close()
	h3 := &http3.Server{Handler: s.Handler, IdleTimeout: s.IdleTimeout}
	served := make(chan error, 1)
	go func() { served <- h3.ServeListener(&counting{Listener: ln, server: s}) }()
	s.server.Store(h3)
	select {
	case err = <-served:
	case <-s.life.stopping.Done():
		_ = h3.Shutdown(s.life.killed) // which closes what does not end
		<-served
		err = http.ErrServerClosed
	}
	return err
}

// Shutdown refuses new connections and requests, and waits until those that
// have begun are finished. When ctx is done before, it closes what is left and
// returns the error of ctx.
func (s *HTTP3) Shutdown(ctx context.Context) error { return s.life.end(ctx) }

// Close closes all connections.
func (s *HTTP3) Close() error {
	s.life.close()
	return nil
}

func (s *HTTP3) retryAbove() int64 {
	if s.RetryAbove == 0 {
		return defaultRetryAbove
	}
	return int64(max(0, s.RetryAbove))
}

// HalfOpen returns how many handshakes are open.
func (s *HTTP3) HalfOpen() int { return int(s.halfOpen.Load()) }

// Announce adds the Alt-Svc field that tells clients of HTTP/3 on the same
// port (RFC 7838, section 3), while it is served.
func (s *HTTP3) Announce(h http.Header) {
	if server := s.server.Load(); server != nil {
		_ = server.SetQUICHeaders(h) // fails only where no port is served
	}
}

// begin takes note of a connection that begins, or refuses it.
func (s *HTTP3) begin(ctx context.Context, t *tap, client *quic.ClientInfo) (context.Context, error) {
	c := &quicConn{client: addrPort(client.RemoteAddr), verified: client.AddrVerified, own: s.Clients, waiting: true}
	if s.Limits != nil && !s.Limits.admitQUIC(c) {
		return nil, errFull
	}
	s.halfOpen.Add(1)
	context.AfterFunc(ctx, func() {
		t.forget(c)
		s.shaken(c)
		if s.Limits != nil {
			s.Limits.leaveQUIC(c)
		}
	})
	return withClient(ctx, c), nil
}

// shaken takes note that the handshake of c has ended, well or not.
func (s *HTTP3) shaken(c *quicConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting {
		c.waiting, c.ended = false, time.Now()
		s.halfOpen.Add(-1)
	}
}

// A counting listener knows whose handshakes are over: quic-go's Listener
// returns no others.
type counting struct {
	*quic.Listener
	server *HTTP3
}

func (l *counting) Accept(ctx context.Context) (*quic.Conn, error) {
	for {
		conn, err := l.Listener.Accept(ctx)
		if err != nil {
			return nil, err
		}
		c, ok := clientOf(conn.Context()).(*quicConn)
		if !ok {
			return conn, nil
		}
		l.server.shaken(c)
		if limits := l.server.Limits; limits == nil || limits.admitQUICAddr(c) {
			return conn, nil
		}
		_ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeExcessiveLoad), "") // who has gone need not know
	}
}
