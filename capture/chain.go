package capture

// A chain follows the TLS records of a stream from its first byte on. It reads only
// their headers, and each one once. The message is assembled when all of it has
// come.
type chain struct {
	next    int // offset of the next header
	records int // records before next
	payload int // bytes of handshake messages in those records
}

// extend reads more headers of b, which is the stream from its first byte on, until
// the records hold size bytes of handshake messages. It returns the offset where
// these bytes end, or 0 if more of the stream is needed. ok is false if the stream
// stops being a sequence of records before that.
func (c *chain) extend(b []byte, size int) (end int, ok bool) {
	for c.next < len(b) {
		header := b[c.next:]
		length, state := recordLength(header)
		switch state {
		case recordIncomplete:
			return 0, true
		case recordInvalid:
			return 0, false
		}
		if header[0] == recordHandshake {
			if c.payload+length >= size {
				return c.next + recordHeader + size - c.payload, true
			}
			c.payload += length
		}
		c.records++
		c.next += recordHeader + length
	}
	return 0, true
}

// A recordState is the result of reading a record header.
type recordState int

const (
	recordValid recordState = iota
	recordIncomplete
	recordInvalid
)

const (
	alertLength  = 2 // of the payload
	alertWarning = 1 // AlertLevel
	alertRecord  = recordHeader + alertLength

	// maxAlerts is how many warning alerts crypto/tls accepts one after the other.
	maxAlerts = 16
)

// skipAlerts returns the length of the warning alerts at the start of b, of which
// crypto/tls accepts some before a hello.
func skipAlerts(b []byte) (n int) {
	for range maxAlerts {
		if rest := b[n:]; len(rest) < alertRecord || rest[0] != recordAlert {
			break
		}
		if _, state := recordLength(b[n:]); state != recordValid {
			break
		}
		n += alertRecord
	}
	return n
}

// isPartOfAlert reports whether b, which is shorter than a warning alert, may be the
// beginning of one.
func isPartOfAlert(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	_, state := recordLength(b)
	return b[0] == recordAlert && len(b) < alertRecord && state != recordInvalid
}

// recordLength reads the record header at the start of b, which is not empty, and
// returns the length of the record. It accepts the records that
// [parser.RecordAssembler] accepts.
func recordLength(b []byte) (int, recordState) {
	switch typ := b[0]; {
	case typ != recordHandshake && typ != recordAlert && typ != recordChangeCipherSpec, len(b) > 1 && b[1] > maxRecordMajor:
		return 0, recordInvalid
	case len(b) < recordHeader:
		return 0, recordIncomplete
	}
	length := int(b[3])<<8 | int(b[4])
	switch {
	case length > maxRecord, b[0] == recordAlert && length != alertLength:
		return 0, recordInvalid
	case b[0] != recordAlert:
	case len(b) == recordHeader:
		return 0, recordIncomplete
	case b[recordHeader] != alertWarning:
		return 0, recordInvalid
	}
	return length, recordValid
}

// messageSize returns the length of the handshake message in the records of b, or
// that of the shortest hello if b is too short to tell.
func messageSize(b []byte) int {
	var header [messageHeader]byte
	n := 0
	for len(b) >= recordHeader && n < messageHeader {
		length := int(b[3])<<8 | int(b[4])
		body := b[recordHeader:min(recordHeader+length, len(b))]
		if len(body) == 0 {
			break
		}
		if b[0] == recordHandshake {
			n += copy(header[n:], body)
		}
		b = b[recordHeader+len(body):]
	}
	if n < messageHeader {
		return messageHeader + shortestHello
	}
	return messageHeader + int(header[1])<<16 + int(header[2])<<8 + int(header[3])
}

// deadEnds remembers the records from which a chain leads to bytes that are no
// record. The key is the sequence number of a record header, the value is the number
// of bytes of handshake messages from there to the end of the chain. A later chain
// that reaches one of these headers is a dead end, too. So each header is read a
// bounded number of times, however many hellos seem to start in a stream.
type deadEnds map[uint32]uint32

const deadEndSize = 24 // bytes of memory per entry, estimated

// follow reads the headers of b, whose first byte has the given sequence number. It
// reports whether the chain ends before it has size bytes of handshake messages, and
// in that case adds its records to d. It also returns how many headers it has read.
func (d deadEnds) follow(b []byte, sequence uint32, size int) (ends bool, headers int) {
	at, payload := 0, 0
	for payload < size && at < len(b) && !ends {
		rest, known := d[sequence+uint32(at)]
		if known {
			payload += int(rest)
			ends = true
			break
		}
		headers++
		length, state := recordLength(b[at:])
		switch state {
		case recordIncomplete:
			return false, headers
		case recordInvalid:
			ends = true
			continue
		}
		if b[at] == recordHandshake {
			payload += length
		}
		at += recordHeader + length
	}
	if !ends || payload >= size {
		return false, headers
	}
	d.add(b[:at], sequence, payload)
	return true, 2 * headers
}

// add adds to d the records of b, which hold payload bytes of handshake messages. The
// first byte of b has the given sequence number.
func (d deadEnds) add(b []byte, sequence uint32, payload int) {
	for at := 0; at < len(b); {
		d[sequence+uint32(at)] = uint32(payload)
		length := int(b[at+3])<<8 | int(b[at+4])
		if b[at] == recordHandshake {
			payload -= length
		}
		at += recordHeader + length
	}
}
