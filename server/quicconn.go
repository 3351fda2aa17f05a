package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/observe"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// A quicHello is a hello and how it came.
type quicHello struct {
	*quichello.Hello
	id       event.ID
	time     time.Time
	src, dst netip.AddrPort
}

// observation sets o, which is zero, to what is known of the hello, which it parses
// into parsed.
func (h *quicHello) observation(o *event.Observation, parsed *parser.ClientHello, verified bool) {
	*o = event.Observation{ID: h.id, Time: h.time, Src: h.src, Dst: h.dst, Unverified: !verified}
	observe.QUIC(o, parsed, h.Hello)
}

// A quicConn is a connection of quic-go, and a client.
type quicConn struct {
	addr     netip.AddrPort         // of the client
	verified bool                   // the client has proved its address
	id       quichello.ConnectionID // that the client chose first; guarded by the tap
	tap      *tap
	entry    connEntry // guarded by the Limits
	idle     idleWatch

	mu       sync.Mutex
	hellos   *quicHellos // nil before the first has come
	halfOpen bool
	finished time.Time // the handshake
}

// quicHellos are the hellos of a connection, or of one that may come to be, and
// what else is known of it.
type quicHellos struct {
	life life

	mu            sync.Mutex
	first, second *quicHello
	verified      bool         // the client has shown its address
	tracked       bool         // the first hello was compared with those of other connections
	tells         []known.Tell // that this has shown

	http3, http3Wire string // the fingerprints
	headers          string // names of the first request's header fields, in order
}

func newQUICHellos(h *quicHello, s *settling) *quicHellos {
	hs := &quicHellos{first: h}
	hs.life.settling, hs.life.conn = s, hs
	return hs
}

// observe implements lifeConn.
func (hs *quicHellos) observe(into *observed, complete func(*event.Observation)) []event.Observation {
	hs.mu.Lock()
	first, second, verified := hs.first, hs.second, hs.verified
	http3, http3Wire, headers := hs.http3, hs.http3Wire, hs.headers
	hs.mu.Unlock()
	conn := event.ConnID(first.id[8:])
	all := into.all[:1]
	first.observation(&all[0], &into.hellos[0], verified)
	if second != nil {
		all = into.all[:2]
		second.observation(&all[1], &into.hellos[1], verified)
	}
	if verified {
		all[0].Tells = hs.track(&all[0])
	}
	for i := range all {
		all[i].Conn = conn
		all[i].HTTP3, all[i].HTTP3Wire, all[i].Request.Headers = http3, http3Wire, headers
		complete(&all[i])
		setRetried(&all[i], len(all) > 1)
	}
	return all
}

// track returns the tells that o, the first hello, shows together with other connections
// of its client, which has shown its address: others may have sent hellos in its name. It
// compares them once.
func (hs *quicHellos) track(o *event.Observation) []known.Tell {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	if !hs.tracked && o.Err == nil {
		hs.tracked = true
		hs.tells = hs.life.settling.trackers.AppendTells(nil, o.Src.Addr(), &known.Observation{Hello: o.Hello, Index: o.Index})
	}
	return hs.tells
}

// messageSize implements lifeConn.
func (hs *quicHellos) messageSize() int {
	hs.mu.Lock()
	defer hs.mu.Unlock()
	n := len(hs.first.Message)
	if hs.second != nil {
		n += len(hs.second.Message)
	}
	return n
}

// timed implements lifeConn. Who accepts the connection has told.
func (hs *quicHellos) timed(h *event.Handshake) *event.Handshake { return h }

// askHandshake implements lifeConn. Who accepts the connection has told.
func (hs *quicHellos) askHandshake() func() *event.Handshake { return nil }

// setHTTP3 keeps what the control stream and the first request say.
func (hs *quicHellos) setHTTP3(http3, http3Wire, headers string) {
	hs.mu.Lock()
	hs.http3, hs.http3Wire, hs.headers = http3, http3Wire, headers
	hs.mu.Unlock()
	hs.life.changed()
}

// verify records that the client has shown its address. The first time it returns the
// hellos that have come, and later none.
func (hs *quicHellos) verify() (came []*quicHello) {
	hs.mu.Lock()
	if hs.verified {
		hs.mu.Unlock()
		return nil
	}
	hs.verified = true
	came = append(came, hs.first)
	if hs.second != nil {
		came = append(came, hs.second)
	}
	hs.mu.Unlock()
	hs.life.changed()
	return came
}

// setSecond adds the hello after a HelloRetryRequest. It reports whether the client has
// shown its address.
func (hs *quicHellos) setSecond(h *quicHello) (verified bool) {
	hs.mu.Lock()
	hs.second = h
	verified = hs.verified
	hs.mu.Unlock()
	hs.life.settling.grow(&hs.life, len(h.Message))
	if !hs.life.changed() && hs.life.settling.hook != nil {
		hs.life.settling.enqueue(&hs.life)
	}
	return verified
}

func (c *quicConn) setHellos(hs *quicHellos) {
	c.mu.Lock()
	c.hellos = hs
	c.mu.Unlock()
	if c.verified {
		hs.life.settling.verify(&hs.life)
	}
}

func (c *quicConn) Event(size event.Size) (e event.Event, ok bool) {
	l := c.theLife()
	if l == nil {
		return e, false
	}
	ok = copyIn(&e, l.event(size), size)
	return e, ok
}

func (c *quicConn) Observation() (event.Observation, bool) {
	l := c.theLife()
	if l == nil {
		return event.Observation{}, false
	}
	return l.first()
}

// theLife returns the life of c, or nil before its hello has come.
func (c *quicConn) theLife() *life {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hellos == nil {
		return nil
	}
	return &c.hellos.life
}

// theHellos returns the hellos of c, or nil before the first has come.
func (c *quicConn) theHellos() *quicHellos {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hellos
}

// finish records that the handshake is finished.
func (c *quicConn) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finished = time.Now()
}

// hasFinished reports whether the handshake is finished.
func (c *quicConn) hasFinished() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.finished.IsZero()
}

// failedQUIC returns the outcome of a handshake on a connection that has ended with
// err, in the words of crypto/tls where the error is one of TLS. It returns nil if
// the handshake was finished after all: there are application errors only then.
func failedQUIC(err error) *event.Handshake {
	if _, ok := errors.AsType[*quic.ApplicationError](err); ok || err == nil {
		return nil
	}
	if transport, ok := errors.AsType[*quic.TransportError](err); ok {
		err = transportError(transport)
	}
	return failedHandshake(err)
}

// transportError returns the error of crypto/tls that caused err, or else err without
// the reason that a client gives, which may be any text.
func transportError(err *quic.TransportError) error {
	if err.Remote {
		if err.ErrorCode.IsCryptoError() {
			return fmt.Errorf("remote error: %w", tls.AlertError(err.ErrorCode-firstCryptoError))
		}
		return &quic.TransportError{Remote: true, ErrorCode: err.ErrorCode, FrameType: err.FrameType}
	}
	for _, cause := range err.Unwrap() {
		if cause != nil && cause != net.ErrClosed { // which stands for any end
			return cause
		}
	}
	return err
}

// firstCryptoError is the error code of QUIC for alert 0 of TLS (RFC 9001, section
// 4.8).
const firstCryptoError = 0x100

// Close ends the connection with all of its requests, once the handshake is finished.
func (c *quicConn) Close() error {
	c.idle.mu.Lock()
	conn := c.idle.conn
	c.idle.mu.Unlock()
	if conn == nil {
		return nil
	}
	return conn.CloseWithError(h3NoError, "")
}

// RemoteAddr returns the address of the client.
func (c *quicConn) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.addr) }

// timed adds to h how long the handshake took.
func (c *quicConn) timed(h *event.Handshake) *event.Handshake {
	return timedBy(h, c.Times())
}

func (c *quicConn) Times() Times {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := Times{Finished: c.finished}
	if hs := c.hellos; hs != nil {
		hs.mu.Lock()
		defer hs.mu.Unlock()
		t.Hello = hs.first.time
		if hs.second != nil {
			t.SecondHello = hs.second.time
		}
	}
	return t
}

func (c *quicConn) fingerprints() fingerprints {
	o, ok := c.Observation()
	if !ok {
		return fingerprintsOf(nil, ErrNoHello)
	}
	return fingerprintsOf(o.Hello, o.Err)
}

func (c *quicConn) http2Fingerprint() string { return noneHTTP2 }
