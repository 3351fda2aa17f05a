// Package quichello finds the TLS ClientHello in the UDP datagrams that a QUIC
// client sends: it opens the Initial packets, puts their CRYPTO frames in order
// and hands over the handshake message, byte for byte.
//
// Whoever sees an Initial can open it: its keys come from its own header (RFC
// 9001, section 5.2). Opening authenticates it, so nothing is taken for a hello
// that a client did not protect as one.
//
// What a client can make an Assembler hold and do is bounded: 64 KiB of CRYPTO
// data and 256 Initials on each of four connections, in time that grows with the
// bytes that came.
package quichello

import (
	"bytes"
	"errors"
	"hash/maphash"
)

// Why a datagram gave no hello. The Assembler goes on to take datagrams after
// any of them.
var (
	// ErrAuthentication: no Initial of the datagram opens under the keys of its
	// connection. They are a server's, of a connection whose first datagrams
	// were not seen, or no QUIC at all. Nothing of the datagram is remembered.
	ErrAuthentication = errors.New("quichello: Initial does not authenticate")

	// ErrFrame: the payload of an Initial has a frame that is cut or that no
	// Initial may hold. The frames before it were taken.
	ErrFrame = errors.New("quichello: malformed frame in an Initial")

	// ErrTooLarge: CRYPTO data, or the length that a hello announces, goes
	// beyond 65536 bytes, or CRYPTO data run more than 32768 bytes ahead of a gap.
	ErrTooLarge = errors.New("quichello: CRYPTO data beyond the limit")

	// ErrNotHello: the CRYPTO data of a connection are not a ClientHello.
	ErrNotHello = errors.New("quichello: CRYPTO data are not a ClientHello")
)

const (
	// maxConnections is how many connections of one flow are followed at a time.
	// A client that gets a Retry has two; one that gives up and begins again on
	// the same port has more.
	maxConnections = 4

	// maxInitials is how many Initials of one connection are opened. A hello of
	// 64 KiB takes 60; the rest is for repetition.
	maxInitials = 256

	// maxHellos: TLS 1.3 allows one HelloRetryRequest (RFC 8446, section 4.1.4).
	maxHellos = 2
)

// A Hello is one ClientHello and how it came.
type Hello struct {
	// Message is the whole handshake message with its header of 4 bytes. It
	// aliases nothing and is the caller's to keep, or to give back: see
	// [Opener.Reuse].
	Message []byte

	// Index is 1 for the first hello of a connection and 2 for the one after a
	// HelloRetryRequest.
	Index int

	Version      Version      // of the Initial that completed the hello
	DCID, SCID   ConnectionID // of the client's first Initial, or its first after a Retry
	TokenLen     int          // in bytes; 0 for an Initial without token
	PacketNumber int64        // of the first Initial: that with the lowest number seen
	NumberLen    int          // how many bytes the packet number took on the wire, 1 to 4
	FrameTypes   []byte       // of the first Initial, each once, in the order they appear

	// What brought this hello. Repetitions do not count. The datagrams of one
	// large send, which a capture may show as one, are told by their length.
	Datagrams, Initials, CryptoFrames int

	// Scrambled reports that CRYPTO frames came out of order or overlapped,
	// whether the client made them so or the network.
	Scrambled bool

	frameTypes [8]byte // the memory of FrameTypes
}

// An Assembler follows the datagrams that one client sends to one server, from
// one port to one port, and hands over each ClientHello when it is complete.
// The zero value is ready. Several connections on the same ports are kept apart
// by their connection ids.
//
// It needs no datagram of the server. After a Retry the client's next Initial
// is opened with keys of its own connection id, the one that the server chose;
// if it repeats the hello to the byte, the hello is not handed over again.
type Assembler struct {
	// Opener may be shared with other Assemblers of the same goroutine. If nil,
	// the Assembler makes its own.
	Opener *Opener

	// The connections followed, oldest first; most Assemblers see but one. Behind
	// them is room for one that is tried.
	first    connection
	more     [maxConnections]*connection
	followed int

	last     int // 1 + the place of the last datagram's connection, or 0
	dropped  int
	given    [maxConnections]uint64 // hashes of the last hellos handed over
	numGiven int
}

// Next takes a datagram of the client and returns the ClientHello that becomes
// complete with it, or nil. One datagram can complete two: call Next with nil
// until it returns nil. Datagrams that hold no Initial, as most do, are passed
// over without error.
//
// The datagram is neither kept nor changed.
func (a *Assembler) Next(datagram []byte) (*Hello, error) {
	var err error
	if datagram != nil {
		a.last, err = a.read(datagram)
	}
	for a.last != 0 {
		h, failed := a.at(a.last - 1).next(a.Opener)
		switch {
		case h == nil && err == nil:
			return nil, failed
		case h == nil:
			return nil, err
		case !a.repeated(h.Message):
			return h, nil
		}
	}
	return nil, err
}

// Incomplete returns the hellos that have begun and not ended. Their Message is
// what came before the first gap.
func (a *Assembler) Incomplete() []*Hello {
	var hellos []*Hello
	for i := range a.followed {
		if c := a.at(i); len(c.stream.data) > 0 {
			hellos = append(hellos, c.hello(a.Opener, bytes.Clone(c.stream.data[:c.stream.ready])))
		}
	}
	return hellos
}

// Dropped returns how many connections were given up before their first hello
// was complete: they were the oldest of more than four, sent more than 256
// Initials, or no ClientHello.
func (a *Assembler) Dropped() int {
	n := a.dropped
	for i := range a.followed {
		if c := a.at(i); c.done && c.hellos == 0 {
			n++
		}
	}
	return n
}

// Memory returns how many bytes a holds, nearly: of CRYPTO data with their
// gaps, and of keys.
func (a *Assembler) Memory() int {
	const overhead = 2 << 10 // a connection and its keys
	n := 0
	for i := range a.followed {
		c := a.at(i)
		n += overhead + cap(c.stream.data) + 8*cap(c.stream.have)
		if c.agreed != nil {
			n += overhead
		}
	}
	return n
}

// at returns the connection at a place.
func (a *Assembler) at(place int) *connection {
	if place == 0 {
		return &a.first
	}
	return a.more[place-1]
}

// read takes the Initials of a datagram and returns 1 + the place of the
// connection that they belong to, or 0 if they open under no key that they can
// have.
func (a *Assembler) read(datagram []byte) (owner int, err error) {
	var in initial
	if !nextInitial(&datagram, &in) {
		return 0, nil
	}
	if a.Opener == nil {
		a.Opener = new(Opener)
	}
	var (
		c          *connection
		candidates = a.candidates(&in)
		dcid       = in.dcid
		version    = in.version
		left       = in.left
		counted    = false
	)
	for more := true; more; more = nextInitial(&datagram, &in) {
		// All packets of a datagram are of one connection; others are to be
		// ignored (RFC 9000, section 12.2).
		if in.dcid != dcid || in.version != version {
			continue
		}
		p, place := a.open(&candidates, &in)
		if place < 0 {
			continue // as a server would, to what follows
		}
		if c == nil {
			place = a.keep(place)
			c, owner, candidates = a.at(place), place+1, places{n: 1, list: [...]int{0: place, maxConnections: 0}}
		}
		if left-in.left >= minDatagram && in.left >= minDatagram {
			left, counted = in.left, false // the next of several that were sent at once
		}
		frames := c.frames
		if failed := c.take(a.Opener, &in, p); failed != nil {
			err = failed
		}
		if c.frames > frames && !counted {
			c.datagrams++
			counted = true
		}
	}
	a.forget()
	if c == nil {
		return 0, ErrAuthentication
	}
	return owner, err
}

// places are some of an Assembler's connections.
type places struct {
	n    int
	list [maxConnections + 1]int
}

func (p *places) add(place int) {
	p.list[p.n] = place
	p.n++
}

// candidates returns the connections to which an Initial may belong, the newest
// first: those with its source connection id, which the client does not change
// while the server may have changed the other, and the version; then a new one,
// unless that would have the keys of one that is known. There is nothing else to
// try.
func (a *Assembler) candidates(in *initial) (found places) {
	known := false
	for place := a.followed - 1; place >= 0; place-- {
		c := a.at(place)
		switch {
		case c.original == in.dcid && c.version == in.version:
			known = true
		case c.original == in.dcid || c.scid != in.scid:
			continue
		}
		found.add(place)
	}
	if !known {
		if a.followed > 0 {
			a.more[a.followed-1] = new(connection)
		}
		c := a.at(a.followed)
		c.version, c.original, c.scid, c.largest = in.version, in.dcid, in.scid, -1
		found.add(a.followed)
	}
	return found
}

// forget frees the connection that was tried, if it is not followed.
func (a *Assembler) forget() {
	if a.followed == 0 {
		a.first = connection{}
	} else {
		a.more[a.followed-1] = nil
	}
}

// open opens an Initial for the first of the candidates that it authenticates
// for, and returns that one's place, or -1.
func (a *Assembler) open(candidates *places, in *initial) (openedPacket, int) {
	for _, place := range candidates.list[:candidates.n] {
		if p, ok := a.at(place).open(a.Opener, in); ok {
			return p, place
		}
	}
	return openedPacket{}, -1
}

// keep follows the connection at a place from now on, if it was only tried. It
// returns the place where it is then.
func (a *Assembler) keep(place int) int {
	if place < a.followed {
		return place
	}
	if a.followed < maxConnections {
		a.followed++
		return place
	}
	if a.first.hellos == 0 {
		a.dropped++
	}
	a.first = *a.more[0]
	copy(a.more[:], a.more[1:])
	a.more[maxConnections-1] = nil
	return maxConnections - 1
}

// repeated reports whether a message is one of the last that were handed over,
// and remembers it. A Retry makes a client send its hello again on what is here
// another connection.
func (a *Assembler) repeated(message []byte) bool {
	if a.Opener.seed == (maphash.Seed{}) {
		a.Opener.seed = maphash.MakeSeed()
	}
	sum := maphash.Bytes(a.Opener.seed, message)
	for _, given := range a.given[:min(a.numGiven, len(a.given))] {
		if given == sum {
			return true
		}
	}
	a.given[a.numGiven%len(a.given)] = sum
	a.numGiven++
	return false
}
