package quichello

import (
	"bytes"
	"errors"
	"hash/maphash"
	"slices"
)

// Errors of [Assembler.Next]. The Assembler reads further datagrams after any
// of them.
var (
	// ErrAuthentication: no Initial of the datagram opens under the keys of its
	// connection. It was sent by a server, or belongs to a connection whose
	// first datagrams were not seen, or is not QUIC. The Assembler keeps
	// nothing of it.
	ErrAuthentication = errors.New("quichello: Initial does not authenticate")

	// ErrFrame: the payload of an Initial has a frame that is truncated or not
	// allowed in an Initial. The frames before it were read.
	ErrFrame = errors.New("quichello: malformed frame in an Initial")

	// ErrTooLarge: CRYPTO data, or the length that a hello announces, exceeds
	// 65536 bytes, or CRYPTO data is more than 32768 bytes ahead of a gap.
	ErrTooLarge = errors.New("quichello: CRYPTO data beyond the limit")

	// ErrNotHello: the CRYPTO data of a connection is not a ClientHello.
	ErrNotHello = errors.New("quichello: CRYPTO data are not a ClientHello")
)

const (
	// maxConnections bounds the connections of a flow that are followed at
	// once. A client that receives a Retry has two. One that gives up and
	// starts over from the same port has more.
	maxConnections = 4

	// maxInitials bounds the Initials of a connection that are opened. A hello
	// of 64 KiB takes 60; the rest is for retransmissions.
	maxInitials = 256

	// maxUnopened bounds the Initials of a datagram that authenticate under no
	// keys, which cost the most: each is tried with the keys of up to five
	// connections. A client sends none. A server drops a packet that does not
	// open and goes on with the next one (RFC 9001, section 5.2), and so do we,
	// for as many as a corrupt datagram may have.
	maxUnopened = 4

	// maxHellos is 2 because TLS 1.3 allows one HelloRetryRequest (RFC 8446,
	// section 4.1.4).
	maxHellos = 2
)

// A Hello is one ClientHello and how it arrived.
type Hello struct {
	// Message is the complete handshake message with its 4-byte header. It
	// aliases nothing. The caller may keep it, or return it with
	// [Opener.Reuse].
	Message []byte

	// Index is 1 for the first hello of a connection, and 2 for the one that
	// answers a HelloRetryRequest.
	Index int

	Version         Version      // of the Initial that completed the hello
	DCID, SCID      ConnectionID // of the client's first Initial, or its first after a Retry
	TokenLen        int          // in bytes; 0 for an Initial without a token
	PacketNumber    int64        // of the first Initial: the one with the lowest number seen
	PacketNumberLen int          // bytes of the packet number on the wire, 1 to 4
	FrameTypes      []byte       // of the first Initial, each once, in order of appearance

	// What carried this hello, without repetitions. A capture may show the
	// datagrams of one large send as one; they count as several.
	Datagrams, Initials, CryptoFrames int

	// OutOfOrder reports that CRYPTO frames arrived out of order or overlapped.
	// Either the client or the network can cause that.
	OutOfOrder bool

	frameTypes [8]byte // memory of FrameTypes
}

// An Assembler reads the datagrams of one flow, those that a client sends to a
// server from one port to another, and returns each ClientHello when it is
// complete. The zero value is ready to use. Several connections on the same
// ports are told apart by their connection IDs.
//
// It needs no datagrams of the server. After a Retry, the client's next Initial
// opens with keys of the connection ID that the server chose. If the client
// repeats the same hello in it, the Assembler does not return the hello again.
type Assembler struct {
	// Opener may be shared with other Assemblers of the same goroutine. If it
	// is nil, the Assembler makes its own.
	Opener *Opener

	// The connections that are followed, oldest first: first, then others. Most
	// Assemblers see only one. The place behind them is for a candidate.
	first    connection
	others   [maxConnections]*connection
	followed int

	last        int // 1 + the place of the last datagram's connection, or 0
	dropped     int
	returned    [maxConnections]uint64 // hashes of the last hellos that were returned
	numReturned int
}

// Next reads a datagram of the client. It returns the ClientHello that the
// datagram completes, or nil. Datagrams without an Initial, which are most, are
// skipped without an error.
//
// A datagram can complete two hellos. Next(nil) reads no datagram and returns
// the second one; call it until it returns nil.
//
// Next neither keeps nor changes the datagram.
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
		case !a.wasReturned(h.Message):
			return h, nil
		}
	}
	return nil, err
}

// Continues reports whether a datagram of another flow continues a hello of which a
// has a part. It has an Initial with the same version and connection IDs, which opens
// with the same keys, and whose CRYPTO frames add to the hello and repeat nothing of
// it with other bytes. The client has another port or address then, such as behind a
// NAT that has forgotten it, and Next may read the datagram.
//
// A copy of a datagram that a has read does not continue the hello: it was captured
// on both sides of a NAT, or else Next has no need of it.
func (a *Assembler) Continues(datagram []byte) bool {
	var in initial
	if !nextInitial(&datagram, &in) {
		return false
	}
	for place := range a.followed {
		c := a.at(place)
		if c.done || len(c.stream.data) == 0 || c.version != in.version || c.scid != in.scid || c.dcid != in.dcid && c.original != in.dcid {
			continue
		}
		if p, ok := c.open(a.Opener, &in); ok && c.stream.continues(p.payload, in.suite) {
			return true
		}
	}
	return false
}

// Pending returns the hellos that are incomplete. Their Message is what arrived
// before the first gap.
func (a *Assembler) Pending() []*Hello {
	var hellos []*Hello
	for i := range a.followed {
		if c := a.at(i); len(c.stream.data) > 0 {
			hellos = append(hellos, c.hello(a.Opener, bytes.Clone(c.stream.data[:c.stream.ready])))
		}
	}
	return hellos
}

// Dropped returns how many connections were given up before their first hello
// was complete: the oldest of more than four, those with more than 256
// Initials, and those whose CRYPTO data is not a ClientHello.
func (a *Assembler) Dropped() int {
	n := a.dropped
	for i := range a.followed {
		if c := a.at(i); c.done && c.hellos == 0 {
			n++
		}
	}
	return n
}

// Buffered returns approximately how many bytes of memory a holds: CRYPTO data
// with its gaps, and keys.
func (a *Assembler) Buffered() int {
	const overhead = 2 << 10 // a connection and its keys
	n := 0
	for i := range a.followed {
		c := a.at(i)
		n += overhead + cap(c.stream.data) + 8*cap(c.stream.have)
		if c.negotiated != nil {
			n += overhead
		}
	}
	return n
}

// Reset makes a ready for another flow. It keeps the Opener.
func (a *Assembler) Reset() { *a = Assembler{Opener: a.Opener} }

// at returns the connection at a place.
func (a *Assembler) at(place int) *connection {
	if place == 0 {
		return &a.first
	}
	return a.others[place-1]
}

// read reads the Initials of a datagram. It returns 1 + the place of their
// connection, or 0 if none of them opens.
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
		unopened   = 0
	)
	for more := true; more; more = nextInitial(&datagram, &in) {
		// All packets of a datagram belong to one connection. A receiver
		// ignores others (RFC 9000, section 12.2).
		if in.dcid != dcid || in.version != version {
			continue
		}
		p, place := a.open(&candidates, &in)
		if place < 0 {
			if unopened++; unopened == maxUnopened {
				break
			}
			continue // a server also goes on to the next packet
		}
		if c == nil {
			place = a.follow(place)
			c, owner, candidates = a.at(place), place+1, places{n: 1, list: [...]int{0: place, maxConnections: 0}}
		}
		if left-in.left >= minDatagram && in.left >= minDatagram {
			left, counted = in.left, false // the next datagram of one large send
		}
		frames := c.frames
		if failed := c.readInitial(a.Opener, &in, p); failed != nil {
			err = failed
		}
		if c.frames > frames && !counted {
			c.datagrams++
			counted = true
		}
	}
	a.dropCandidate()
	if c == nil {
		return 0, ErrAuthentication
	}
	return owner, err
}

// places are places of an Assembler's connections.
type places struct {
	n    int
	list [maxConnections + 1]int
}

func (p *places) add(place int) {
	p.list[p.n] = place
	p.n++
}

// candidates returns the connections to which an Initial may belong. First come
// those with its SCID, which the client does not change, the newest first; the
// server may have changed the DCID and the version. Then comes a new
// connection, unless a known one has the same keys. There is nothing else to
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
			a.others[a.followed-1] = new(connection)
		}
		c := a.at(a.followed)
		c.version, c.original, c.scid, c.largest = in.version, in.dcid, in.scid, -1
		found.add(a.followed)
	}
	return found
}

// dropCandidate frees the candidate behind the connections that are followed.
func (a *Assembler) dropCandidate() {
	if a.followed == 0 {
		a.first = connection{}
	} else {
		a.others[a.followed-1] = nil
	}
}

// open opens an Initial with the keys of the first candidate for which it
// authenticates. It returns the candidate's place, or -1.
func (a *Assembler) open(candidates *places, in *initial) (openedPacket, int) {
	for _, place := range candidates.list[:candidates.n] {
		if p, ok := a.at(place).open(a.Opener, in); ok {
			return p, place
		}
	}
	return openedPacket{}, -1
}

// follow starts to follow the connection at a place, if it was only a
// candidate. It returns the connection's new place.
func (a *Assembler) follow(place int) int {
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
	a.first = *a.others[0]
	copy(a.others[:], a.others[1:])
	a.others[maxConnections-1] = nil
	return maxConnections - 1
}

// wasReturned reports whether a message is one of the last that were returned,
// and remembers it. After a Retry, a client sends its hello again on what the
// Assembler sees as another connection.
func (a *Assembler) wasReturned(message []byte) bool {
	if a.Opener.seed == (maphash.Seed{}) {
		a.Opener.seed = maphash.MakeSeed()
	}
	sum := maphash.Bytes(a.Opener.seed, message)
	if slices.Contains(a.returned[:min(a.numReturned, len(a.returned))], sum) {
		return true
	}
	a.returned[a.numReturned%len(a.returned)] = sum
	a.numReturned++
	return false
}
