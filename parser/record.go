package parser

// Content types of a TLS record (RFC 8446, section 5.1).
const (
	recordChangeCipherSpec = 20
	recordAlert            = 21
	recordHandshake        = 22
	recordApplicationData  = 23
)

// recordHeaderLen is the length of type, legacy_record_version and length.
const recordHeaderLen = 5

// maxRecord is the longest fragment that a record may have, as in crypto/tls:
// 2^14 bytes, and 2048 for the expansion of encryption.
const maxRecord = 16384 + 2048

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

	offset  int     // in the stream, of the next byte
	header  [5]byte // of the current record
	nheader int     // bytes of header that were read
	left    int     // bytes of the current record that were not read
	counted bool    // whether the current record is in records
	records int     // that the current message was read from
	version Version // of the record that it begins in
	buf     []byte  // the current message, as far as it was read
	done    bool    // the current message was returned: the next one may begin
	sslv2   bool    // the current message is in SSLv2 format
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
	case typ == recordApplicationData && a.EarlyData:
	case typ != recordHandshake && typ != recordAlert && typ != recordChangeCipherSpec:
		a.fail(start, "record.type", ErrNotTLS)
		return
	case a.nheader > 1 && a.header[1] >= 0x10: // crypto/tls draws the line there, too
		a.fail(start+1, "record.legacy_record_version", ErrNotTLS)
		return
	}
	if a.nheader < recordHeaderLen {
		return
	}
	a.nheader, a.counted = 0, false
	a.left = int(a.header[3])<<8 | int(a.header[4])
	switch {
	case a.left > maxRecord:
		a.fail(start+3, "record.length", ErrRecordSize)
	case typ == recordAlert && a.left != 2:
		a.fail(start+3, "record.length", ErrAlert)
	}
}

// readFragment reads b, which lies within the current record, up to the end of
// the message if b has that, and then returns the message.
func (a *RecordAssembler) readFragment(b []byte) []byte {
	switch a.header[0] {
	case recordHandshake:
		return a.readHandshake(b)
	case recordAlert:
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
		if b[0] != handshakeClientHello {
			a.fail(a.offset, "msg_type", ErrNotHello)
			return nil
		}
		if len(b) >= headerLen && messageLen(b) <= len(b) && messageLen(b) <= headerLen+maxBody {
			n := messageLen(b)
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
		if messageLen(a.buf) > headerLen+maxBody {
			a.fail(a.offset-3, "length", ErrTooLarge)
			return nil
		}
	}
	n := min(messageLen(a.buf)-len(a.buf), len(b))
	a.buf = append(a.buf, b[:n]...)
	a.skip(n)
	if len(a.buf) < messageLen(a.buf) {
		return nil
	}
	return a.buf
}

// skip goes on by n bytes in the current record.
func (a *RecordAssembler) skip(n int) {
	a.offset += n
	a.left -= n
}

// messageLen returns the length of the message that begins with b, of 4 bytes
// or more, with its header.
func messageLen(b []byte) int {
	return headerLen + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
}

// readSSLv2 reads b, up to the end of the message if b has that, and then
// returns the message, which is the whole record.
func (a *RecordAssembler) readSSLv2(b []byte) []byte {
	a.sslv2, a.records = true, 1
	want := sslv2MinLen
	if len(a.buf) >= want {
		want = sslv2MessageLen(a.buf)
	}
	n := min(want-len(a.buf), len(b))
	a.buf = append(a.buf, b[:n]...)
	a.offset += n
	switch {
	case len(a.buf) > 2 && a.buf[2] != handshakeClientHello,
		len(a.buf) > 3 && a.buf[3] != 0 && a.buf[3] != 3: // SSL 2.0, or 3.0 and later
		a.fail(0, "record.type", ErrNotTLS)
	case len(a.buf) < sslv2MinLen:
	case sslv2MessageLen(a.buf) < sslv2MinLen:
		a.fail(0, "msg_length", ErrTruncated)
	case len(a.buf) == sslv2MessageLen(a.buf):
		return a.buf
	}
	return nil
}
