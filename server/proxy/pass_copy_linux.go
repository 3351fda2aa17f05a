package proxy

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
)

// A copier carries what comes in small pieces through a buffer, and what comes in large
// ones through a pipe, without a copy in this process. It holds neither while it waits.
type copier struct {
	half     *half
	src, dst syscall.RawConn // nil where they are no sockets

	// Arguments and results of the functions, which are made once.
	read, fill, drain func(fd uintptr) bool
	buf               *buffer
	pipe              *pipe
	n                 int
	err               error
	noSplice          bool // a socket cannot, such as one of MPTCP
}

func (c *copier) init(h *half) {
	c.half = h
	c.src, c.dst = rawSocket(h.src), rawSocket(h.dst)
	if c.src == nil || c.dst == nil {
		return
	}
	c.read, c.fill, c.drain = c.readSome, c.fillPipe, c.drainPipe
}

// rawSocket returns the socket of conn, or nil if it has none.
func rawSocket(conn net.Conn) syscall.RawConn {
	switch conn := conn.(type) {
	case *net.TCPConn:
		raw, _ := conn.SyscallConn()
		return raw
	case *net.UnixConn:
		raw, _ := conn.SyscallConn()
		return raw
	}
	return nil
}

// carry carries bytes until src has ended. Writing says that it is dst that has failed.
func (h *half) carry() (err error, writing bool) {
	c := &h.copier
	if c.read == nil {
		return h.copyPlainly(h.src, h.dst)
	}
	for {
		if err := c.src.Read(c.read); err != nil {
			return err, false
		}
		if c.err != nil || c.n == 0 {
			return c.err, false
		}
		h.bytes.Add(int64(c.n))
		full := c.n == len(c.buf)
		_, err := h.dst.Write(c.buf[:c.n])
		h.conn.server.putBuffer(c.buf)
		c.buf = nil
		if err != nil {
			return err, true
		}
		if full && !c.noSplice {
			if err, writing := c.splice(); err != errSmall {
				return err, writing
			}
		}
	}
}

// readSome reads into a buffer. It returns false if there is nothing.
func (c *copier) readSome(fd uintptr) bool {
	buf := c.half.conn.server.getBuffer()
	c.n, c.err = retried(func() (int, error) { return syscall.Read(int(fd), buf[:]) })
	switch {
	case c.err == syscall.EAGAIN:
		c.half.conn.server.putBuffer(buf)
		return false
	case c.err != nil || c.n == 0:
		c.half.conn.server.putBuffer(buf)
		c.err = os.NewSyscallError("read", c.err)
	default:
		c.buf = buf
	}
	return true
}

// retried calls f until no signal interrupts it.
func retried(f func() (int, error)) (int, error) {
	for {
		if n, err := f(); err != syscall.EINTR {
			return n, err
		}
	}
}

// errSmall says that bytes come in small pieces.
var errSmall = errors.New("bytes come in small pieces")

// splice carries bytes through pipes while much comes at once.
func (c *copier) splice() (err error, writing bool) {
	h := c.half
	for {
		if err := c.src.Read(c.fill); err != nil {
			return err, false
		}
		switch {
		case c.err == errSmall: // or there are no more descriptors
			return errSmall, false
		case c.err != nil || c.n == 0:
			return c.err, false
		}
		n := c.n
		h.bytes.Add(int64(n))
		for c.n > 0 {
			if err := c.dst.Write(c.drain); err != nil {
				c.err = err
			} else if c.noSplice {
				c.err = c.copyPipe()
			}
			if c.err != nil {
				c.pipe.close()
				c.pipe = nil
				return c.err, true
			}
		}
		h.conn.server.pipes.put(c.pipe)
		c.pipe = nil
		if n < bufferSize/4 || c.noSplice {
			return errSmall, false
		}
	}
}

const (
	spliceFlags = 0x1 | 0x2 // SPLICE_F_MOVE, SPLICE_F_NONBLOCK
	maxSplice   = 1 << 20
)

// fillPipe moves bytes from a socket into a pipe. It returns false if there are none.
func (c *copier) fillPipe(fd uintptr) bool {
	pipes := &c.half.conn.server.pipes
	p, err := pipes.get()
	if err != nil {
		c.n, c.err = 0, errSmall
		return true
	}
	c.n, c.err = retried(func() (int, error) {
		n, err := syscall.Splice(int(fd), nil, p.w, nil, maxSplice, spliceFlags)
		return int(n), err
	})
	if c.err == nil && c.n > 0 {
		c.pipe = p
		return true
	}
	pipes.put(p)
	switch c.err {
	case syscall.EAGAIN:
		return false
	case syscall.EINVAL, syscall.ENOSYS:
		c.noSplice, c.err = true, errSmall
	default:
		c.err = os.NewSyscallError("splice", c.err)
	}
	return true
}

// drainPipe moves bytes from the pipe into a socket. It returns false if that has no room.
func (c *copier) drainPipe(fd uintptr) bool {
	n, err := retried(func() (int, error) {
		n, err := syscall.Splice(c.pipe.r, nil, int(fd), nil, c.n, spliceFlags)
		return int(n), err
	})
	switch err {
	case nil:
		c.err = nil
		c.n -= n
	case syscall.EAGAIN:
		return false
	case syscall.EINVAL, syscall.ENOSYS:
		c.noSplice = true
	default:
		c.err = os.NewSyscallError("splice", err)
	}
	return true
}

// copyPipe carries what is in the pipe through a buffer.
func (c *copier) copyPipe() error {
	b := c.half.conn.server.getBuffer()
	defer c.half.conn.server.putBuffer(b)
	for c.n > 0 {
		n, err := retried(func() (int, error) { return syscall.Read(c.pipe.r, b[:min(c.n, len(b))]) })
		if err != nil {
			return os.NewSyscallError("read", err)
		}
		if _, err := c.half.dst.Write(b[:n]); err != nil {
			return err
		}
		c.n -= n
	}
	return nil
}

// A pipe is empty while it is in the pool.
type pipe struct{ r, w int }

func (p *pipe) close() {
	_ = syscall.Close(p.r)
	_ = syscall.Close(p.w)
}

// maxIdlePipes bounds the pipes that nobody uses.
const maxIdlePipes = 64

// A pipePool has pipes that nobody uses.
type pipePool struct {
	mu     sync.Mutex
	idle   []*pipe
	closed bool
}

func (p *pipePool) get() (*pipe, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		last := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return last, nil
	}
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	return &pipe{fds[0], fds[1]}, nil
}

func (p *pipePool) put(pipe *pipe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= maxIdlePipes {
		pipe.close()
		return
	}
	p.idle = append(p.idle, pipe)
}

func (p *pipePool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, pipe := range p.idle {
		pipe.close()
	}
	p.idle = nil
}
