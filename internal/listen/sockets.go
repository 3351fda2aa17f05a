package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
)

// Systemd is an address for [Sockets]: those that systemd passes, and no others.
const Systemd = "systemd"

// ErrNotPassed says that systemd has passed no sockets.
var ErrNotPassed = errors.New("systemd has passed no sockets")

// Inherited reports whether systemd has passed sockets to this process.
func Inherited() bool {
	pid, _ := strconv.Atoi(os.Getenv("LISTEN_PID"))
	n, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	return pid == os.Getpid() && n > 0
}

// Sockets opens a listener at addr, and with udp the UDP sockets of its port. For
// localhost it opens both loopback addresses, as browsers may use either. If
// systemd has passed sockets (see systemd.socket), it returns those and ignores
// addr: then the program needs no right to low ports. If it fails, it has closed
// what it opened. The error is ErrNotPassed if addr is Systemd and none were passed.
func Sockets(addr string, udp bool) (net.Listener, []*net.UDPConn, error) {
	for tries := 1; ; tries++ {
		ln, conns, err := listen(addr, udp)
		// Port 0 is any port that is free on all sockets.
		if !errors.Is(err, syscall.EADDRINUSE) || !strings.HasSuffix(addr, ":0") || tries == 10 {
			return ln, conns, err
		}
	}
}

func listen(addr string, udp bool) (net.Listener, []*net.UDPConn, error) {
	listeners, conns, err := systemdSockets()
	switch {
	case err != nil || len(listeners) > 0:
	case addr == Systemd:
		err = ErrNotPassed
	default:
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
	return merge(listeners), conns, nil
}

// Try opens the sockets that [Sockets] opens. Sockets returns the first error, and Try
// all of them: UDP is tried where TCP fails. release closes the sockets; first is the
// address of a TCP socket, or nil.
func Try(addr string, udp bool) (first net.Addr, release func(), errs []error) {
	listeners, conns, err := systemdSockets()
	release = func() {
		for _, l := range listeners {
			l.Close()
		}
		for _, c := range conns {
			c.Close()
		}
	}
	if err == nil && len(listeners) == 0 {
		if addr == Systemd {
			return nil, release, []error{ErrNotPassed}
		}
		listeners, err = listenTCP(addr)
	}
	if err != nil {
		errs = append(errs, err)
	}
	switch {
	case !udp || len(conns) > 0:
		err = nil
	case len(listeners) > 0:
		conns, err = listenUDP(listeners)
	default:
		err = tryUDP(addr)
	}
	if err != nil {
		errs = append(errs, err)
	}
	if len(listeners) > 0 {
		first = listeners[0].Addr()
	}
	return first, release, errs
}

// tryUDP opens and closes a UDP socket at addr. An error in the address itself is
// that of TCP, and not returned again.
func tryUDP(addr string) error {
	c, err := net.ListenPacket("udp", addr)
	if err == nil {
		return c.Close()
	}
	if address, dns := new(net.AddrError), new(net.DNSError); errors.As(err, &address) || errors.As(err, &dns) {
		return nil
	}
	return err
}

// listenOn listens on an address over TCP. What keeps connections alive is set for the listening socket,
// from which they have it: net would set it for each of them, with four calls of the system.
func listenOn(addr string) (net.Listener, error) {
	config := net.ListenConfig{KeepAlive: acceptedKeepAlive, Control: keepAlive}
	return config.Listen(context.Background(), "tcp", addr)
}

func listenTCP(addr string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if host != "localhost" {
		ln, err := listenOn(addr)
		if err != nil {
			return nil, err
		}
		return []net.Listener{ln}, nil
	}
	first, err := listenOn(net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, err
	}
	_, port, _ = net.SplitHostPort(first.Addr().String()) // which may have been 0
	second, err := listenOn(net.JoinHostPort("::1", port))
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

// systemdSockets returns the sockets that systemd has passed.
func systemdSockets() (listeners []net.Listener, conns []*net.UDPConn, err error) {
	for _, f := range activation.Files(true) {
		if l, failed := net.FileListener(f); failed == nil {
			listeners = append(listeners, l)
		} else if c, failed := net.FilePacketConn(f); failed != nil {
			err = errors.Join(err, fmt.Errorf("socket %s of systemd: %w", f.Name(), failed))
		} else if u, ok := c.(*net.UDPConn); ok {
			conns = append(conns, u)
		} else {
			err = errors.Join(err, fmt.Errorf("socket %s of systemd: unsupported type %T", f.Name(), c), c.Close())
		}
		f.Close()
	}
	return listeners, conns, err
}

// A multiListener accepts what several listeners accept.
type multiListener struct {
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

func merge(listeners []net.Listener) *multiListener {
	m := &multiListener{listeners: listeners, accepted: make(chan acceptance), closed: make(chan struct{})}
	for _, ln := range listeners {
		m.running.Go(func() { m.run(ln) })
	}
	return m
}

// run passes on what ln accepts, one at a time, and its errors unchanged.
func (m *multiListener) run(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		select {
		case m.accepted <- acceptance{conn, err}:
		case <-m.closed:
			if conn != nil {
				conn.Close()
			}
			return
		}
	}
}

func (m *multiListener) Accept() (net.Conn, error) {
	select {
	case a := <-m.accepted:
		return a.conn, a.err
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *multiListener) Close() (err error) {
	m.once.Do(func() {
		close(m.closed)
		for _, ln := range m.listeners {
			err = errors.Join(err, ln.Close())
		}
		m.running.Wait()
	})
	return err
}

func (m *multiListener) Addr() net.Addr { return m.listeners[0].Addr() }
