package quichello

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
)

// A connection is what is known of one connection from the client's Initials.
type connection struct {
	keys     keys // derived when first needed
	version  Version
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
	types     [8]byte // the distinct frame types
	numTypes  int
}

// open returns the payload of an Initial if it authenticates under the keys of
// the connection. The payload is valid until o is used again.
func (c *connection) open(o *Opener, in *initial) ([]byte, bool) {
	if c.done {
		return nil, c.original == in.dcid || c.dcid == in.dcid
	}
	suite := c.version.suite()
	if c.keys.aead == nil {
		o.derive(&c.keys, suite, &c.original)
	}
	payload, number, numberLen, ok := o.open(&c.keys, in, c.largest)
	if !ok {
		return nil, false
	}
	if c.opened++; c.opened > maxInitials {
		c.finish()
		return nil, true
	}
	c.dcid = in.dcid
	if c.largest < 0 || number < c.first.number {
		c.first = firstInitial{number: number, numberLen: numberLen, tokenLen: in.tokenLen}
		c.first.readTypes(payload, suite)
	}
	c.largest = max(c.largest, number)
	return payload, true
}

// finish frees what the connection holds and ignores its Initials from now on.
func (c *connection) finish() {
	c.done = true
	c.keys = keys{}
	c.stream = stream{}
}

// readTypes notes the frame types of a payload.
func (f *firstInitial) readTypes(payload []byte, suite suite) {
	s := cryptobyte.String(payload)
	for fr := (frame{}); len(s) > 0 && readFrame(&s, suite, &fr); {
		kind := byte(fr.kind) // all that readFrame takes are below 64
		if f.numTypes < len(f.types) && !bytes.Contains(f.types[:f.numTypes], []byte{kind}) {
			f.types[f.numTypes] = kind
			f.numTypes++
		}
	}
}

// readFrames takes the CRYPTO frames of a payload. The payload is authentic, so
// frames before a malformed one count: a server acts on them too.
func (c *connection) readFrames(payload []byte) error {
	var (
		s     = cryptobyte.String(payload)
		suite = c.version.suite()
		f     frame
		err   error
		took  bool
	)
	for len(s) > 0 && !c.done {
		if !readFrame(&s, suite, &f) {
			err = ErrFrame
			break
		}
		if !f.crypto {
			continue
		}
		inOrder := f.offset == uint64(c.stream.base+c.stream.ready)
		added, ok := c.stream.write(f.offset, f.data)
		switch {
		case !ok:
			err = ErrTooLarge
		case added > 0:
			c.frames++
			took = true
			c.scrambled = c.scrambled || !inOrder || added < len(f.data)
		}
	}
	if took {
		c.initials++
	}
	return err
}

// next returns the next hello that is complete, or nil.
func (c *connection) next() (*Hello, error) {
	data := c.stream.data[:c.stream.ready]
	if c.done || len(data) == 0 {
		return nil, nil
	}
	// RFC 8446, section 4: a type and a length of 3 bytes.
	if data[0] != 1 {
		c.finish()
		return nil, ErrNotHello
	}
	if len(data) < 4 {
		return nil, nil
	}
	n := 4 + int(data[1])<<16 + int(data[2])<<8 + int(data[3])
	if c.stream.base+n > maxStream {
		c.finish()
		return nil, ErrTooLarge
	}
	if len(data) < n {
		return nil, nil
	}
	h := c.hello(c.stream.take(n))
	c.hellos++
	c.datagrams, c.initials, c.frames, c.scrambled = 0, 0, 0, false
	if c.hellos == maxHellos {
		c.finish()
	}
	return h, nil
}

// hello returns a Hello with a message and what is known of how it came.
func (c *connection) hello(message []byte) *Hello {
	h := &Hello{
		Message:      message,
		Index:        c.hellos + 1,
		Version:      c.version,
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
