package capture

import (
	"slices"

	"github.com/tlspeek/tlspeek/internal/tlsrecord"
	"github.com/tlspeek/tlspeek/parser"
)

// A verdict is what the first bytes of a stream say.
type verdict int

const (
	noHello   verdict = iota
	undecided         // too few bytes to tell
	unusual           // too few bytes to tell; the legacy_version is unusual
	likely            // too few bytes to tell; the legacy_version is 3.x
	isHello
)

// final reports whether more bytes would not change the verdict.
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

// sniff reports whether b begins with a ClientHello in TLS records. It reads up
// to the cipher suites, or up to the extensions if the legacy_version is unusual,
// and checks that the lengths fit into each other. In random bytes less than one
// place in 2^32 passes.
func sniff(b []byte) verdict {
	v, more := sniffRecord(b)
	if more {
		v = new(sniffer).sniff(b)
	}
	return v
}

// sniffRecord is sniff for the first record. It returns true if the verdict depends
// on the records after it.
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

// handshakeLength returns the length of the handshake record that b begins with.
// If it is 0, the verdict says whether b may become one. Empty records are refused.
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
// where a hello may begin in each.
const sniffRecords = 16

// A sniffer is sniff for a stream that starts with short records. When more of the
// stream arrives, it continues where it stopped.
type sniffer struct {
	used    int // bytes of the stream that were read
	left    int // bytes of the current record that were not read
	records int
	n       int
	message [messageHeader + 2 + 32 + 1 + 255 + 2]byte // its first n bytes
}

// reset makes s ready for another stream.
func (s *sniffer) reset() { s.used, s.left, s.records, s.n = 0, 0, 0, 0 }

// sniff reads what is new in b, the stream from its first byte on.
func (s *sniffer) sniff(b []byte) verdict {
	v := sniffMessage(s.message[:s.n])
	if v.final() {
		return v
	}
	for s.used < len(b) {
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

// maxSessionID is the length of the longest session id that a server takes.
const maxSessionID = 32

// sniffMessage says whether m is the beginning of a ClientHello (RFC 8446,
// section 4.1.2).
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

// sniffLengths checks the rest of the lengths of a message with an unusual
// legacy_version, in place of that byte: the compression methods, at the given
// offset, or the extensions behind them must end where the message ends.
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

// acceptable reports whether a hello that was decoded with err may be reported.
// With an unusual legacy_version it must be one that crypto/tls can negotiate a
// version for: anything less would report bytes that only resemble a hello.
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

// wholeHello returns the ClientHello that b, which begins as one, has in one
// record. The length is 0 if it is cut over several, else that of the record's
// part up to the end of the message, which may be longer than b.
func wholeHello(b []byte) (message []byte, length int) {
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

// sslv2Hello returns the hello in SSLv2 format, with its record header, that b
// begins with (RFC 5246, appendix E.2): nil unless it is whole, and its lengths
// are just those of the record.
func sslv2Hello(b []byte) []byte {
	const fields = tlsrecord.SSLv2FieldsLen
	if len(b) < fields || b[0]&0x80 == 0 || b[2] != handshakeClientHello {
		return nil
	}
	if version := int(b[3])<<8 | int(b[4]); version != 2 && version>>2 != 0x300>>2 {
		return nil
	}
	n := tlsrecord.SSLv2MessageLen(b)
	specs, session, challenge := int(b[5])<<8+int(b[6]), int(b[7])<<8+int(b[8]), int(b[9])<<8+int(b[10])
	if n > len(b) || specs == 0 || specs%3 != 0 || challenge < 16 || challenge > 32 || fields+specs+session+challenge != n {
		return nil
	}
	return b[:n]
}
