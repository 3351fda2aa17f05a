package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/tlspeek/tlspeek/event"
)

// A Client is a connection that knows what its client has sent: a [*Conn], or
// one over QUIC that an [HTTP3] has accepted. It is comparable, and safe for
// use by several goroutines. It remains usable once the connection is closed. It has a
// method Close, too, by which a handler may end the connection with all of its requests;
// Decide must not call it.
type Client interface {
	// Event returns what is known of the first hello, or of what came in
	// place of one, and false until either has come. What event.Detail adds
	// must not be changed.
	Event(size event.Size) (event.Event, bool)

	// Observation returns what Event is made from. The hello in it must not
	// be changed.
	Observation() (event.Observation, bool)

	// HelloSize returns how many bytes the hellos have together, or 0 if none has
	// come. It costs much less than an Event: use it to estimate what one will cost.
	HelloSize() int

	// RemoteAddr returns the address of the client.
	RemoteAddr() net.Addr

	// Times returns when the parts of the handshake came.
	Times() Times
}

// Times says when the parts of a handshake came. A time is zero where it is not
// known, or the part has not come.
type Times struct {
	Accepted    time.Time // the connection
	Hello       time.Time // the last byte of the ClientHello
	SecondHello time.Time // that of the one after a HelloRetryRequest
	Finished    time.Time // the client's last message
}

// A client is a Client that Headers and EventOf can be served from.
type client interface {
	Client

	// theLife returns what is known of the connection besides its hellos, or nil
	// if none has come over QUIC.
	theLife() *life

	// fingerprints returns the values of Headers.
	fingerprints() fingerprints

	// http2Fingerprint returns the one of HTTP/2, or noneHTTP2.
	http2Fingerprint() string
}

type contextKey struct{}

// ConnContext is for [net/http.Server.ConnContext]: it lets [ClientOf],
// [FromContext] and [EventOf] find the connection of a request.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if conn := connOf(c); conn != nil {
		conn.keepHello()
		if t, ok := c.(*tls.Conn); ok {
			conn.above(t)
		}
		return withClient(ctx, conn)
	}
	return ctx
}

func withClient(ctx context.Context, c client) context.Context {
	return context.WithValue(ctx, contextKey{}, c)
}

// ClientOf returns the client of a request, or of a line, by its context. It
// returns nil if the connection is not one of a [Listener] or an [HTTP3], or
// the http.Server does not have [ConnContext].
func ClientOf(ctx context.Context) Client {
	if c := clientOf(ctx); c != nil {
		return c
	}
	return nil
}

func clientOf(ctx context.Context) client {
	c, _ := ctx.Value(contextKey{}).(client)
	return c
}

// FromContext returns the Event, in its full size, of the connection that a
// request came on, with the claim of its first request if that has come to
// [EventOf] or to a handler of [Wrap]. It returns false where [ClientOf] returns
// nil.
func FromContext(ctx context.Context) (event.Event, bool) {
	if c := clientOf(ctx); c != nil {
		return c.Event(event.Full)
	}
	return event.Event{}, false
}

// EventOf returns the Event of the connection that r came on, with what r says
// of its client and the claim that follows from it. The first request of a
// connection settles its Event, see [Listener.Settled]. Up to four claims of a
// connection are remembered. A request with another User-Agent than the first has
// the tag agents-differ, unless one of the two has none or the connection is that of
// a trusted proxy. Where requests are decided about, it has the rule, the action and the
// tags of that Decision, once r has come through [Wrap] or [Judge]. It returns false where
// [ClientOf] returns nil.
func EventOf(r *http.Request, size event.Size) (e event.Event, ok bool) {
	c := clientOf(r.Context())
	if c == nil {
		return e, false
	}
	l := c.theLife()
	if l == nil {
		return e, false
	}
	ok = copyIn(&e, l.eventOf(r, size), size)
	return e, ok
}
