package parser

import (
	"bytes"
	"slices"
	"sort"

	"github.com/tlspeek/tlspeek/internal/tlsrecord"
)

// Content types that DTLS adds (RFC 9146, section 3; RFC 9147, section 4).
const (
	recordCID = 25
	recordACK = 26
)

// versionDTLSBad is the version that OpenSSL before 0.9.8f sends instead of
// that of DTLS 1.0. AnyConnect still does.
const versionDTLSBad Version = 0x0100

// maxParts bounds the parts of an incomplete message. Bytes that follow each
// other both in the message and in the order of arrival are one part.
const maxParts = 4096

// A DTLSAssembler assembles ClientHello messages from the datagrams that a
// client sends from one port to another. Fragments may arrive in any order,
// repeated or overlapping, with several in a record and several records in a
// datagram. The zero value is ready to use.
//
// It holds no more than the bytes that it received of two messages (a hello,
// and the one that answers a HelloVerifyRequest or HelloRetryRequest), whatever
// length the messages announce.
type DTLSAssembler struct {
	// Indexed by message_seq & 1, so that a retransmitted first hello does not
	// overwrite the second.
	hellos   [2]dtlsHello
	last     int    // index of the hello that received the last fragment
	record   int    // ordinal number of the current record
	datagram int    // ordinal number of the current datagram
	spare    []byte // memory for putting fragments in order
}

// A dtlsHello is a ClientHello that is being assembled.
type dtlsHello struct {
	begun   bool // a fragment was received
	done    bool // it was returned; buf is the message
	seq     uint16
	version Version // of the record of its first fragment
	buf     []byte  // msg_type and length, then the bytes of parts in order of arrival
	length  int     // of the body
	have    int     // bytes of the body that were received
	parts   []part  // sorted, without overlap

	record, datagram   int // the last ones that had a fragment of it
	records, datagrams int // how many had one
}

// A part is a range of bytes of the body that were received.
type part struct {
	offset int // in the body
	length int
	at     int // in buf
}

// Records returns how many records had a fragment of the current or last
// message.
func (a *DTLSAssembler) Records() int { return a.hellos[a.last].records }

// Datagrams returns how many datagrams had a fragment of the current or last
// message.
func (a *DTLSAssembler) Datagrams() int { return a.hellos[a.last].datagrams }

// RecordVersion returns the legacy_record_version of the record that had the
// first fragment, in order of arrival, of the current or last message.
func (a *DTLSAssembler) RecordVersion() Version { return a.hellos[a.last].version }

// MessageSeq returns the message_seq of the current or last message: 0 for a
// first hello, 1 for one that answers a HelloVerifyRequest or
// HelloRetryRequest.
func (a *DTLSAssembler) MessageSeq() uint16 { return a.hellos[a.last].seq }

// Buffered returns how many bytes it holds of incomplete messages.
func (a *DTLSAssembler) Buffered() int {
	n := 0
	for i := range a.hellos {
		if !a.hellos[i].done {
			n += a.hellos[i].have
		}
	}
	return n
}

// Pending returns a copy of what it holds of an incomplete message, up to the
// first gap, with the header that Next would return.
func (a *DTLSAssembler) Pending() []byte {
	h := &a.hellos[a.last]
	if !h.begun || h.done {
		return nil
	}
	msg := slices.Clone(h.buf[:headerLen])
	for _, p := range h.parts {
		if headerLen+p.offset != len(msg) {
			break
		}
		msg = append(msg, h.buf[p.at:p.at+p.length]...)
	}
	return msg
}

// Reset makes a ready for another client. It keeps a's memory.
func (a *DTLSAssembler) Reset() {
	for i := range a.hellos {
		a.hellos[i] = dtlsHello{buf: a.hellos[i].buf[:0], parts: a.hellos[i].parts[:0]}
	}
	*a = DTLSAssembler{hellos: a.hellos, spare: a.spare}
}

// Next reads a datagram. It returns a ClientHello message once it has all
// fragments. The message has a header of msg_type and length only, which is
// what DTLS 1.3 hashes (RFC 9147, section 5.2) and [ClientHello.Unmarshal]
// reads.
//
// Next returns each hello once, even if the client sends it again. A fragment
// that contradicts an earlier one starts the message again, because a client
// that starts over from the same port uses the same message_seq. Next skips
// encrypted records, messages other than a ClientHello, and whatever follows a
// hello in the datagram that completes it.
//
// The message aliases memory that the next call writes to. An error is an
// [*Error] whose Offset counts from the start of the datagram. It means that
// Next did not read the datagram to its end. It is not final: a later datagram
// may still complete a hello.
func (a *DTLSAssembler) Next(datagram []byte) (msg []byte, err error) {
	a.datagram++
	r := reader{datagram, len(datagram)}
	for !r.Empty() {
		var typ uint8
		var version Version
		var epoch uint16
		var fragments reader
		r.ReadUint8(&typ)
		switch {
		case typ == recordCID, typ&0xe0 == 0x20: // RFC 9147, section 4.1
			return nil, nil // encrypted, with a connection ID of unknown length
		case typ < tlsrecord.ChangeCipherSpec || typ > recordACK:
			return nil, &Error{Offset: r.offset() - 1, Field: "record.type", Err: ErrNotTLS}
		case !r.ReadUint16((*uint16)(&version)):
			return nil, r.truncated("record.legacy_record_version")
		case !isDTLSVersion(version):
			return nil, &Error{Offset: r.offset() - 2, Field: "record.legacy_record_version", Err: ErrNotTLS}
		case !r.ReadUint16(&epoch):
			return nil, r.truncated("record.epoch")
		case !r.Skip(6):
			return nil, r.truncated("record.sequence_number")
		case !r.sub16(&fragments):
			return nil, r.truncated("record.length")
		}
		a.record++
		if typ != tlsrecord.Handshake || epoch != 0 {
			continue
		}
		for !fragments.Empty() {
			f, err := readFragment(&fragments)
			if err != nil {
				return nil, err
			}
			if f.typ != tlsrecord.ClientHello {
				continue
			}
			msg, err := a.addFragment(&f, version)
			if err != nil {
				return nil, err
			}
			if msg != nil {
				return msg, nil
			}
		}
	}
	return nil, nil
}

// A fragment is one handshake fragment (RFC 9147, section 5.2).
type fragment struct {
	typ    uint8
	length uint32 // of the message's body
	seq    uint16
	offset uint32 // of body in the message's body
	body   []byte
	start  int // offset in the datagram of the fragment's header
}

// readFragment reads a fragment from r, which is not empty.
func readFragment(r *reader) (f fragment, err *Error) {
	f.start = r.offset()
	var n uint32
	r.ReadUint8(&f.typ)
	switch {
	case !r.ReadUint24(&f.length):
		return f, r.truncated("length")
	case !r.ReadUint16(&f.seq):
		return f, r.truncated("message_seq")
	case !r.ReadUint24(&f.offset):
		return f, r.truncated("fragment_offset")
	case !r.ReadUint24(&n):
		return f, r.truncated("fragment_length")
	case int(n) > len(r.String):
		return f, r.truncated("fragment")
	}
	f.body, r.String = r.String[:n], r.String[n:]
	if f.typ != tlsrecord.ClientHello {
		return f, nil
	}
	switch {
	case f.length > tlsrecord.MaxMessage:
		return f, &Error{Offset: f.start + 1, Field: "length", Err: ErrTooLarge}
	case f.offset+n > f.length:
		return f, &Error{Offset: f.start + 9, Field: "fragment_length", Err: ErrFragment}
	}
	return f, nil
}

// addFragment adds a fragment of a ClientHello, and returns the message if the
// fragment completes it.
func (a *DTLSAssembler) addFragment(f *fragment, version Version) ([]byte, *Error) {
	a.last = int(f.seq & 1)
	h := &a.hellos[a.last]
	length, offset := int(f.length), int(f.offset)
	if !h.begun || h.seq != f.seq || h.length != length {
		h.begin(f.seq, length, version)
	}
	if h.done && bytes.Equal(h.buf[headerLen+offset:][:len(f.body)], f.body) {
		return nil, nil
	}
	if h.done || !h.add(offset, f.body) {
		h.begin(f.seq, length, version)
		h.add(offset, f.body)
	}
	if len(h.parts) > maxParts {
		h.begin(f.seq, length, version)
		return nil, &Error{Offset: f.start + 6, Field: "fragment_offset", Err: ErrTooManyFragments}
	}
	if h.record != a.record {
		h.record = a.record
		h.records++
	}
	if h.datagram != a.datagram {
		h.datagram = a.datagram
		h.datagrams++
	}
	if h.have < h.length {
		return nil, nil
	}
	h.finish(&a.spare)
	return h.buf, nil
}

// finish puts the parts of h in order. It may swap h's memory for spare.
func (h *dtlsHello) finish(spare *[]byte) {
	h.done = true
	if len(h.parts) > 1 {
		msg := append((*spare)[:0], h.buf[:headerLen]...)
		for _, p := range h.parts {
			msg = append(msg, h.buf[p.at:p.at+p.length]...)
		}
		h.buf, *spare = msg, h.buf
	}
	h.parts = h.parts[:0]
}

// begin drops what h holds and starts a message.
func (h *dtlsHello) begin(seq uint16, length int, version Version) {
	*h = dtlsHello{
		begun:   true,
		seq:     seq,
		version: version,
		length:  length,
		buf:     append(h.buf[:0], tlsrecord.ClientHello, byte(length>>16), byte(length>>8), byte(length)),
		parts:   h.parts[:0],
	}
}

// add adds the new bytes of b, which begins at offset in the body. It returns
// false if other bytes of b contradict those that h has.
func (h *dtlsHello) add(offset int, b []byte) bool {
	i := sort.Search(len(h.parts), func(i int) bool {
		return h.parts[i].offset+h.parts[i].length > offset
	})
	for ; len(b) > 0; i++ {
		n := len(b)
		if i < len(h.parts) {
			p := h.parts[i]
			if skip := offset - p.offset; skip >= 0 {
				n = min(n, p.length-skip)
				if !bytes.Equal(h.buf[p.at+skip:][:n], b[:n]) {
					return false
				}
				offset, b = offset+n, b[n:]
				continue
			}
			n = min(n, p.offset-offset)
		}
		i = h.insert(i, part{offset, n, len(h.buf)})
		h.buf = append(h.buf, b[:n]...)
		h.have += n
		offset, b = offset+n, b[n:]
	}
	return true
}

// insert inserts p, whose bytes will be appended to buf, before parts[i], or
// merges it with the part before. It returns the index of that part.
func (h *dtlsHello) insert(i int, p part) int {
	if i > 0 {
		q := &h.parts[i-1]
		if q.offset+q.length == p.offset && q.at+q.length == p.at {
			q.length += p.length
			return i - 1
		}
	}
	h.parts = slices.Insert(h.parts, i, p)
	return i
}

// isDTLSVersion reports whether v may be the version of a DTLS record.
func isDTLSVersion(v Version) bool {
	return v>>8 == 0xfe || v == versionDTLSBad
}
