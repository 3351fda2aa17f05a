package server

import "time"

// maxHeldAhead is how many bytes are read of a client that is held back. It sends none
// in a handshake; what is beyond stays in the socket.
const maxHeldAhead = 16 << 10

// A hold is what a Decision to wait leaves to do.
type hold struct {
	until time.Time
	over  func() // may be nil
}

// endHold ends a hold that has not begun, if there is one. It is called with reading
// held.
func (c *Conn) endHold() {
	if h := c.hold; h != nil {
		c.hold = nil
		if h.over != nil {
			h.over()
		}
	}
}

// holdBack waits until the hold of c is over, the connection is closed, a deadline for
// reading has passed, or the time for the handshake is up. Meanwhile it reads ahead, to
// find out whether the client has left. It is called with reading held.
func (c *Conn) holdBack() {
	until := c.hold.until
	defer c.endHold()
	if c.closed.Load() {
		return
	}
	if c.deadline.hold(c.Conn, until) {
		defer c.deadline.endHold(c.Conn)
		for c.ahead.err == nil && len(c.ahead.bytes)-c.ahead.next < maxHeldAhead {
			if err := c.fill(nil); err != nil || c.closed.Load() {
				return
			}
		}
	}
	if c.ahead.err == nil {
		c.sleep(until)
	}
}

// sleep waits until then, until the connection is closed, or until its time for the
// handshake is up.
func (c *Conn) sleep(until time.Time) {
	if c.listener != nil {
		if timeout := c.listener.handshakeTimeout(); timeout > 0 && until.After(c.accepted.Add(timeout)) {
			until = c.accepted.Add(timeout)
		}
	}
	c.mu.Lock()
	if c.closing == nil {
		c.closing = make(chan struct{})
	}
	closing := c.closing
	c.mu.Unlock()
	if c.closed.Load() {
		return
	}
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-t.C:
	case <-closing:
	}
}

// endWait ends what sleep waits for.
func (c *Conn) endWait() {
	c.closed.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing != nil {
		close(c.closing)
		c.closing = nil
	}
}
