package proxy

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// wantsWebSocket reports whether r asks for a WebSocket (RFC 6455, section 4.1).
func wantsWebSocket(r *http.Request) bool {
	upgrade := r.Header["Upgrade"]
	return len(upgrade) == 1 && strings.EqualFold(upgrade[0], "websocket") && r.Method == http.MethodGet && r.ContentLength == 0 &&
		r.ProtoMajor == 1 && r.ProtoMinor >= 1 && httpguts.HeaderValuesContainsToken(r.Header["Connection"], "upgrade")
}

// gotWebSocket reports whether the answer to such a request agrees.
func gotWebSocket(res *http.Response) bool {
	upgrade := res.Header["Upgrade"]
	return len(upgrade) == 1 && strings.EqualFold(upgrade[0], "websocket") && httpguts.HeaderValuesContainsToken(res.Header["Connection"], "upgrade")
}

// A tunnel is the connection to a client once it is a WebSocket.
type tunnel struct {
	net.Conn
	x     *exchange
	ahead *bufio.Reader // what net/http has read of it before; nil once that is used up
}

func (t *tunnel) Read(p []byte) (int, error) {
	if t.ahead != nil {
		if n := min(t.ahead.Buffered(), len(p)); n > 0 {
			return t.ahead.Read(p[:n])
		}
		t.ahead = nil
	}
	n, err := t.Conn.Read(p)
	if n > 0 {
		t.x.moved()
	}
	return n, err
}

func (t *tunnel) Write(p []byte) (int, error) {
	n, err := t.Conn.Write(p)
	if n > 0 {
		t.x.moved()
	}
	return n, err
}

// CloseWrite tells the client that the backend has ended, and leaves it time to end, too.
func (t *tunnel) CloseWrite() error {
	if c, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return t.Close()
}

// Close also forgets the tunnel.
func (t *tunnel) Close() error {
	t.x.p.tunnels.remove(t)
	return t.Conn.Close()
}

// tunnels are the WebSockets of a Reverse. net/http forgets these connections: they end
// when the server that has accepted them shuts down.
type tunnels struct {
	mu      sync.Mutex
	open    map[*tunnel]*http.Server
	servers map[*http.Server]bool // false once it shuts down
}

// watch has the tunnels of a server end with it.
func (s *tunnels) watch(srv *http.Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.servers[srv]; ok {
		return
	}
	if s.servers == nil {
		s.servers = make(map[*http.Server]bool)
		s.open = make(map[*tunnel]*http.Server)
	}
	s.servers[srv] = true
	srv.RegisterOnShutdown(func() { s.endOf(srv) })
}

func (s *tunnels) endOf(srv *http.Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.servers[srv] = false
	for t, of := range s.open {
		if of == srv {
			t.x.cancel(http.ErrServerClosed)
		}
	}
}

// add returns false if the server of t shuts down.
func (s *tunnels) add(t *tunnel) bool {
	srv, _ := t.x.Value(http.ServerContextKey).(*http.Server)
	s.mu.Lock()
	defer s.mu.Unlock()
	if open, ok := s.servers[srv]; ok && !open {
		return false
	}
	if s.open == nil {
		s.open = make(map[*tunnel]*http.Server)
	}
	s.open[t] = srv
	return true
}

func (s *tunnels) remove(t *tunnel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, t)
}

// removeHopByHop removes the fields of an answer that are about its connection alone.
func removeHopByHop(h http.Header) {
	for _, value := range h["Connection"] {
		for name := range strings.SplitSeq(value, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for name := range h {
		if framingFields.Has(name) || name == "Proxy-Authenticate" || name == "Te" || name == "Upgrade" {
			delete(h, name)
		}
	}
}
