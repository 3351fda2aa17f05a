package server

import (
	"context"
	"net"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A source is a connection that knows its client's hello.
type source interface {
	// Event returns false as long as nothing is known.
	Event(event.Size) (event.Event, bool)

	// observed says what is known of the hello, which it parses into h.
	observed(h *parser.ClientHello) (event.Observation, bool)

	fingerprints() fingerprints

	// users are the clients of the user's own, or nil.
	users() *known.Database

	timing() timing
}

// A timing says when the parts of a handshake came; zero for what is not known.
type timing struct {
	accepted time.Time // the connection
	hello    time.Time // the last byte of the ClientHello
	second   time.Time // that of the one after a HelloRetryRequest
	finished time.Time // the client's last message
}

type contextKey struct{}

// ConnContext is for [net/http.Server.ConnContext]: it lets [FromContext] find
// the connection of a request.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if conn := connOf(c); conn != nil {
		conn.want()
		return context.WithValue(ctx, contextKey{}, source(conn))
	}
	return ctx
}

// FromContext returns the Event, in its full size, of the connection that a
// request came on. It returns false if that is not a connection of a
// [Listener] or of an [HTTP3], or the server does not have [ConnContext].
func FromContext(ctx context.Context) (event.Event, bool) {
	if s := sourceOf(ctx); s != nil {
		return s.Event(event.Full)
	}
	return event.Event{}, false
}

func sourceOf(ctx context.Context) source {
	s, _ := ctx.Value(contextKey{}).(source)
	return s
}

// connOf returns the Conn that c is or is wrapped around, or nil.
func connOf(c net.Conn) *Conn {
	for c != nil {
		switch inner := c.(type) {
		case *Conn:
			return inner
		case interface{ NetConn() net.Conn }: // as tls.Conn has it
			c = inner.NetConn()
		default:
			return nil
		}
	}
	return nil
}
