package server

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// The shapes of other endpoints, for those who parse them. A value that is
// theirs alone is not in them.

// browserleaksShape is what tls.browserleaks.com/json has.
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
}

func browserleaks(q *request) browserleaksShape {
	e := &q.event
	return browserleaksShape{
		UserAgent: parser.Text([]byte(q.UserAgent())),
		JA4:       e.JA4, JA4R: e.JA4R, JA4O: e.JA4O, JA4RO: e.JA4RO,
		JA3Hash: e.JA3, JA3Text: e.JA3Full, JA3NHash: e.JA3N, JA3NText: e.JA3NFull,
		AkamaiHash: md5Text(e.HTTP2), AkamaiText: e.HTTP2,
	}
}

// md5Text returns the hash of a text that is there.
func md5Text(s string) string {
	if s == "" {
		return ""
	}
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// peetCleanShape is what tls.peet.ws/api/clean has; peetAllShape and those
// below it are of /api/all.
type peetCleanShape struct {
	JA3        string `json:"ja3"`
	JA3Hash    string `json:"ja3_hash"`
	JA4        string `json:"ja4"`
	JA4R       string `json:"ja4_r"`
	Akamai     string `json:"akamai"`
	AkamaiHash string `json:"akamai_hash"`
}

func peetClean(q *request) peetCleanShape {
	e := &q.event
	s := peetCleanShape{JA3: e.JA3Full, JA3Hash: e.JA3, JA4: e.JA4, JA4R: e.JA4R, Akamai: "-", AkamaiHash: "-"}
	if e.HTTP2 != "" {
		s.Akamai, s.AkamaiHash = e.HTTP2, md5Text(e.HTTP2)
	}
	return s
}

type peetAllShape struct {
	IP          string     `json:"ip"`
	HTTPVersion string     `json:"http_version"`
	Method      string     `json:"method"`
	UserAgent   string     `json:"user_agent,omitempty"`
	TLS         peetTLS    `json:"tls"`
	HTTP1       *peetHTTP1 `json:"http1,omitempty"`
	HTTP2       *peetHTTP2 `json:"http2,omitempty"`
}

type peetTLS struct {
	Ciphers           []string         `json:"ciphers"`
	Extensions        []map[string]any `json:"extensions"`
	VersionRecord     string           `json:"tls_version_record"`
	VersionNegotiated string           `json:"tls_version_negotiated"`
	JA3               string           `json:"ja3"`
	JA3Hash           string           `json:"ja3_hash"`
	JA4               string           `json:"ja4"`
	JA4R              string           `json:"ja4_r"`
	ClientRandom      string           `json:"client_random"`
	SessionID         string           `json:"session_id"`
}

type peetHTTP1 struct {
	Headers []string `json:"headers"`
}

type peetHTTP2 struct {
	Fingerprint     string           `json:"akamai_fingerprint"`
	FingerprintHash string           `json:"akamai_fingerprint_hash"`
	SentFrames      []map[string]any `json:"sent_frames"`
}

func peetAll(q *request) peetAllShape {
	s := peetAllShape{
		IP:          q.RemoteAddr,
		HTTPVersion: [4]string{1: q.Proto, 2: "h2", 3: "h3"}[q.ProtoMajor&3],
		Method:      q.Method,
		UserAgent:   parser.Text([]byte(q.UserAgent())),
		TLS:         peetTLSOf(q),
	}
	switch {
	case q.event.HTTP2 != "":
		s.HTTP2 = &peetHTTP2{q.event.HTTP2, md5Text(q.event.HTTP2), peetFrames(q)}
	case q.ProtoMajor == 1:
		s.HTTP1 = &peetHTTP1{headerLines(q)}
	}
	return s
}

func peetTLSOf(q *request) peetTLS {
	e := &q.event
	s := peetTLS{
		Ciphers: []string{}, Extensions: []map[string]any{},
		JA3: e.JA3Full, JA3Hash: e.JA3, JA4: e.JA4, JA4R: e.JA4R,
	}
	if q.TLS != nil {
		s.VersionNegotiated = strconv.Itoa(int(q.TLS.Version))
	}
	h := q.hello
	if h == nil {
		return s
	}
	s.VersionRecord = strconv.Itoa(int(h.LegacyVersion))
	s.ClientRandom = hex.EncodeToString(h.Random)
	s.SessionID = hex.EncodeToString(h.LegacySessionID)
	for _, c := range h.CipherSuites {
		s.Ciphers = append(s.Ciphers, peetName(c))
	}
	for i := range h.Extensions {
		s.Extensions = append(s.Extensions, peetExtension(h, &h.Extensions[i]))
	}
	return s
}

// peetName returns a name, or GREASE as peet.ws has it.
func peetName[T interface {
	~uint16
	String() string
}](v T) string {
	if parser.IsGREASE(v) {
		return fmt.Sprintf("TLS_GREASE (0x%04X)", uint16(v))
	}
	return v.String()
}

// peetNumbered is peetName with the number behind the name.
func peetNumbered[T interface {
	~uint16
	String() string
}](v T) string {
	if parser.IsGREASE(v) {
		return peetName(v)
	}
	return fmt.Sprintf("%s (%d)", v, v)
}

func peetNames[T interface {
	~uint16
	String() string
}](list []T, name func(T) string) []string {
	names := make([]string, len(list))
	for i, v := range list {
		names[i] = name(v)
	}
	return names
}

func peetExtension(h *parser.ClientHello, x *parser.Extension) map[string]any {
	s := map[string]any{"name": peetNumbered(x.Type)}
	switch x.Type {
	case parser.ExtServerName:
		s["server_name"] = parser.Text(h.ServerName)
	case parser.ExtSupportedGroups:
		s["supported_groups"] = peetNames(h.SupportedGroups, peetNumbered)
	case parser.ExtECPointFormats:
		formats := make([]string, len(h.ECPointFormats))
		for i, f := range h.ECPointFormats {
			formats[i] = fmt.Sprintf("0x%02x", f)
		}
		s["elliptic_curves_point_formats"] = formats
	case parser.ExtSignatureAlgorithms:
		s["signature_algorithms"] = peetNames(h.SignatureAlgorithms, peetName)
	case parser.ExtALPN:
		s["protocols"] = texts(h.ALPNProtocols)
	case parser.ExtApplicationSettings, parser.ExtApplicationSettingsOld:
		s["protocols"] = texts(h.ApplicationSettings)
	case parser.ExtSupportedVersions:
		s["versions"] = peetNames(h.SupportedVersions, peetName)
	case parser.ExtCompressCertificate:
		s["algorithms"] = peetNames(h.CertificateCompressionAlgorithms, peetNumbered)
	case parser.ExtKeyShare:
		shares := make([]map[string]string, len(h.KeyShares))
		for i, k := range h.KeyShares {
			shares[i] = map[string]string{peetNumbered(k.Group): hex.EncodeToString(k.KeyExchange)}
		}
		s["shared_keys"] = shares
	default:
		s["data"] = hex.EncodeToString(x.Data)
	}
	return s
}

func texts(list [][]byte) []string {
	all := make([]string, len(list))
	for i, b := range list {
		all[i] = parser.Text(b)
	}
	return all
}

// settingNames are those of RFC 9113, section 6.5.2, and its successors.
var settingNames = map[string]string{
	"1": "HEADER_TABLE_SIZE", "2": "ENABLE_PUSH", "3": "MAX_CONCURRENT_STREAMS",
	"4": "INITIAL_WINDOW_SIZE", "5": "MAX_FRAME_SIZE", "6": "MAX_HEADER_LIST_SIZE",
	"8": "ENABLE_CONNECT_PROTOCOL", "9": "NO_RFC7540_PRIORITIES",
}

// peetFrames returns the frames that the fingerprint was made from.
func peetFrames(q *request) []map[string]any {
	parts := strings.Split(q.event.HTTP2, "|")
	settings := []string{}
	if parts[0] != "" {
		for s := range strings.SplitSeq(parts[0], ";") {
			id, value, _ := strings.Cut(s, ":")
			name := settingNames[id]
			if name == "" {
				name = "UNKNOWN_SETTING_" + id
			}
			settings = append(settings, name+" = "+value)
		}
	}
	frames := []map[string]any{{"frame_type": "SETTINGS", "length": 6 * len(settings), "settings": settings}}
	if increment, err := strconv.Atoi(parts[1]); err == nil && increment > 0 {
		frames = append(frames, map[string]any{"frame_type": "WINDOW_UPDATE", "length": 4, "increment": increment})
	}
	if parts[2] != "0" {
		for p := range strings.SplitSeq(parts[2], ",") {
			f := strings.Split(p, ":")
			frames = append(frames, map[string]any{"frame_type": "PRIORITY", "length": 5, "stream_id": number(f[0]),
				"priority": map[string]int{"exclusive": number(f[1]), "depends_on": number(f[2]), "weight": number(f[3])}})
		}
	}
	return append(frames, map[string]any{"frame_type": "HEADERS", "headers": headerLines(q)})
}

// number is for the fingerprint's own, which are digits.
func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// headerLines returns the request's header fields, in the order sent if it is
// known, which net/http does not keep.
func headerLines(q *request) []string {
	lines := []string{}
	add := func(name, value string) { lines = append(lines, parser.Text([]byte(name+": "+value))) }
	if q.names == nil {
		add("Host", q.Host)
		for _, name := range slices.Sorted(maps.Keys(q.Header)) {
			for _, v := range q.Header[name] {
				add(name, v)
			}
		}
		return lines
	}
	pseudo := map[string]string{":method": q.Method, ":authority": q.Host, ":scheme": "https", ":path": q.RequestURI}
	for _, name := range q.names {
		if v, ok := pseudo[name]; ok {
			add(name, v)
			continue
		}
		for _, v := range q.Header[http.CanonicalHeaderKey(name)] {
			add(name, v)
		}
	}
	return lines
}
