// Package integration shows how a [server.Listener] fits in with listeners and
// servers of others, and tests that over real connections: grpc-go, cmux,
// go-proxyproto, and LimitListener of golang.org/x/net/netutil. It is a module of
// its own, so that tlspeek does not depend on them.
package integration

import (
	"context"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/server"
)

// WithConn returns credentials for a gRPC server on a [server.Listener]: the
// handshake is that of base, and [EventOf] finds the hello in each call.
//
//	s := grpc.NewServer(grpc.Creds(integration.WithConn(credentials.NewTLS(config))))
//	s.Serve(&server.Listener{Listener: ln})
//
// grpc-go hands connections to credentials and to nothing else.
func WithConn(base credentials.TransportCredentials) credentials.TransportCredentials {
	return withConn{base}
}

type withConn struct {
	credentials.TransportCredentials
}

// AuthInfo is the AuthInfo of a peer whose server has the credentials of WithConn.
type AuthInfo struct {
	credentials.AuthInfo // of the handshake, such as credentials.TLSInfo

	Conn *server.Conn // nil if the connection does not come from a Listener
}

func (c withConn) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	return conn, AuthInfo{info, server.ConnOf(conn)}, nil
}

func (c withConn) Clone() credentials.TransportCredentials {
	return withConn{c.TransportCredentials.Clone()}
}

// EventOf returns the Event of the connection that a gRPC call came on, by the
// context of the call.
func EventOf(ctx context.Context, size event.Size) (event.Event, bool) {
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(AuthInfo); ok && info.Conn != nil {
			return info.Conn.Event(size)
		}
	}
	return event.Event{}, false
}
