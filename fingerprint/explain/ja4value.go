package explain

import (
	"fmt"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// A JA4Value is a JA4 fingerprint, in any of its four forms, by its parts.
type JA4Value struct {
	Transport    parser.Transport // of the first letter: t, q or d
	Version      string           // as JA4 writes it: "13", "d2", "00" and so on
	SNI          bool             // server_name was sent
	CipherSuites int              // number of cipher suites, at most 99
	Extensions   int              // number of extensions, at most 99
	ALPN         string           // two characters

	// SuitesDigest and ExtensionsDigest are parts b and c of JA4 and JA4_o, 12
	// hex digits each. They are empty in the raw forms.
	SuitesDigest, ExtensionsDigest string

	// Suites, Types and SignatureAlgorithms are the lists of the raw forms,
	// JA4_r and JA4_ro. They are empty in the others.
	Suites              []parser.CipherSuite
	Types               []parser.ExtensionType
	SignatureAlgorithms []parser.SignatureScheme
}

// ja4Example is what an error shows.
const ja4Example = "t13d1516h2_8daaf6152771_e5627efa2ab1"

// ParseJA4 reads a JA4, JA4_o, JA4_r or JA4_ro. The String of the value is the
// text again. Whether the lists of a raw form agree with its counts is not
// checked.
func ParseJA4(text string) (JA4Value, error) {
	v, err := parseJA4(text)
	if err != nil {
		return JA4Value{}, fmt.Errorf("fingerprint: JA4 %q: %w (one looks like %s)", text, err, ja4Example)
	}
	return v, nil
}

func parseJA4(text string) (v JA4Value, err error) {
	parts := strings.Split(text, "_")
	if n := len(parts[0]); n != 10 {
		return v, fmt.Errorf("the first part has %d characters, not 10%s", n, ja4Relative(parts))
	}
	if v, err = parseJA4a(parts[0]); err != nil {
		return v, err
	}
	if len(parts) < 3 {
		return v, fmt.Errorf("%s between underscores, not 3", count(len(parts), "part"))
	}
	if isHex(parts[1], 12) || isHex(parts[2], 12) {
		if len(parts) != 3 {
			return v, fmt.Errorf("%d parts between underscores, not 3", len(parts))
		}
		for i, p := range parts[1:] {
			if !isHex(p, 12) {
				return v, fmt.Errorf("part %d, %q, is not 12 lower-case hex digits", i+2, p)
			}
		}
		v.SuitesDigest, v.ExtensionsDigest = parts[1], parts[2]
		return v, nil
	}
	if len(parts) > 4 {
		return v, fmt.Errorf("%d parts between underscores, not 3 or 4", len(parts))
	}
	if v.Suites, err = parseHexList[parser.CipherSuite](parts[1]); err != nil {
		return v, fmt.Errorf("part 2: %w", err)
	}
	if v.Types, err = parseHexList[parser.ExtensionType](parts[2]); err != nil {
		return v, fmt.Errorf("part 3: %w", err)
	}
	if len(parts) == 4 {
		if parts[3] == "" {
			return v, fmt.Errorf("part 4 is empty; without signature algorithms the last underscore goes too")
		}
		if v.SignatureAlgorithms, err = parseHexList[parser.SignatureScheme](parts[3]); err != nil {
			return v, fmt.Errorf("part 4: %w", err)
		}
	}
	return v, nil
}

// ja4Relative names another fingerprint of the JA4 family by the length of its
// first part.
func ja4Relative(parts []string) string {
	switch n := len(parts[0]); {
	case n == 12 && isHex(parts[0], 12):
		return "; in JA4X, of certificates, it has 12"
	case n == 12:
		return "; in JA4H, of HTTP requests, it has 12"
	case n == 7 && len(parts) == 3:
		return "; in JA4S, of servers, it has 7"
	}
	return ""
}

func parseJA4a(a string) (v JA4Value, err error) {
	switch a[0] {
	case 't':
		v.Transport = parser.TLS
	case 'q':
		v.Transport = parser.QUIC
	case 'd':
		v.Transport = parser.DTLS
	default:
		return v, fmt.Errorf("it begins with %q, not with t, q or d", a[:1])
	}
	v.Version = a[1:3]
	if ja4VersionMeaning(v.Version) == "" {
		return v, fmt.Errorf("the version %q is none of 13, 12, 11, 10, s3, s2, d1, d2, d3 and 00", v.Version)
	}
	switch a[3] {
	case 'd':
		v.SNI = true
	case 'i':
	default:
		return v, fmt.Errorf("the fourth character is %q, not d or i", a[3:4])
	}
	for i := 4; i < 8; i++ {
		if a[i] < '0' || a[i] > '9' {
			return v, fmt.Errorf("the counts %q are not four digits", a[4:8])
		}
	}
	v.CipherSuites = int(a[4]-'0')*10 + int(a[5]-'0')
	v.Extensions = int(a[6]-'0')*10 + int(a[7]-'0')
	if v.ALPN = a[8:]; !isAlphanumeric(a[8]) || !isAlphanumeric(a[9]) {
		return v, fmt.Errorf("the ALPN characters %q are not alphanumeric", v.ALPN)
	}
	return v, nil
}

// Raw reports whether v is a JA4_r or JA4_ro, which have lists instead of digests.
func (v JA4Value) Raw() bool { return v.SuitesDigest == "" }

// Hashed returns the JA4 of a JA4_r, and the JA4_o of a JA4_ro. It returns any
// other v as it is.
func (v JA4Value) Hashed() JA4Value {
	if !v.Raw() {
		return v
	}
	extensions := hexList(v.Types)
	if len(v.SignatureAlgorithms) > 0 {
		extensions += "_" + hexList(v.SignatureAlgorithms)
	}
	v.SuitesDigest, v.ExtensionsDigest = ja4Digest(hexList(v.Suites)), ja4Digest(extensions)
	v.Suites, v.Types, v.SignatureAlgorithms = nil, nil, nil
	return v
}

// ja4Digest returns what JA4 has for the text of a list.
func ja4Digest(text string) string {
	if text == "" {
		return noneDigest
	}
	return sha256Hex(text)[:len(noneDigest)]
}

func (v JA4Value) transportLetter() string {
	switch v.Transport {
	case parser.QUIC:
		return "q"
	case parser.DTLS:
		return "d"
	}
	return "t"
}

// String returns v as text.
func (v JA4Value) String() string {
	sni := "i"
	if v.SNI {
		sni = "d"
	}
	a := fmt.Sprintf("%s%s%s%02d%02d%s_", v.transportLetter(), v.Version, sni, v.CipherSuites, v.Extensions, v.ALPN)
	if !v.Raw() {
		return a + v.SuitesDigest + "_" + v.ExtensionsDigest
	}
	text := a + hexList(v.Suites) + "_" + hexList(v.Types)
	if len(v.SignatureAlgorithms) > 0 {
		text += "_" + hexList(v.SignatureAlgorithms)
	}
	return text
}
