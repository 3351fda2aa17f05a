package parser

import (
	"bytes"
	"slices"
	"sort"

	"github.com/tlspeek/tlspeek/internal/tlsrecord"
)

// Lengths of the headers of a DTLS record (RFC 9147, section 4) and of a
// handshake fragment (section 5.2).
const (
	dtlsRecordHeaderLen   = 13
	dtlsFragmentHeaderLen = 12
)

// Content types that DTLS adds (RFC 9146, section 3; RFC 9147, section 4).
const (
	recordCID = 25
	recordACK = 26
)

// versionDTLSBad is what OpenSSL before 0.9.8f, and AnyConnect after it, put in
// place of DTLS 1.0's version.
const versionDTLSBad Version = 0x0100

// maxParts is how many runs of bytes, apart in the message or in the order of
// their arrival, an unfinished message may lie in.
const maxParts = 4096

// A DTLSAssembler puts ClientHello messages together from the datagrams that a
// client sends to one port from one port: fragments in any order, repeated and
// overlapping, several in a record, several records in a datagram. The zero
// value is ready.
//
// It keeps no more than the bytes that came of two messages (the hello, and
// the one that answers a HelloVerifyRequest or HelloRetryRequest), whatever
// length was announced.
type DTLSAssembler struct {
	hellos   [2]dtlsHello // by the lowest bit of message_seq: a late first hello leaves the second alone
	last     int          // the one of hellos that last got a fragment
	record   int          // ordinal number of the record that is read
	datagram int          // and of the datagram
	spare    []byte       // memory for putting fragments in order
}

// A dtlsHello is a ClientHello of which at least one fragment came.
type dtlsHello struct {
	begun   bool
	done    bool // it was returned; buf is the message
	seq     uint16
	version Version // of the record of its first fragment
	buf     []byte  // msg_type and length, then the bytes of parts as they came
	length  int     // of the body
	have    int     // bytes of the body that came
	parts   []part  // sorted, without overlap

	record, datagram   int // the last that had a fragment of it
	records, datagrams int
}

// A part is a run of bytes of the body.
type part struct {
	offset int // in the body
	length int
	at     int // in buf
}

// Records returns how many records held a fragment of the current or last
// message.
func (a *DTLSAssembler) Records() int { return a.hellos[a.last].records }

// Datagrams returns how many datagrams held a fragment of the current or last
// message.
func (a *DTLSAssembler) Datagrams() int { return a.hellos[a.last].datagrams }

// RecordVersion returns the legacy_record_version of the record that brought
// the first fragment of the current or last message.
func (a *DTLSAssembler) RecordVersion() Version { return a.hellos[a.last].version }

// MessageSeq returns the message_seq of the current or last message: 0 for a
// first hello, 1 for one that answers a HelloVerifyRequest or
// HelloRetryRequest.
func (a *DTLSAssembler) MessageSeq() uint16 { return a.hellos[a.last].seq }

// Buffered returns how many bytes of unfinished messages are held.
func (a *DTLSAssembler) Buffered() int {
	n := 0
	for i := range a.hellos {
		if !a.hellos[i].done {
			n += a.hellos[i].have
		}
	}
	return n
}

// Pending returns a copy of what is held of an unfinished message, up to its
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

// Reset makes a ready for another client, and keeps its memory.
func (a *DTLSAssembler) Reset() {
	for i := range a.hellos {
		a.hellos[i] = dtlsHello{buf: a.hellos[i].buf[:0], parts: a.hellos[i].parts[:0]}
	}
	*a = DTLSAssembler{hellos: a.hellos, spare: a.spare}
}

// Next reads a datagram. It returns a ClientHello message once its last
// fragment is there, with a header of msg_type and length only, as DTLS 1.3
// hashes it (RFC 9147, section 5.2) and [ClientHello.Unmarshal] reads it.
//
// A hello that was returned gives nothing when it is sent again. A fragment
// that contradicts what came of its message before begins the message anew,
// since a client that starts over from the same port uses the same
// message_seq. Encrypted records, and messages other than a ClientHello, are
// passed over, and so is what follows a hello in the datagram that completes
// it.
//
// The message aliases memory that the next call writes to. An error is an
// [*Error] whose offset counts from the start of the datagram. It says that
// the datagram was not read to its end, and is not final: a later datagram may
// still complete a hello.
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
			return nil, nil // encrypted, with a connection id of unknown length
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
			msg, err := a.readFragment(&fragments, version)
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

// readFragment reads one fragment from r, which is not empty, and returns the
// message that it completes.
func (a *DTLSAssembler) readFragment(r *reader, version Version) ([]byte, *Error) {
	var typ uint8
	var length, offset, n uint32
	var seq uint16
	var body []byte
	r.ReadUint8(&typ)
	switch {
	case !r.ReadUint24(&length):
		return nil, r.truncated("length")
	case !r.ReadUint16(&seq):
		return nil, r.truncated("message_seq")
	case !r.ReadUint24(&offset):
		return nil, r.truncated("fragment_offset")
	case !r.ReadUint24(&n):
		return nil, r.truncated("fragment_length")
	case int(n) > len(r.String):
		return nil, r.truncated("fragment")
	}
	start := r.offset() - dtlsFragmentHeaderLen
	body, r.String = r.String[:n], r.String[n:]
	switch {
	case typ != tlsrecord.ClientHello:
		return nil, nil
	case length > tlsrecord.MaxMessage:
		return nil, &Error{Offset: start + 1, Field: "length", Err: ErrTooLarge}
	case offset+n > length:
		return nil, &Error{Offset: start + 9, Field: "fragment_length", Err: ErrFragment}
	}

	a.last = int(seq & 1)
	h := &a.hellos[a.last]
	if !h.begun || h.seq != seq || h.length != int(length) {
		h.begin(seq, int(length), version)
	}
	if h.done && bytes.Equal(h.buf[headerLen+offset:][:n], body) {
		return nil, nil
	}
	if h.done || !h.add(int(offset), body) {
		h.begin(seq, int(length), version)
		h.add(int(offset), body)
	}
	if len(h.parts) > maxParts {
		h.begin(seq, int(length), version)
		return nil, &Error{Offset: start + 6, Field: "fragment_offset", Err: ErrTooManyFragments}
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
	h.done = true
	if len(h.parts) > 1 {
		a.spare = append(a.spare[:0], h.buf[:headerLen]...)
		for _, p := range h.parts {
			a.spare = append(a.spare, h.buf[p.at:p.at+p.length]...)
		}
		h.buf, a.spare = a.spare, h.buf
	}
	h.parts = h.parts[:0]
	return h.buf, nil
}

// begin forgets what h holds.
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

// add puts the bytes of b that are new, which stand at offset in the body,
// into h. It reports whether those that are not new are the same.
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

// insert puts p, whose bytes will be appended to buf, before parts[i], or makes
// it one with the part before it, and returns the index where it then is.
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

// isDTLSVersion reports whether v stands in records of DTLS.
func isDTLSVersion(v Version) bool {
	return v>>8 == 0xfe || v == versionDTLSBad
}
