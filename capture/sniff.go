package capture

import (
	"slices"

	"github.com/tlspeek/tlspeek/internal/tlsrecord"
	"github.com/tlspeek/tlspeek/parser"
)

// A verdict says whether a stream begins with a ClientHello, by its first bytes.
type verdict int

const (
	noHello   verdict = iota
	undecided         // too few bytes to decide
	unusual           // too few bytes to decide; the legacy_version is unusual
	likely            // too few bytes to decide; the legacy_version is 3.x
	isHello
)

// final reports whether the verdict stays the same when more bytes come.
func (v verdict) final() bool { return v == noHello || v == isHello }

const (
	recordAlert            = tlsrecord.Alert
	recordHandshake        = tlsrecord.Handshake
	recordApplicationData  = tlsrecord.ApplicationData
	recordChangeCipherSpec = tlsrecord.ChangeCipherSpec
	recordHeader           = tlsrecord.HeaderLen
	messageHeader          = tlsrecord.MessageHeaderLen
	handshakeClientHello   = tlsrecord.ClientHello
	shortestHello          = 2 + 32 + 1 + 2 + 1
	maxRecord              = tlsrecord.MaxFragment
	maxRecordMajor         = tlsrecord.MaxMajor
	maxMessage             = tlsrecord.MaxMessage
)

// sniff returns the verdict on b, the first bytes of a stream of TLS records. It
// reads up to the cipher suites, or up to the extensions if the legacy_version is
// unusual, and checks that the lengths are consistent. At less than one offset in
// 2^32 of random bytes it finds a hello.
func sniff(b []byte) verdict {
	v, more := sniffRecord(b)
	if more {
		v = new(sniffer).sniff(b)
	}
	return v
}

// sniffRecord is sniff for the first record only. more reports whether the verdict
// depends on the records after it.
func sniffRecord(b []byte) (v verdict, more bool) {
	n, v := handshakeLength(b)
	switch {
	case n == 0:
		return v, false
	case n >= messageHeader+2+32+1+maxSessionID+2:
		v = sniffMessage(b[recordHeader:min(recordHeader+n, len(b))])
		return v, !v.final() && len(b) >= recordHeader+n
	}
	return undecided, true
}

// handshakeLength returns the length of the handshake record at the start of b. If
// it is 0, the verdict says whether b may become such a record. Empty records are
// refused.
func handshakeLength(b []byte) (int, verdict) {
	switch {
	case len(b) == 0:
		return 0, undecided
	case b[0] != recordHandshake || len(b) > 1 && b[1] > maxRecordMajor:
		return 0, noHello
	case len(b) < recordHeader:
		return 0, undecided
	}
	n := int(b[3])<<8 | int(b[4])
	if n > maxRecord {
		n = 0
	}
	return n, noHello
}

// sniffRecords is how many records a sniffer reads at most. That many do not follow
// each other by chance. Reading more would be costly in a stream of short records
// in each of which a hello may start.
const sniffRecords = 16

// A sniffer is sniff for a stream that begins with short records. When more bytes
// come, it continues where it stopped.
type sniffer struct {
	used    int // bytes of the stream that it has read
	left    int // bytes of the current record that it has not read
	records int // handshake records
	alerts  int // warning alerts after the last handshake record
	n       int
	message [messageHeader + 2 + 32 + 1 + 255 + 2]byte // its first n bytes
}

// reset makes s ready for another stream.
func (s *sniffer) reset() { s.used, s.left, s.records, s.alerts, s.n = 0, 0, 0, 0, 0 }

// sniff reads what is new in b, which is the stream from its first byte on.
func (s *sniffer) sniff(b []byte) verdict {
	v := sniffMessage(s.message[:s.n])
	if v.final() {
		return v
	}
	for s.used < len(b) {
		if s.left == 0 && s.records > 0 && b[s.used] == recordAlert {
			length, state := recordLength(b[s.used:])
			switch {
			case state == recordIncomplete:
				return v
			case state == recordInvalid, s.alerts == maxAlerts:
				return noHello
			}
			s.alerts++
			s.used += recordHeader + length
			continue
		}
		if s.left == 0 {
			n, header := handshakeLength(b[s.used:])
			switch {
			case n == 0 && header == noHello:
				return noHello
			case n == 0:
				return v
			case s.n == len(s.message), s.records >= sniffRecords && v != undecided:
				// Another record header is better evidence than the remaining lengths.
				return isHello
			}
			s.used += recordHeader
			s.left = n
			s.records++
			s.alerts = 0
		}
		body := b[s.used:min(s.used+s.left, len(b))]
		s.used += len(body)
		s.left -= len(body)
		s.n += copy(s.message[s.n:], body)
		if v = sniffMessage(s.message[:s.n]); v.final() {
			return v
		}
	}
	return v
}

// maxSessionID is the length of the longest session id that servers accept.
const maxSessionID = 32

// sniffMessage returns the verdict on m, the first bytes of a handshake message (RFC
// 8446, section 4.1.2).
func sniffMessage(m []byte) verdict {
	if len(m) > 0 && m[0] != handshakeClientHello {
		return noHello
	}
	if len(m) < messageHeader {
		return undecided
	}
	end := messageHeader + int(m[1])<<16 + int(m[2])<<8 + int(m[3])
	if end < messageHeader+shortestHello || end > messageHeader+maxMessage {
		return noHello
	}
	if len(m) == messageHeader {
		return undecided
	}
	beginning := likely
	if m[4] != tlsMajor {
		beginning = unusual
	}
	const sessionID = messageHeader + 2 + 32
	if len(m) <= sessionID {
		return beginning
	}
	ciphers := sessionID + 1 + int(m[sessionID])
	if ciphers+3 > end {
		return noHello
	}
	if len(m) < ciphers+2 {
		return beginning
	}
	length := int(m[ciphers])<<8 + int(m[ciphers+1])
	compression := ciphers + 2 + length
	switch {
	case compression+1 > end:
		return noHello
	case beginning == likely:
		return isHello
	case length == 0 || length%2 != 0:
		return noHello
	}
	return sniffLengths(m, compression, end)
}

// tlsMajor is the first byte of legacy_version in all versions of TLS. A server
// must ignore it if supported_versions is present (RFC 8446, section 4.2.1), and
// crypto/tls does, so a client may send any other byte.
const tlsMajor = 3

// sniffLengths checks the other lengths of a message, because the first byte of an
// unusual legacy_version proves nothing: the compression methods, at the given
// offset, or the extensions after them must end where the message ends.
func sniffLengths(m []byte, compression, end int) verdict {
	if len(m) <= compression {
		return unusual
	}
	extensions := compression + 1 + int(m[compression])
	switch {
	case extensions == end:
		return isHello
	case m[compression] == 0 || extensions+2 > end:
		return noHello
	case len(m) < extensions+2:
		return unusual
	case extensions+2+int(m[extensions])<<8+int(m[extensions+1]) != end:
		return noHello
	}
	return isHello
}

// acceptable reports whether to report a hello whose decoding returned err. With an
// unusual legacy_version, crypto/tls must be able to negotiate a version for it.
// Otherwise bytes that only resemble a hello would be reported.
func acceptable(h *parser.ClientHello, err error) bool {
	if h.SSLv2 || h.LegacyVersion>>8 == tlsMajor {
		return true
	}
	versions, hasVersions := h.Extension(parser.ExtSupportedVersions)
	switch {
	case err != nil || !slices.Contains(h.LegacyCompressionMethods, 0):
		return false
	case hasVersions:
		return versions.Err == nil
	case h.ExtensionsPresent:
		return h.LegacyVersion >= parser.VersionTLS10
	}
	// Without extensions, the compression methods are the only other check.
	return h.LegacyVersion >= parser.VersionTLS10 && !slices.ContainsFunc(h.LegacyCompressionMethods, isUnknownCompression)
}

// isUnknownCompression reports whether a compression method is not in IANA's
// registry: null, DEFLATE (RFC 3749) and LZS (RFC 3943) are.
func isUnknownCompression(method byte) bool { return method > 1 && method != 64 }

// singleRecordHello returns the ClientHello at the start of b if it is in one
// record. The length is that of the record up to the end of the message, which may
// be longer than b, and then message is nil. It is 0 if the message is in several
// records or b is too short to tell.
func singleRecordHello(b []byte) (message []byte, length int) {
	if len(b) < recordHeader+messageHeader {
		return nil, 0
	}
	n := int(b[6])<<16 | int(b[7])<<8 | int(b[8])
	record := int(b[3])<<8 | int(b[4])
	if n += messageHeader; n > record {
		return nil, 0
	}
	n += recordHeader
	if n > len(b) {
		return nil, n
	}
	return b[recordHeader:n], n
}

// maxSSLv2 is how long a hello in SSLv2 format may be to be awaited. Clients send
// less than 300 bytes.
const maxSSLv2 = 1024

// sslv2Hello returns the hello in SSLv2 format at the start of b, with its record
// header (RFC 5246, appendix E.2), if all of it is there. It is invalid if its lengths
// do not add up to that of the record.
func sslv2Hello(b []byte) ([]byte, recordState) {
	const fields = tlsrecord.SSLv2FieldsLen
	switch {
	case len(b) > 0 && b[0]&0x80 == 0, len(b) > 2 && b[2] != handshakeClientHello:
		return nil, recordInvalid
	case len(b) < fields:
		return nil, recordIncomplete
	}
	if version := int(b[3])<<8 | int(b[4]); version != 2 && version>>2 != 0x300>>2 {
		return nil, recordInvalid
	}
	n := tlsrecord.SSLv2MessageLen(b)
	specs, session, challenge := int(b[5])<<8+int(b[6]), int(b[7])<<8+int(b[8]), int(b[9])<<8+int(b[10])
	switch {
	case specs == 0 || specs%3 != 0 || challenge < 16 || challenge > 32 || fields+specs+session+challenge != n:
		return nil, recordInvalid
	case n <= len(b):
		return b[:n], recordValid
	case n > maxSSLv2:
		return nil, recordInvalid
	}
	return nil, recordIncomplete
}
