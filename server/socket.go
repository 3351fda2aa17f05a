package server

import (
	"errors"
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
)

// Listen returns a listener at addr, and with udp a socket at its port. Where
// systemd has passed sockets on (see systemd.socket), it returns these, and
// does not look at addr: no right to low ports is needed then.
func Listen(addr string, udp bool) (net.Listener, *net.UDPConn, error) {
	ln, conn, err := passedOn()
	if err != nil {
		return nil, nil, err
	}
	if ln == nil {
		if ln, err = net.Listen("tcp", addr); err != nil {
			return nil, nil, err
		}
	}
	if !udp {
		if conn != nil {
			conn.Close()
		}
		return ln, nil, nil
	}
	if conn != nil {
		return ln, conn, nil
	}
	tcp, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		ln.Close()
		return nil, nil, fmt.Errorf("no UDP port goes with %s", ln.Addr())
	}
	if conn, err = net.ListenUDP("udp", &net.UDPAddr{IP: tcp.IP, Port: tcp.Port, Zone: tcp.Zone}); err != nil {
		ln.Close()
		return nil, nil, err
	}
	return ln, conn, nil
}

// passedOn returns the first listener and the first UDP socket that systemd
// has passed on, or nil.
func passedOn() (ln net.Listener, conn *net.UDPConn, err error) {
	for _, f := range activation.Files(true) {
		if l, listenErr := net.FileListener(f); listenErr == nil && ln == nil {
			ln = l
		} else if c, connErr := net.FilePacketConn(f); connErr == nil && conn == nil {
			conn, _ = c.(*net.UDPConn)
		} else {
			err = errors.Join(err, fmt.Errorf("socket %s of systemd: %w", f.Name(), errors.Join(listenErr, connErr)))
		}
		f.Close()
	}
	return ln, conn, err
}
