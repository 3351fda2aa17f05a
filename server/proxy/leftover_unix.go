//go:build unix

package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// A socket is that of a backendConn. It reads with the mutex of it locked: otherwise
// something could have come already when a request is written, and not be noted yet.
type socket struct {
	raw  syscall.RawConn // nil if there is none
	take func(fd uintptr) bool
	look func(fd uintptr)

	dst []byte // of take, and its results
	n   int
	err error

	peeked [1]byte
	found  bool
}

func (s *socket) init(c *backendConn) {
	conn, ok := c.Conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	s.raw = raw
	s.take = func(fd uintptr) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for {
			s.n, s.err = syscall.Read(int(fd), s.dst)
			if !errors.Is(s.err, syscall.EINTR) {
				break
			}
		}
		if errors.Is(s.err, syscall.EAGAIN) {
			return false
		}
		c.came()
		return true
	}
	s.look = func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), s.peeked[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		s.found = !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
	}
}

// arrived reports whether there are bytes to be read, or the end. It is called with the
// mutex locked.
func (s *socket) arrived() bool {
	if s.raw == nil {
		return false
	}
	s.found = true // if it is closed
	_ = s.raw.Control(s.look)
	return s.found
}

// read reads from the connection.
func (s *socket) read(c *backendConn, p []byte) (int, error) {
	if s.raw == nil || len(p) == 0 {
		return c.readPlainly(p)
	}
	s.dst = p
	err := s.raw.Read(s.take)
	s.dst = nil
	switch {
	case err != nil: // such as that of a closed connection
		return 0, err
	case s.err != nil:
		return 0, &net.OpError{Op: "read", Net: c.RemoteAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("read", s.err)}
	case s.n <= 0:
		return 0, io.EOF
	}
	return s.n, nil
}
