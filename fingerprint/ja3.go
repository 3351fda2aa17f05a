package fingerprint

import "github.com/tlspeek/tlspeek/parser"

var methodJA3 = Method{
	Key:     "ja3",
	Title:   "JA3",
	Summary: "five lists as they were sent, MD5",
	About:   "Salesforce (github.com/salesforce/ja3): the MD5 of version, cipher suites, extensions, groups and point formats in wire order.",
	Ordered: true,
	Append:  ofHello(AppendJA3),
}

var methodJA3Full = Method{
	Key:     "ja3_full",
	Title:   "JA3 text",
	Summary: "the text of which JA3 is the digest",
	About:   "Salesforce (github.com/salesforce/ja3): version, cipher suites, extensions, groups and point formats in decimal, in wire order.",
	Full:    true,
	Lists:   true,
	Ordered: true,
	Digest:  "ja3",
	Append:  ofHello(AppendJA3Full),
}

var methodJA3N = Method{
	Key:     "ja3n",
	Title:   "JA3N",
	Summary: "JA3 with its extensions sorted",
	About:   "A variant of Salesforce's JA3: the MD5 of the same text, with the extensions sorted by number.",
	Form:    "ja3",
	Append:  ofHello(AppendJA3N),
}

var methodJA3NFull = Method{
	Key:     "ja3n_full",
	Title:   "JA3N text",
	Summary: "the text of which JA3N is the digest",
	About:   "A variant of Salesforce's JA3: its text, with the extensions sorted by number.",
	Full:    true,
	Lists:   true,
	Digest:  "ja3n",
	Append:  ofHello(AppendJA3NFull),
}

// JA3 returns the JA3 fingerprint of h: the MD5, in hex, of [JA3Full].
func JA3(h *parser.ClientHello) string {
	var buf [textLen]byte
	return string(AppendJA3(buf[:0], h))
}

// AppendJA3 appends what [JA3] returns.
func AppendJA3(dst []byte, h *parser.ClientHello) []byte {
	if h.SSLv2 {
		return dst
	}
	return replaceByMD5(appendJA3(dst, h, false), len(dst))
}

// JA3Full returns the text that JA3 hashes: legacy_version, cipher
// suites, extensions, groups and point formats, in decimal and in wire order
// without GREASE, as "771,4865-4866,0-23-10,29-23,0". The version is the
// hello's, never the record's or the highest offered, also in QUIC and DTLS. A
// list that is absent is empty.
//
// It follows github.com/salesforce/ja3.
func JA3Full(h *parser.ClientHello) string {
	var buf [textLen]byte
	return string(AppendJA3Full(buf[:0], h))
}

// AppendJA3Full appends what [JA3Full] returns.
func AppendJA3Full(dst []byte, h *parser.ClientHello) []byte {
	if h.SSLv2 {
		return dst
	}
	return appendJA3(dst, h, false)
}

// JA3N returns the MD5, in hex, of [JA3NFull]. It stays the same for a client that
// permutes its extensions.
func JA3N(h *parser.ClientHello) string {
	var buf [textLen]byte
	return string(AppendJA3N(buf[:0], h))
}

// AppendJA3N appends what [JA3N] returns.
func AppendJA3N(dst []byte, h *parser.ClientHello) []byte {
	if h.SSLv2 {
		return dst
	}
	return replaceByMD5(appendJA3(dst, h, true), len(dst))
}

// JA3NFull returns the text of [JA3Full] with its extensions sorted by number.
func JA3NFull(h *parser.ClientHello) string {
	var buf [textLen]byte
	return string(AppendJA3NFull(buf[:0], h))
}

// AppendJA3NFull appends what [JA3NFull] returns.
func AppendJA3NFull(dst []byte, h *parser.ClientHello) []byte {
	if h.SSLv2 {
		return dst
	}
	return appendJA3(dst, h, true)
}

func appendJA3(dst []byte, h *parser.ClientHello, sorted bool) []byte {
	var scratch [64]uint16
	extensions := appendExtensionTypes(scratch[:0], h)
	if sorted {
		sortValues(extensions)
	}
	dst = appendDecimal(dst, uint16(h.LegacyVersion))
	dst = appendDecimalList(append(dst, ','), h.CipherSuites)
	dst = appendDecimalList(append(dst, ','), extensions)
	dst = appendDecimalList(append(dst, ','), h.SupportedGroups)
	dst = append(dst, ',')
	for i, f := range h.ECPointFormats {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = appendDecimal(dst, uint16(f))
	}
	return dst
}

// appendDecimalList appends list without GREASE, with hyphens between its values.
func appendDecimalList[T ~uint16](dst []byte, list []T) []byte {
	start := len(dst)
	for _, v := range list {
		if !parser.IsGREASE(v) {
			dst = append(appendDecimal(dst, uint16(v)), '-')
		}
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1]
	}
	return dst
}
