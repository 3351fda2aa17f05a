package parser

import "github.com/tlspeek/tlspeek/internal/tlsrecord"

// alertWarning is AlertLevel warning (RFC 8446, section 6).
const alertWarning = 1

// A RecordAssembler puts ClientHello messages together from a client's stream
// of TLS records, however they are cut: over records of down to one byte,
// several in one record, with ChangeCipherSpec, warning alerts and empty
// records between. It also takes a hello in SSLv2 format, if the stream begins
// with it. The zero value is ready.
//
// It looks at each byte once, and keeps no more than what was sent of the
// message that it puts together, whatever length was announced.
type RecordAssembler struct {
	// EarlyData lets records of application data pass, as they stand between
	// the first hello and the second one (after a HelloRetryRequest) if the
	// first offers early_data. It may be set between two calls of Next.
	EarlyData bool

	offset  int                       // in the stream, of the next byte
	header  [tlsrecord.HeaderLen]byte // of the current record
	nheader int                       // bytes of header that were read
	left    int                       // bytes of the current record that were not read
	counted bool                      // whether the current record is in records
	records int                       // that the current message was read from
	version Version                   // of the record that it begins in
	buf     []byte                    // the current message, as far as it was read
	done    bool                      // the current message was returned: the next one may begin
	sslv2   bool                      // the current message is in SSLv2 format
	err     error
}

// Records returns how many records hold the current or last message.
func (a *RecordAssembler) Records() int { return a.records }

// RecordVersion returns the legacy_record_version of the record in which the
// current or last message begins; 0 for a hello in SSLv2 format.
func (a *RecordAssembler) RecordVersion() Version { return a.version }

// Buffered returns how many bytes of an unfinished message are held.
func (a *RecordAssembler) Buffered() int {
	if a.done {
		return 0
	}
	return len(a.buf)
}

// Pending returns what is held of an unfinished message: its first bytes. It
// aliases memory that the next call of Next writes to.
func (a *RecordAssembler) Pending() []byte {
	if a.done {
		return nil
	}
	return a.buf
}

// Reset makes a ready for another stream, and keeps its memory.
func (a *RecordAssembler) Reset() { *a = RecordAssembler{buf: a.buf[:0]} }

// Next reads on in the stream, of which it is to be given each byte once, in
// order. It returns a whole ClientHello message as soon as there is one, and
// how many bytes of stream it has used by then. With a nil message and a nil
// error it has used all of stream and wants more.
//
// The message aliases stream, or memory that the next call writes to. An error
// is an [*Error] whose offset counts from the start of the stream. It is
// final: what comes is not a hello.
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
		case a.left == 0:
			a.readHeader(b)
		default:
			msg = a.readFragment(b[:min(len(b), a.left)])
		}
	}
	a.done = msg != nil
	return msg, a.offset - start, a.err
}

func (a *RecordAssembler) fail(offset int, field string, err error) {
	a.err = &Error{Offset: offset, Field: field, Err: err}
}

func (a *RecordAssembler) readHeader(b []byte) {
	start := a.offset - a.nheader
	n := copy(a.header[a.nheader:], b)
	a.nheader += n
	a.offset += n
	typ := a.header[0]
	switch {
	case typ == tlsrecord.ApplicationData && a.EarlyData:
	case typ != tlsrecord.Handshake && typ != tlsrecord.Alert && typ != tlsrecord.ChangeCipherSpec:
		a.fail(start, "record.type", ErrNotTLS)
		return
	case a.nheader > 1 && a.header[1] > tlsrecord.MaxMajor:
		a.fail(start+1, "record.legacy_record_version", ErrNotTLS)
		return
	}
	if a.nheader < tlsrecord.HeaderLen {
		return
	}
	a.nheader, a.counted = 0, false
	a.left = int(a.header[3])<<8 | int(a.header[4])
	switch {
	case a.left > tlsrecord.MaxFragment:
		a.fail(start+3, "record.length", ErrRecordSize)
	case typ == tlsrecord.Alert && a.left != 2:
		a.fail(start+3, "record.length", ErrAlert)
	}
}

// readFragment reads b, which lies within the current record, up to the end of
// the message if b has that, and then returns the message.
func (a *RecordAssembler) readFragment(b []byte) []byte {
	switch a.header[0] {
	case tlsrecord.Handshake:
		return a.readHandshake(b)
	case tlsrecord.Alert:
		if a.left == 2 && b[0] != alertWarning {
			a.fail(a.offset, "alert.level", ErrAlert)
			return nil
		}
	}
	a.skip(len(b))
	return nil
}

func (a *RecordAssembler) readHandshake(b []byte) []byte {
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
			return b[:n:n] // whole where it lies: nothing is copied
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
	n := min(tlsrecord.MessageLen(a.buf)-len(a.buf), len(b))
	a.buf = append(a.buf, b[:n]...)
	a.skip(n)
	if len(a.buf) < tlsrecord.MessageLen(a.buf) {
		return nil
	}
	return a.buf
}

// skip goes on by n bytes in the current record.
func (a *RecordAssembler) skip(n int) {
	a.offset += n
	a.left -= n
}

// readSSLv2 reads b, up to the end of the message if b has that, and then
// returns the message, which is the whole record.
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
