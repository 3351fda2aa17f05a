package server

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// A deadline keeps two deadlines for reading apart: ours, for the handshake,
// and that of the connection's user. The earlier one counts; when ours is
// lifted, the user's is as if ours had never been.
type deadline struct {
	mu    sync.Mutex
	ours  time.Time // zero once lifted
	asked time.Time // by the user; zero for none
}

// limit sets ours.
func (d *deadline) limit(c net.Conn, t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ours = t
	// A connection that cannot have a deadline has none with us, either.
	_ = c.SetReadDeadline(d.effective())
}

// ask sets the user's.
func (d *deadline) ask(c net.Conn, t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = t
	return c.SetReadDeadline(d.effective())
}

// lift ends ours.
func (d *deadline) lift(c net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ours.IsZero() {
		return
	}
	d.ours = time.Time{}
	_ = c.SetReadDeadline(d.asked)
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

func (d *deadline) effective() time.Time {
	if d.ours.IsZero() || !d.asked.IsZero() && d.asked.Before(d.ours) {
		return d.asked
	}
	return d.ours
}
