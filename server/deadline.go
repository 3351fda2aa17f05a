package server

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// A deadline combines two kinds of deadlines: that of the handshake, and those
// that the user of a connection sets. The earlier one counts. When that of the
// handshake is lifted, the user's count as if there had never been another.
type deadline struct {
	mu          sync.Mutex
	handshake   time.Time // zero once lifted
	read, write time.Time // the user's; zero for none
	held        time.Time // while a client is held back, for reading; otherwise zero
	unsupported bool      // by the connection, for reading
}

// limit sets the deadline of the handshake. A connection that supports none has
// none.
func (d *deadline) limit(c net.Conn, t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.handshake = t
	d.apply(c)
}

// lift removes the deadline of the handshake.
func (d *deadline) lift(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.handshake.IsZero() {
		return
	}
	d.handshake = time.Time{}
	d.apply(c)
}

func (d *deadline) apply(c net.Conn) {
	_ = d.applyRead(c)
	_ = c.SetWriteDeadline(d.earlier(d.write))
}

// setRead sets the user's deadline for reading.
func (d *deadline) setRead(c net.Conn, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read = t
	return d.applyRead(c)
}

// applyRead sets the deadline for reading.
func (d *deadline) applyRead(c net.Conn) error {
	t := d.earlier(d.read)
	if !d.held.IsZero() && (t.IsZero() || d.held.Before(t)) {
		t = d.held
	}
	err := c.SetReadDeadline(t)
	d.unsupported = err != nil
	return err
}

// hold has reading end at t until endHold. It returns false if the connection supports
// no deadline.
func (d *deadline) hold(c net.Conn, t time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = t
	return d.applyRead(c) == nil
}

func (d *deadline) endHold(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = time.Time{}
	_ = d.applyRead(c) // the connection may be closed
}

// setWrite sets the user's deadline for writing.
func (d *deadline) setWrite(c net.Conn, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write = t
	return c.SetWriteDeadline(d.earlier(t))
}

// handshakeExpired reports whether err is the timeout of the handshake, and not
// that of the user.
func (d *deadline) handshakeExpired(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.handshake.IsZero() && !time.Now().Before(d.handshake)
}

// expired reports whether the deadline for reading has passed.
func (d *deadline) expired() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.earlier(d.read)
	return !d.unsupported && !t.IsZero() && !time.Now().Before(t)
}

// earlier returns the deadline of the user or of the handshake.
func (d *deadline) earlier(user time.Time) time.Time {
	if d.handshake.IsZero() || !user.IsZero() && user.Before(d.handshake) {
		return user
	}
	return d.handshake
}
