package parser

import "github.com/tlspeek/tlspeek/internal/tlsrecord"

// alertWarning is AlertLevel warning (RFC 8446, section 6).
const alertWarning = 1

// A RecordAssembler assembles ClientHello messages from the stream of TLS
// records that a client sends. A message may be split over any number of
// records, share a record with others, and have ChangeCipherSpec, warning
// alerts and empty records in between. A stream may also begin with a hello in
// SSLv2 format. The zero value is ready to use.
//
// It reads each byte once. It holds no more than the bytes that it received of
// the current message, whatever length the message announces.
type RecordAssembler struct {
	// AllowEarlyData makes Next skip application_data records, which a client
	// that offers early_data sends between its first hello and the one that
	// answers a HelloRetryRequest. It may be set between two calls of Next.
	AllowEarlyData bool

	offset     int // in the stream, of the next byte
	header     [tlsrecord.HeaderLen]byte
	headerRead int     // bytes read of header
	left       int     // unread bytes of the current record
	counted    bool    // records includes the current record
	records    int     // records of the current message
	version    Version // of the record in which the current message begins
	buf        []byte  // what was read of the current message
	done       bool    // the current message was returned: the next one may begin
	sslv2      bool    // the current message is in SSLv2 format
	err        error
}

// Records returns how many records the current or last message is in.
func (a *RecordAssembler) Records() int { return a.records }

// RecordVersion returns the legacy_record_version of the record in which the
// current or last message begins; 0 for a hello in SSLv2 format.
func (a *RecordAssembler) RecordVersion() Version { return a.version }

// Buffered returns how many bytes it holds of an incomplete message.
func (a *RecordAssembler) Buffered() int {
	if a.done {
		return 0
	}
	return len(a.buf)
}

// Pending returns the bytes that it holds of an incomplete message, which are
// its first. They are valid until the next call of Next.
func (a *RecordAssembler) Pending() []byte {
	if a.done {
		return nil
	}
	return a.buf
}

// Detach lets the caller keep the message that Next returned last, if it is in memory
// of a: no later call writes to it. It reports whether it is. If not, the message
// aliases the stream.
func (a *RecordAssembler) Detach() bool {
	if !a.done || len(a.buf) == 0 {
		return false
	}
	a.buf = nil
	return true
}

// Reset makes a ready for another stream. It keeps a's memory.
func (a *RecordAssembler) Reset() { *a = RecordAssembler{buf: a.buf[:0]} }

// Next reads the next bytes of the stream. The caller passes each byte once, in
// order. Next returns a ClientHello message once it is complete, and how many
// bytes of stream it has read by then. If message and error are nil, it has
// read all of stream and needs more.
//
// The message aliases stream, or memory that the next call writes to. An error
// is an [*Error] whose Offset counts from the start of the stream. It is final:
// later calls return it again.
func (a *RecordAssembler) Next(stream []byte) (msg []byte, used int, err error) {
	if a.done {
		a.buf, a.done, a.sslv2 = a.buf[:0], false, false
		a.records, a.counted = 0, false
	}
	start := a.offset
	for msg == nil && a.err == nil && a.offset-start < len(stream) {
		b := stream[a.offset-start:]
		switch {
		case a.sslv2 || a.offset == 0 && b[0]&0x80 != 0:
			msg = a.readSSLv2(b)
		case a.left > 0:
			msg = a.readFragment(b)
		case a.headerRead > 0 || len(a.buf) < headerLen:
			a.readHeader(b)
		default:
			if b = a.readRecords(b); len(b) > 0 {
				a.readHeader(b)
			}
		}
	}
	a.done = msg != nil
	return msg, a.offset - start, a.err
}

func (a *RecordAssembler) fail(offset int, field string, err error) {
	a.err = &Error{Offset: offset, Field: field, Err: err}
}

func (a *RecordAssembler) readHeader(b []byte) {
	start := a.offset - a.headerRead
	n := copy(a.header[a.headerRead:], b)
	a.headerRead += n
	a.offset += n
	typ := a.header[0]
	switch {
	case typ == tlsrecord.ApplicationData && a.AllowEarlyData:
	case typ != tlsrecord.Handshake && typ != tlsrecord.Alert && typ != tlsrecord.ChangeCipherSpec:
		a.fail(start, "record.type", ErrNotTLS)
		return
	case a.headerRead > 1 && a.header[1] > tlsrecord.MaxMajor:
		a.fail(start+1, "record.legacy_record_version", ErrNotTLS)
		return
	}
	if a.headerRead < tlsrecord.HeaderLen {
		return
	}
	a.headerRead, a.counted = 0, false
	a.left = int(a.header[3])<<8 | int(a.header[4])
	switch {
	case a.left > tlsrecord.MaxFragment:
		a.fail(start+3, "record.length", ErrRecordSize)
	case typ == tlsrecord.Alert && a.left != 2:
		a.fail(start+3, "record.length", ErrAlert)
	}
}

// readRecords reads whole handshake records up to the one that ends the message, and
// returns the rest of b. It does what readHeader and readFragment do, several times as
// fast for short records.
func (a *RecordAssembler) readRecords(b []byte) []byte {
	missing := tlsrecord.MessageLen(a.buf) - len(a.buf)
	a.reserve(missing, len(b))
	buf, rest := a.buf, b
	for len(rest) > tlsrecord.HeaderLen && rest[0] == tlsrecord.Handshake && rest[1] <= tlsrecord.MaxMajor {
		n := int(rest[3])<<8 | int(rest[4])
		if n == 0 || n > tlsrecord.MaxFragment || n >= missing || n > len(rest)-tlsrecord.HeaderLen {
			break
		}
		if n == 1 { // constants do not wait for what was just loaded
			buf = append(buf, rest[tlsrecord.HeaderLen])
			rest = rest[tlsrecord.HeaderLen+1:]
		} else {
			buf = append(buf, rest[tlsrecord.HeaderLen:tlsrecord.HeaderLen+n]...)
			rest = rest[tlsrecord.HeaderLen+n:]
		}
		missing -= n
		a.records++
	}
	a.buf = buf
	a.offset += len(b) - len(rest)
	return rest
}

// reserve makes room for the missing bytes of a message, as far as they are in the
// bytes that are left of the stream, if all records are as long as the last one. It
// grows as append does, but to no more than the message needs.
func (a *RecordAssembler) reserve(missing, left int) {
	n := int(a.header[3])<<8 | int(a.header[4])
	more := min(missing, left*n/(n+tlsrecord.HeaderLen))
	if more > cap(a.buf)-len(a.buf) {
		more = min(missing, max(more, 192+len(a.buf)/4))
		a.buf = append(make([]byte, 0, len(a.buf)+more), a.buf...)
	}
}

// readFragment reads the part of stream that belongs to the current record. It
// stops at the end of a message, and returns the message.
func (a *RecordAssembler) readFragment(stream []byte) []byte {
	b := stream[:min(len(stream), a.left)]
	switch a.header[0] {
	case tlsrecord.Handshake:
		return a.readHandshake(b, len(stream))
	case tlsrecord.Alert:
		if a.left == 2 && b[0] != alertWarning {
			a.fail(a.offset, "alert.level", ErrAlert)
			return nil
		}
	}
	a.skip(len(b))
	return nil
}

// readHandshake reads b, with left bytes from its beginning to the end of the stream.
func (a *RecordAssembler) readHandshake(b []byte, left int) []byte {
	if !a.counted {
		a.counted = true
		a.records++
	}
	if len(a.buf) == 0 {
		a.version = Version(a.header[1])<<8 | Version(a.header[2])
		if b[0] != tlsrecord.ClientHello {
			a.fail(a.offset, "msg_type", ErrNotHello)
			return nil
		}
		if len(b) >= headerLen && tlsrecord.MessageLen(b) <= len(b) && tlsrecord.MessageLen(b) <= headerLen+tlsrecord.MaxMessage {
			n := tlsrecord.MessageLen(b)
			a.skip(n)
			return b[:n:n] // the message is in one piece: nothing to copy
		}
	}
	if missing := headerLen - len(a.buf); missing > 0 {
		n := min(missing, len(b))
		a.buf = append(a.buf, b[:n]...)
		a.skip(n)
		if b = b[n:]; n < missing {
			return nil
		}
		if tlsrecord.MessageLen(a.buf) > headerLen+tlsrecord.MaxMessage {
			a.fail(a.offset-3, "length", ErrTooLarge)
			return nil
		}
	}
	missing := tlsrecord.MessageLen(a.buf) - len(a.buf)
	a.reserve(missing, left)
	n := min(missing, len(b))
	a.buf = append(a.buf, b[:n]...)
	a.skip(n)
	if len(a.buf) < tlsrecord.MessageLen(a.buf) {
		return nil
	}
	return a.buf
}

// skip moves n bytes ahead in the current record.
func (a *RecordAssembler) skip(n int) {
	a.offset += n
	a.left -= n
}

// readSSLv2 reads b up to the end of the message, which is the whole record,
// and returns it once it is complete.
func (a *RecordAssembler) readSSLv2(b []byte) []byte {
	a.sslv2, a.records = true, 1
	want := tlsrecord.SSLv2FieldsLen
	if len(a.buf) >= want {
		want = tlsrecord.SSLv2MessageLen(a.buf)
	}
	n := min(want-len(a.buf), len(b))
	a.buf = append(a.buf, b[:n]...)
	a.offset += n
	switch {
	case len(a.buf) > 2 && a.buf[2] != tlsrecord.ClientHello,
		len(a.buf) > 3 && a.buf[3] != 0 && a.buf[3] != 3: // SSL 2.0, or 3.0 and later
		a.fail(0, "record.type", ErrNotTLS)
	case len(a.buf) < tlsrecord.SSLv2FieldsLen:
	case tlsrecord.SSLv2MessageLen(a.buf) < tlsrecord.SSLv2FieldsLen:
		a.fail(0, "msg_length", ErrTruncated)
	case len(a.buf) == tlsrecord.SSLv2MessageLen(a.buf):
		return a.buf
	}
	return nil
}
