package fingerprint

import (
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/net/http2/hpack"
)

// errQPACKEnd is for a field section that ends within a field.
var errQPACKEnd = errors.New("field section ends within a field")

// errQPACKDynamic is for a field of the dynamic table. A server that does not allow a
// table, as quic-go does not, is sent none.
var errQPACKDynamic = errors.New("field of the dynamic table")

// errQPACKString is for a name that is empty or in no static table, and for an invalid
// Huffman code.
var errQPACKString = errors.New("malformed name or value")

// A qpackField is one field line of a field section. Its value is empty where it
// follows from the static table: no field has one there that is kept.
type qpackField struct{ name, value string }

// readQPACKPrefix reads what a field section begins with (RFC 9204, section 4.5.1).
func readQPACKPrefix(s *cryptobyte.String) error {
	var insertCount, base uint64
	switch {
	case !readQPACKInteger(s, 8, &insertCount) || !readQPACKInteger(s, 7, &base):
		return errQPACKEnd
	case insertCount != 0:
		return errQPACKDynamic
	}
	return nil
}

// readQPACKField reads the next field line (RFC 9204, section 4.5).
func readQPACKField(s *cryptobyte.String, f *qpackField) error {
	first, index := (*s)[0], uint64(0)
	switch {
	case first&0x80 != 0: // indexed
		if first&0x40 == 0 {
			return errQPACKDynamic
		}
		if !readQPACKInteger(s, 6, &index) {
			return errQPACKEnd
		}
		*f = qpackField{name: qpackName(index)}
	case first&0x40 != 0: // literal, with a reference for its name
		if first&0x10 == 0 {
			return errQPACKDynamic
		}
		if !readQPACKInteger(s, 4, &index) {
			return errQPACKEnd
		}
		f.name = qpackName(index)
		if err := readQPACKString(s, 7, &f.value); err != nil {
			return err
		}
	case first&0x20 != 0: // literal
		if err := readQPACKString(s, 3, &f.name); err != nil {
			return err
		}
		if err := readQPACKString(s, 7, &f.value); err != nil {
			return err
		}
	default: // with an index after the base
		return errQPACKDynamic
	}
	if f.name == "" {
		return errQPACKString
	}
	return nil
}

// readQPACKInteger reads an integer whose first byte has bits of it (RFC 7541, section
// 5.1). It returns false if s ends within it, or if it is longer than any length here.
func readQPACKInteger(s *cryptobyte.String, bits uint, v *uint64) bool {
	var b uint8
	if !s.ReadUint8(&b) {
		return false
	}
	limit := uint64(1)<<bits - 1
	if *v = uint64(b) & limit; *v < limit {
		return true
	}
	for shift := uint(0); shift <= 28; shift += 7 {
		if !s.ReadUint8(&b) {
			return false
		}
		if *v += uint64(b&0x7f) << shift; b&0x80 == 0 {
			return true
		}
	}
	return false
}

// readQPACKString reads a string whose first byte has bits of its length, and above
// them whether the code of Huffman is used (RFC 9204, section 4.1.2).
func readQPACKString(s *cryptobyte.String, bits uint, text *string) error {
	if s.Empty() {
		return errQPACKEnd
	}
	huffman := (*s)[0]&(1<<bits) != 0
	var n uint64
	var b []byte
	if !readQPACKInteger(s, bits, &n) || n > uint64(len(*s)) || n > 0 && !s.ReadBytes(&b, int(n)) {
		return errQPACKEnd
	}
	if !huffman {
		*text = string(b)
		return nil
	}
	decoded, err := hpack.HuffmanDecodeToString(b)
	if err != nil {
		return errQPACKString
	}
	*text = decoded
	return nil
}

// qpackName returns the name of an entry of the static table, or "" (RFC 9204,
// appendix A).
func qpackName(index uint64) string {
	if index < uint64(len(qpackNames)) {
		return qpackNames[index]
	}
	return ""
}

var qpackNames = [...]string{
	":authority", ":path", "age", "content-disposition", "content-length", "cookie", "date", "etag",
	"if-modified-since", "if-none-match", "last-modified", "link", "location", "referer", "set-cookie",
	":method", ":method", ":method", ":method", ":method", ":method", ":method", ":scheme", ":scheme",
	":status", ":status", ":status", ":status", ":status",
	"accept", "accept", "accept-encoding", "accept-ranges",
	"access-control-allow-headers", "access-control-allow-headers", "access-control-allow-origin",
	"cache-control", "cache-control", "cache-control", "cache-control", "cache-control", "cache-control",
	"content-encoding", "content-encoding",
	"content-type", "content-type", "content-type", "content-type", "content-type", "content-type",
	"content-type", "content-type", "content-type", "content-type", "content-type",
	"range", "strict-transport-security", "strict-transport-security", "strict-transport-security",
	"vary", "vary", "x-content-type-options", "x-xss-protection",
	":status", ":status", ":status", ":status", ":status", ":status", ":status", ":status", ":status",
	"accept-language", "access-control-allow-credentials", "access-control-allow-credentials",
	"access-control-allow-headers", "access-control-allow-methods", "access-control-allow-methods",
	"access-control-allow-methods", "access-control-expose-headers", "access-control-request-headers",
	"access-control-request-method", "access-control-request-method", "alt-svc", "authorization",
	"content-security-policy", "early-data", "expect-ct", "forwarded", "if-range", "origin", "purpose",
	"server", "timing-allow-origin", "upgrade-insecure-requests", "user-agent", "x-forwarded-for",
	"x-frame-options", "x-frame-options",
}
