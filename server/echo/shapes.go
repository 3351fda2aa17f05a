package echo

import (
	"crypto/md5"
	"encoding/hex"

	"github.com/tlspeek/tlspeek/parser"
)

// A browserleaksShape is the answer of tls.browserleaks.com/json, and over HTTP/3 that of
// quic.browserleaks.com.
type browserleaksShape struct {
	UserAgent  string `json:"user_agent"`
	JA4        string `json:"ja4"`
	JA4R       string `json:"ja4_r"`
	JA4O       string `json:"ja4_o"`
	JA4RO      string `json:"ja4_ro"`
	JA3Hash    string `json:"ja3_hash"`
	JA3Text    string `json:"ja3_text"`
	JA3NHash   string `json:"ja3n_hash"`
	JA3NText   string `json:"ja3n_text"`
	AkamaiHash string `json:"akamai_hash"`
	AkamaiText string `json:"akamai_text"`
	HTTP3Hash  string `json:"h3_hash,omitempty"`
	HTTP3Text  string `json:"h3_text,omitempty"`
}

func browserleaks(q *request) browserleaksShape {
	e := &q.event
	return browserleaksShape{
		UserAgent:  parser.Text([]byte(q.UserAgent())),
		JA4:        e.JA4(),
		JA4R:       e.Fingerprint("ja4_r"),
		JA4O:       e.Fingerprint("ja4_o"),
		JA4RO:      e.Fingerprint("ja4_ro"),
		JA3Hash:    e.JA3(),
		JA3Text:    e.Fingerprint("ja3_full"),
		JA3NHash:   e.Fingerprint("ja3n"),
		JA3NText:   e.Fingerprint("ja3n_full"),
		AkamaiHash: md5Text(e.Fingerprint("http2")),
		AkamaiText: e.Fingerprint("http2"),
		HTTP3Hash:  md5Text(e.Fingerprint("http3_wire")),
		HTTP3Text:  e.Fingerprint("http3_wire"),
	}
}

// md5Text returns the MD5 hash of s in hex, or "" for "".
func md5Text(s string) string {
	if s == "" {
		return ""
	}
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}
