package known

import (
	"fmt"

	"github.com/tlspeek/tlspeek/parser"
)

// This file has the tells in fields that TLS 1.3 keeps for compatibility with
// older servers and middleboxes (RFC 8446, appendix D.4).

func tellPointFormats(dst []Tell, v view) []Tell {
	h := v.Hello
	if (len(h.ECPointFormats) != 1 || h.ECPointFormats[0] != 0) && v.has(parser.ExtECPointFormats) {
		dst = append(dst, Tell{Field: "ec_point_formats", Offset: offsetOf(h, parser.ExtECPointFormats),
			Found: fmt.Sprintf("%x", h.ECPointFormats), Expected: "00; OpenSSL sends 000102"})
	}
	return dst
}

// tellSessionID finds that there is no session id. One for a TLS 1.2 session to
// resume has the length that its server chose.
func tellSessionID(dst []Tell, v view) []Tell {
	if h := v.Hello; offers13(h) && len(h.LegacySessionID) == 0 {
		dst = append(dst, Tell{Field: "legacy_session_id", Offset: 4 + 2 + 32,
			Found: "empty", Expected: "32 bytes (RFC 8446, appendix D.4), or a session to resume"})
	}
	return dst
}

func tellCompressionMethods(dst []Tell, v view) []Tell {
	h := v.Hello
	if m := h.LegacyCompressionMethods; offers13(h) && (len(m) != 1 || m[0] != 0) {
		dst = append(dst, Tell{Field: "legacy_compression_methods", Offset: suiteOffset(h, len(h.CipherSuites)),
			Found: fmt.Sprintf("%x", m), Expected: "00 (RFC 8446, section 4.1.2)"})
	}
	return dst
}

// tellRecordVersion finds a first hello in a record without 0301. A second hello
// has 0303, so 0303 tells only where several shares show that this is the first.
func tellRecordVersion(dst []Tell, v view) []Tell {
	version := v.RecordVersion
	if offers13(v.Hello) && version != 0 && version != parser.VersionTLS10 && !v.isSecond() &&
		(version != parser.VersionTLS12 || len(v.Hello.KeyShares) > 1) {
		dst = append(dst, Tell{Field: "legacy_record_version",
			Found: fmt.Sprintf("%04x", uint16(version)), Expected: v.browser.name() + " has 0301 on its first record"})
	}
	return dst
}
