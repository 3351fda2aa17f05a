package server

import "github.com/tlspeek/tlspeek/internal/tlsrecord"

// minFragment is how much of a hello its records must carry on average to be held
// back beyond a block. With less, their headers would take more memory than what
// crypto/tls keeps of them.
const minFragment = 16

// A helloScan follows a first ClientHello that is held back, to find its end, and
// whatever crypto/tls could answer before that. It keeps no bytes. The zero value is
// ready.
type helloScan struct {
	record  int32 // offset of the first record that is not whole
	records int32 // the whole ones before it
	message int32 // bytes of the message in these
	length  int32 // of the message, with its header; 0 until it is known
	header  [tlsrecord.MessageHeaderLen]byte
}

// A scanResult says what the bytes that are held back are.
type scanResult uint8

const (
	// The beginning of a hello. All that crypto/tls could do is to wait for more.
	scanPending scanResult = iota

	// A whole hello, and what came with its last byte.
	scanWhole

	// Something else: crypto/tls may answer. Or a hello that is not held back.
	scanOther
)

// next scans b, which begins with what was scanned before. A message of more than
// maxMessage bytes, or in more than maxRecords records, is not held back; 0 is no limit.
//
// Crypto/tls reads records until it has the message. It answers a record or ends at
// it where the record is not a handshake record, its version is 16.0 or later, or its
// fragment is empty or over the limit; and a message where its length is over the
// limit. A message of another type it reads to the end.
func (s *helloScan) next(b []byte, maxMessage, maxRecords int) scanResult {
	for {
		r := b[s.record:]
		switch {
		case len(r) > 0 && r[0] != tlsrecord.Handshake, len(r) > 1 && r[1] > tlsrecord.MaxMajor:
			return scanOther
		case len(r) < tlsrecord.HeaderLen:
			return scanPending
		}
		n := int(r[3])<<8 | int(r[4])
		if n == 0 || n > tlsrecord.MaxPlaintext {
			return scanOther
		}
		fragment := r[tlsrecord.HeaderLen:min(len(r), tlsrecord.HeaderLen+n)]
		message, records := int(s.message)+len(fragment), int(s.records)
		if len(fragment) == n {
			records++
		}
		if s.length == 0 && !s.readHeader(fragment) {
			return scanOther
		}
		switch {
		case maxMessage > 0 && message > maxMessage, maxRecords > 0 && int(s.records) >= maxRecords:
			return scanOther
		case s.length > 0 && message >= int(s.length):
			return scanWhole
		case int(s.record)+tlsrecord.HeaderLen+len(fragment) >= blockSize && message < minFragment*records:
			return scanOther
		case len(fragment) < n:
			return scanPending
		}
		s.record += int32(tlsrecord.HeaderLen + n)
		s.records++
		s.message = int32(message)
	}
}

// readHeader reads what the next fragment has of the message's header. It returns
// false if that is not one of a hello.
func (s *helloScan) readHeader(fragment []byte) bool {
	n := int(s.message) + copy(s.header[s.message:], fragment)
	if n > 0 && s.header[0] != tlsrecord.ClientHello {
		return false
	}
	if n == len(s.header) {
		s.length = int32(tlsrecord.MessageLen(s.header[:]))
	}
	return s.length <= tlsrecord.MessageHeaderLen+tlsrecord.MaxMessage
}

// end returns the offset at which the hello ends, if its other records are as long
// as the next one. It returns 0 if that is not known. It is called after next, with
// the same bytes.
func (s *helloScan) end(b []byte) int {
	r := b[s.record:]
	if s.length == 0 || len(r) < tlsrecord.HeaderLen {
		return 0
	}
	n := int(r[3])<<8 | int(r[4])
	missing := int(s.length - s.message)
	return int(s.record) + missing + (missing+n-1)/n*tlsrecord.HeaderLen
}
