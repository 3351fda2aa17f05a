package quichello

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tlspeek/tlspeek/internal/tlsrecord"
)

// A connection is the state of one connection, from the client's Initials.
type connection struct {
	keys       keys         // derived when first needed
	negotiated *keys        // after compatible version negotiation (RFC 9368, section 2.3), else nil
	version    Version      // of the first Initial
	current    Version      // of the last Initial
	original   ConnectionID // DCID of the client's first Initial; the keys derive from it
	dcid       ConnectionID // DCID of the last Initial: the server may have chosen it
	scid       ConnectionID
	hellos     uint8  // number of complete hellos
	done       bool   // no more hellos are expected
	outOfOrder bool   // of the next hello so far
	opened     uint32 // number of Initials, including repetitions
	largest    int64  // packet number opened, or -1
	stream     stream

	first firstInitial

	// What carried the next hello so far.
	datagrams, initials, frames int32
}

// A firstInitial describes the Initial with the lowest packet number.
type firstInitial struct {
	number    int64
	tokenLen  uint32
	numberLen uint8
	numTypes  uint8
	types     [8]byte // the distinct frame types: an Initial has at most eight
}

// addType adds a frame type, if it is new.
func (f *firstInitial) addType(typ byte) {
	if int(f.numTypes) < len(f.types) && bytes.IndexByte(f.types[:f.numTypes], typ) < 0 {
		f.types[f.numTypes] = typ
		f.numTypes++
	}
}

// open opens an Initial if it authenticates under the keys of the connection.
// If the connection is done, it opens none, and only says whether the Initial
// belongs to it.
func (c *connection) open(o *Opener, in *initial) (openedPacket, bool) {
	if c.done {
		return openedPacket{}, c.original == in.dcid || c.dcid == in.dcid
	}
	k := &c.keys
	if in.version != c.version { // RFC 9369, section 4.1
		if c.negotiated == nil {
			c.negotiated = new(keys)
		}
		k = c.negotiated
	}
	if k.suite != in.suite && (k.suite != suiteDraft29 || !in.version.isReserved()) {
		o.derive(k, in.suite, &c.original)
	}
	p, ok := o.open(k, in, c.largest)
	if !ok && c.opened == 0 && in.version.isReserved() {
		other := suiteDraft29
		if k.suite == other {
			other = suiteV1
		}
		o.derive(k, other, &c.original)
		p, ok = o.open(k, in, c.largest)
	}
	return p, ok
}

// finish frees the connection's memory. Its further Initials are ignored.
func (c *connection) finish() {
	c.done = true
	c.keys, c.negotiated = keys{}, nil
	c.stream = stream{}
}

// readInitial reads the frames of an opened Initial. Those before a malformed
// one count, because the packet is authentic: a server acts on them too.
func (c *connection) readInitial(o *Opener, in *initial, p openedPacket) error {
	if c.opened++; c.opened > maxInitials {
		c.finish()
	}
	if c.done {
		return nil
	}
	first := c.largest < 0 || p.number < c.first.number
	if first {
		c.first = firstInitial{number: p.number, numberLen: uint8(p.numberLen), tokenLen: uint32(in.tokenLen)}
	}
	c.largest = max(c.largest, p.number)
	c.dcid, c.current = in.dcid, in.version

	var (
		s        = cryptobyte.String(p.payload)
		f        frame
		tooLarge error
		counted  bool // initials includes this one
	)
	for len(s) > 0 {
		if !readFrame(&s, in.suite, &f) {
			return ErrFrame
		}
		if first {
			c.first.addType(byte(f.typ))
		}
		if !f.crypto {
			continue
		}
		inOrder := f.offset == uint64(c.stream.base+c.stream.ready)
		added, ok := c.stream.write(&o.spare, f.offset, f.data)
		if !ok {
			tooLarge = ErrTooLarge
		}
		if added == 0 {
			continue
		}
		if !counted {
			c.initials++
			counted = true
		}
		c.frames++
		c.outOfOrder = c.outOfOrder || !inOrder || added < len(f.data)
	}
	return tooLarge
}

// next returns the next hello that is complete, or nil.
func (c *connection) next(o *Opener) (*Hello, error) {
	data := c.stream.data[:c.stream.ready]
	if c.done || len(data) == 0 {
		return nil, nil
	}
	if data[0] != tlsrecord.ClientHello {
		c.finish()
		return nil, ErrNotHello
	}
	if len(data) < tlsrecord.MessageHeaderLen {
		return nil, nil
	}
	n := tlsrecord.MessageLen(data)
	if c.stream.base+n > maxStream {
		c.finish()
		return nil, ErrTooLarge
	}
	if len(data) < n {
		return nil, nil
	}
	h := c.hello(o, c.stream.take(&o.spare, n))
	c.hellos++
	c.datagrams, c.initials, c.frames, c.outOfOrder = 0, 0, 0, false
	if len(c.stream.data) > 0 { // the rest arrived with this hello
		c.datagrams, c.initials, c.frames = 1, 1, 1
	}
	if c.hellos == maxHellos {
		c.finish()
	}
	return h, nil
}

// hello returns a Hello with a message and how it arrived.
func (c *connection) hello(o *Opener, message []byte) *Hello {
	h := o.hello
	if o.hello = nil; h == nil {
		h = new(Hello)
	}
	*h = Hello{
		Message:         message,
		Index:           int(c.hellos) + 1,
		Version:         c.current,
		DCID:            c.original,
		SCID:            c.scid,
		TokenLen:        int(c.first.tokenLen),
		PacketNumber:    c.first.number,
		PacketNumberLen: int(c.first.numberLen),
		Datagrams:       int(c.datagrams),
		Initials:        int(c.initials),
		CryptoFrames:    int(c.frames),
		OutOfOrder:      c.outOfOrder,
		frameTypes:      c.first.types,
	}
	h.FrameTypes = h.frameTypes[:c.first.numTypes]
	return h
}
