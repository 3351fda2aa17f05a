package listen

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// Sockets returns a listener at addr, and with udp the sockets at its port.
// Localhost is both loopback addresses, as browsers may ask at either. Where
// systemd has passed sockets on (see systemd.socket), it returns these, and
// does not look at addr: no right to low ports is needed then.
func Sockets(addr string, udp bool) (net.Listener, []*net.UDPConn, error) {
	for tries := 1; ; tries++ {
		ln, conns, err := listen(addr, udp)
		// Any port will do that is free on all sockets.
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.HasSuffix(addr, ":0") || tries == 10 {
			return ln, conns, err
		}
	}
}

func listen(addr string, udp bool) (net.Listener, []*net.UDPConn, error) {
	listeners, conns, err := passedOn()
	if err == nil && len(listeners) == 0 {
		listeners, err = listenTCP(addr)
	}
	if err == nil && udp && len(conns) == 0 {
		conns, err = listenUDP(listeners)
	}
	if err != nil || !udp {
		for _, c := range conns {
			c.Close()
		}
		conns = nil
	}
	if err != nil {
		for _, l := range listeners {
			l.Close()
		}
		return nil, nil, err
	}
	if len(listeners) == 1 {
		return listeners[0], conns, nil
	}
	return join(listeners), conns, nil
}

func listenTCP(addr string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if host != "localhost" {
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return nil, err
		}
		return []net.Listener{ln}, nil
	}
	first, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, err
	}
	_, port, _ = net.SplitHostPort(first.Addr().String()) // which may have been 0
	second, err := net.Listen("tcp", net.JoinHostPort("::1", port))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		first.Close()
		return nil, err
	case err != nil: // a machine without IPv6
		return []net.Listener{first}, nil
	}
	return []net.Listener{first, second}, nil
}

// listenUDP returns a socket at the port of each listener.
func listenUDP(listeners []net.Listener) (conns []*net.UDPConn, err error) {
	for _, ln := range listeners {
		tcp, ok := ln.Addr().(*net.TCPAddr)
		if !ok {
			return conns, fmt.Errorf("no UDP port goes with %s", ln.Addr())
		}
		conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: tcp.IP, Port: tcp.Port, Zone: tcp.Zone})
		if err != nil {
			return conns, err
		}
		conns = append(conns, conn)
	}
	return conns, nil
}

// passedOn returns the sockets that systemd has passed on.
func passedOn() (listeners []net.Listener, conns []*net.UDPConn, err error) {
	for _, f := range activation.Files(true) {
		if l, failed := net.FileListener(f); failed == nil {
			listeners = append(listeners, l)
		} else if c, failed := net.FilePacketConn(f); failed != nil {
			err = errors.Join(err, fmt.Errorf("socket %s of systemd: %w", f.Name(), failed))
		} else if u, ok := c.(*net.UDPConn); ok {
			conns = append(conns, u)
		} else {
			err = errors.Join(err, fmt.Errorf("socket %s of systemd: a %T", f.Name(), c), c.Close())
		}
		f.Close()
	}
	return listeners, conns, err
}

// A joined listener accepts what several do.
type joined struct {
	listeners []net.Listener
	accepted  chan acceptance
	closed    chan struct{}
	once      sync.Once
	running   sync.WaitGroup
}

type acceptance struct {
	conn net.Conn
	err  error
}

func join(listeners []net.Listener) *joined {
	j := &joined{listeners: listeners, accepted: make(chan acceptance), closed: make(chan struct{})}
	for _, ln := range listeners {
		j.running.Go(func() { j.run(ln) })
	}
	return j
}

// run hands on what ln accepts, one at a time, and how it fails, unchanged.
func (j *joined) run(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		select {
		case j.accepted <- acceptance{conn, err}:
		case <-j.closed:
			if conn != nil {
				conn.Close()
			}
			return
		}
	}
}

func (j *joined) Accept() (net.Conn, error) {
	select {
	case a := <-j.accepted:
		return a.conn, a.err
	case <-j.closed:
		return nil, net.ErrClosed
	}
}

func (j *joined) Close() (err error) {
	j.once.Do(func() {
		close(j.closed)
		for _, ln := range j.listeners {
			err = errors.Join(err, ln.Close())
		}
		j.running.Wait()
	})
	return err
}

func (j *joined) Addr() net.Addr { return j.listeners[0].Addr() }
