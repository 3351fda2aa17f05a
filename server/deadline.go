package server

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// A deadline keeps two kinds of deadlines apart: ours, for the handshake, and
// those of the connection's user. The earlier one counts; when ours is lifted,
// the user's are as if ours had never been.
type deadline struct {
	mu          sync.Mutex
	ours        time.Time // zero once lifted
	read, write time.Time // the user's; zero for none
	none        bool      // reading cannot have any
}

// limit sets ours.
func (d *deadline) limit(c net.Conn, t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ours = t
	d.apply(c)
}

// lift ends ours.
func (d *deadline) lift(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ours.IsZero() {
		return
	}
	d.ours = time.Time{}
	d.apply(c)
}

// apply sets both deadlines. A connection that cannot have any has none with
// us, either.
func (d *deadline) apply(c net.Conn) {
	d.none = c.SetReadDeadline(d.earlier(d.read)) != nil
	_ = c.SetWriteDeadline(d.earlier(d.write))
}

// askRead sets the user's for reading.
func (d *deadline) askRead(c net.Conn, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.read = t
	err := c.SetReadDeadline(d.earlier(t))
	d.none = err != nil
	return err
}

// askWrite sets the user's for writing.
func (d *deadline) askWrite(c net.Conn, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write = t
	return c.SetWriteDeadline(d.earlier(t))
}

// passed reports whether err says that ours has passed.
func (d *deadline) passed(err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.ours.IsZero() && !time.Now().Before(d.ours)
}

// expired reports whether the deadline for reading has passed.
func (d *deadline) expired() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.earlier(d.read)
	return !d.none && !t.IsZero() && !time.Now().Before(t)
}

// earlier returns the user's deadline, or ours if that is earlier.
func (d *deadline) earlier(user time.Time) time.Time {
	if d.ours.IsZero() || !user.IsZero() && user.Before(d.ours) {
		return user
	}
	return d.ours
}
