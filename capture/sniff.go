package capture

import (
	"bytes"
	"slices"

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
	recordHandshake        = 22
	recordApplicationData  = 23
	recordChangeCipherSpec = 20
	recordHeader           = 5
	messageHeader          = 4
	handshakeClientHello   = 1
	maxRecord              = 16384 + 2048 // as crypto/tls has it
	maxMessage             = 65536
)

// sniff reports whether b begins with a ClientHello in TLS records. It reads up
// to the cipher suites, or up to the extensions if the legacy_version is unusual,
// and checks that the lengths fit into each other. In random bytes less than one
// place in 2^32 passes.
func sniff(b []byte) verdict {
	switch {
	case len(b) == 0:
		return undecided
	case b[0] != recordHandshake || len(b) > 1 && b[1] > 0x0f: // crypto/tls takes versions up to 0x0fff
		return noHello
	case len(b) < recordHeader:
		return undecided
	}
	n := int(b[3])<<8 | int(b[4])
	if n == 0 || n > maxRecord {
		return noHello
	}
	if n >= messageHeader+2+32+1+maxSessionID+2 {
		v := sniffMessage(b[recordHeader:min(recordHeader+n, len(b))])
		if v.final() || len(b) < recordHeader+n {
			return v
		}
	}
	// The fields may continue in the next record. Empty records are refused, so
	// this ends after a few hundred records.
	var message [messageHeader + 2 + 32 + 1 + 255 + 2]byte
	m, v := message[:0], undecided
	for len(b) > 0 {
		if b[0] != recordHandshake || len(b) > 1 && b[1] > 0x0f {
			return noHello
		}
		if len(b) < recordHeader {
			break
		}
		n := int(b[3])<<8 | int(b[4])
		if n == 0 || n > maxRecord {
			return noHello
		}
		if len(m) == cap(m) {
			// The fields before the compression methods fit. A second record header
			// is better evidence than the lengths behind them.
			return isHello
		}
		body := b[recordHeader:min(recordHeader+n, len(b))]
		m = append(m, body[:min(len(body), cap(m)-len(m))]...)
		if v = sniffMessage(m); v.final() {
			return v
		}
		b = b[recordHeader+len(body):]
	}
	return v
}

// maxSessionID is the length of the longest session id that a server takes.
const maxSessionID = 32

// sniffMessage says whether m is the beginning of a ClientHello (RFC 8446,
// section 4.1.2).
func sniffMessage(m []byte) verdict {
	const shortest = 2 + 32 + 1 + 2 + 1
	if len(m) > 0 && m[0] != handshakeClientHello {
		return noHello
	}
	if len(m) < messageHeader {
		return undecided
	}
	end := messageHeader + int(m[1])<<16 + int(m[2])<<8 + int(m[3])
	if end < messageHeader+shortest || end > messageHeader+maxMessage {
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

// usualBeginning returns the first offset in b, at or after from, at which a
// hello with a usual legacy_version begins. If there is none, it returns false
// and the offset before which none can begin, whatever bytes follow b.
func usualBeginning(b []byte, from int) (int, bool) {
	for {
		i := bytes.IndexByte(b[from:], recordHandshake)
		if i < 0 {
			return len(b), false
		}
		from += i
		switch sniff(b[from:]) {
		case likely, isHello:
			return from, true
		case undecided:
			return from, false
		}
		from++
	}
}

// acceptable reports whether a hello that was decoded with err may be reported.
// With an unusual legacy_version it must be one that crypto/tls can negotiate a
// version for: anything less would report bytes that only resemble a hello.
func acceptable(h *parser.ClientHello, err error) bool {
	if h.SSLv2 || h.LegacyVersion>>8 == tlsMajor {
		return true
	}
	versions := h.Extension(parser.ExtSupportedVersions)
	switch {
	case err != nil || !slices.Contains(h.LegacyCompressionMethods, 0):
		return false
	case versions != nil:
		return versions.Err == nil
	case h.HasExtensions:
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
	const fields = 11 // up to the cipher specs
	if len(b) < fields || b[0]&0x80 == 0 || b[2] != handshakeClientHello {
		return nil
	}
	if version := int(b[3])<<8 | int(b[4]); version != 2 && version>>2 != 0x300>>2 {
		return nil
	}
	n := 2 + int(b[0]&0x7f)<<8 + int(b[1])
	specs, session, challenge := int(b[5])<<8+int(b[6]), int(b[7])<<8+int(b[8]), int(b[9])<<8+int(b[10])
	if n > len(b) || specs == 0 || specs%3 != 0 || challenge < 16 || challenge > 32 || fields+specs+session+challenge != n {
		return nil
	}
	return b[:n]
}
