package quichello

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tlspeek/tlspeek/internal/tlsrecord"
)

// A connection is what is known of one connection from the client's Initials.
type connection struct {
	keys     keys // derived when first needed
	version  Version
	agreed   *keys        // of another version that the server chose, or nil
	current  Version      // of the last Initial
	original ConnectionID // DCID of the client's first Initial; the keys come from it
	dcid     ConnectionID // DCID of the last Initial: the server may have chosen it
	scid     ConnectionID
	largest  int64 // packet number opened, or -1
	opened   int   // how many Initials, repetitions included
	hellos   int   // how many were complete
	done     bool  // nothing more is wanted of it
	stream   stream

	first firstInitial

	// What the hello that is to come has taken so far.
	datagrams, initials, frames int
	scrambled                   bool
}

// A firstInitial is what is kept of the Initial with the lowest number.
type firstInitial struct {
	number    int64
	numberLen int
	tokenLen  int
	types     [8]byte // the distinct frame types: there are no more
	numTypes  int
}

// note adds a frame type, if it is new.
func (f *firstInitial) note(kind byte) {
	if f.numTypes < len(f.types) && bytes.IndexByte(f.types[:f.numTypes], kind) < 0 {
		f.types[f.numTypes] = kind
		f.numTypes++
	}
}

// open opens an Initial if it authenticates under the keys of the connection.
// If nothing more is wanted of the connection it opens none.
func (c *connection) open(o *Opener, in *initial) (openedPacket, bool) {
	if c.done {
		return openedPacket{}, c.original == in.dcid || c.dcid == in.dcid
	}
	k := &c.keys
	if in.version != c.version { // RFC 9369, section 4.1
		if c.agreed == nil {
			c.agreed = new(keys)
		}
		k = c.agreed
	}
	if k.suite != in.suite {
		o.derive(k, in.suite, &c.original)
	}
	return o.open(k, in, c.largest)
}

// finish frees what the connection holds and ignores its Initials from now on.
func (c *connection) finish() {
	c.done = true
	c.keys, c.agreed = keys{}, nil
	c.stream = stream{}
}

// take takes an Initial that has been opened. As it is authentic, the frames
// before a malformed one count: a server acts on them too.
func (c *connection) take(o *Opener, in *initial, p openedPacket) error {
	if c.opened++; c.opened > maxInitials {
		c.finish()
	}
	if c.done {
		return nil
	}
	first := c.largest < 0 || p.number < c.first.number
	if first {
		c.first = firstInitial{number: p.number, numberLen: p.numberLen, tokenLen: in.tokenLen}
	}
	c.largest = max(c.largest, p.number)
	c.dcid, c.current = in.dcid, in.version

	var (
		s       = cryptobyte.String(p.payload)
		f       frame
		tooFar  error
		carried bool
	)
	for len(s) > 0 {
		if !readFrame(&s, in.suite, &f) {
			return ErrFrame
		}
		if first {
			c.first.note(byte(f.kind))
		}
		if !f.crypto {
			continue
		}
		inOrder := f.offset == uint64(c.stream.base+c.stream.ready)
		added, ok := c.stream.write(&o.spare, f.offset, f.data)
		if !ok {
			tooFar = ErrTooLarge
		}
		if added == 0 {
			continue
		}
		if !carried {
			c.initials++
			carried = true
		}
		c.frames++
		c.scrambled = c.scrambled || !inOrder || added < len(f.data)
	}
	return tooFar
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
	c.datagrams, c.initials, c.frames, c.scrambled = 0, 0, 0, false
	if len(c.stream.data) > 0 { // what is left came with this hello
		c.datagrams, c.initials, c.frames = 1, 1, 1
	}
	if c.hellos == maxHellos {
		c.finish()
	}
	return h, nil
}

// hello returns a Hello with a message and what is known of how it came.
func (c *connection) hello(o *Opener, message []byte) *Hello {
	h := o.hello
	if o.hello = nil; h == nil {
		h = new(Hello)
	}
	*h = Hello{
		Message:      message,
		Index:        c.hellos + 1,
		Version:      c.current,
		DCID:         c.original,
		SCID:         c.scid,
		TokenLen:     c.first.tokenLen,
		PacketNumber: c.first.number,
		NumberLen:    c.first.numberLen,
		Datagrams:    c.datagrams,
		Initials:     c.initials,
		CryptoFrames: c.frames,
		Scrambled:    c.scrambled,
		frameTypes:   c.first.types,
	}
	h.FrameTypes = h.frameTypes[:c.first.numTypes]
	return h
}
