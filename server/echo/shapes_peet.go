package echo

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/internal/http2setting"
	"github.com/tlspeek/tlspeek/parser"
)

// A peetCleanShape is the answer of tls.peet.ws/api/clean.
type peetCleanShape struct {
	JA3        string `json:"ja3"`
	JA3Hash    string `json:"ja3_hash"`
	JA4        string `json:"ja4"`
	JA4R       string `json:"ja4_r"`
	Akamai     string `json:"akamai"`
	AkamaiHash string `json:"akamai_hash"`
	Print      string `json:"peetprint"`
	PrintHash  string `json:"peetprint_hash"`
}

func peetClean(q *request) peetCleanShape {
	e := &q.event
	s := peetCleanShape{
		JA3: e.Fingerprint("ja3_full"), JA3Hash: e.JA3(), JA4: e.JA4(), JA4R: e.Fingerprint("ja4_r"),
		Akamai: "-", AkamaiHash: "-",
	}
	if http2 := e.Fingerprint("http2"); http2 != "" {
		s.Akamai, s.AkamaiHash = http2, md5Text(http2)
	}
	if q.hello != nil {
		s.Print = peetPrint(q.hello)
		s.PrintHash = md5Text(s.Print)
	}
	return s
}

// A peetAllShape is the answer of tls.peet.ws/api/all.
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
	Print             string           `json:"peetprint"`
	PrintHash         string           `json:"peetprint_hash"`
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
	switch http2 := q.event.Fingerprint("http2"); {
	case http2 != "":
		s.HTTP2 = &peetHTTP2{http2, md5Text(http2), peetFrames(q)}
	case q.ProtoMajor == 1:
		s.HTTP1 = &peetHTTP1{headerLines(q)}
	}
	return s
}

func peetTLSOf(q *request) peetTLS {
	e := &q.event
	s := peetTLS{
		Ciphers: []string{}, Extensions: []map[string]any{},
		JA3: e.Fingerprint("ja3_full"), JA3Hash: e.JA3(), JA4: e.JA4(), JA4R: e.Fingerprint("ja4_r"),
	}
	if q.TLS != nil {
		s.VersionNegotiated = strconv.Itoa(int(q.TLS.Version))
	}
	h := q.hello
	if h == nil {
		return s
	}
	s.Print = peetPrint(h)
	s.PrintHash = md5Text(s.Print)
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

// peetGroups and peetExtensions have the names there that are not IANA's.
var (
	peetGroups = map[parser.NamedGroup]string{
		21: "P-224", 23: "P-256", 24: "P-384", 25: "P-521", 29: "X25519", 30: "X448", 25497: "X25519Kyber768",
	}
	peetExtensions = map[parser.ExtensionType]string{
		parser.ExtDelegatedCredential: "delegated_credentials",
		13172:                         "extensionNextProtoNeg (boringssl)",
		17513:                         "application_settings_old",
		17613:                         "application_settings",
		30032:                         "extensionChannelID (boringssl)",
		65037:                         "extensionEncryptedClientHello (boringssl)",
		65281:                         "extensionRenegotiationInfo (boringssl)",
	}
)

// A named16 is a code point with a name.
type named16 interface {
	~uint16
	String() string
}

// peetName returns the name of a cipher suite, and GREASE as tls.peet.ws writes it.
func peetName(c parser.CipherSuite) string {
	if parser.IsGREASE(c) {
		return fmt.Sprintf("TLS_GREASE (0x%04X)", uint16(c))
	}
	return c.String()
}

// peetValue returns the name of another code point, and GREASE with lower-case hex.
func peetValue[T named16](v T) string {
	if parser.IsGREASE(v) {
		return fmt.Sprintf("TLS_GREASE (0x%04x)", uint16(v))
	}
	return v.String()
}

// peetNumbered returns peetValue with the number after the name.
func peetNumbered[T named16](v T) string { return numbered(v, nil) }

func peetGroup(g parser.NamedGroup) string { return numbered(g, peetGroups) }

func numbered[T named16](v T, names map[T]string) string {
	if parser.IsGREASE(v) {
		return peetValue(v)
	}
	return fmt.Sprintf("%s (%d)", cmp.Or(names[v], v.String()), v)
}

func peetNames[T named16](list []T, name func(T) string) []string {
	names := make([]string, len(list))
	for i, v := range list {
		names[i] = name(v)
	}
	return names
}

func peetExtension(h *parser.ClientHello, x *parser.Extension) map[string]any {
	s := map[string]any{"name": numbered(x.Type, peetExtensions)}
	switch x.Type {
	case parser.ExtServerName:
		s["server_name"] = parser.Text(h.ServerName)
	case parser.ExtStatusRequest:
		if d := x.Data; len(d) >= 5 {
			s["status_request"] = map[string]any{
				"certificate_status_type":   fmt.Sprintf("OSCP (%d)", d[0]), // spelled as there
				"responder_id_list_length":  int(d[1])<<8 | int(d[2]),
				"request_extensions_length": int(d[3])<<8 | int(d[4]),
			}
		}
	case parser.ExtSupportedGroups:
		s["supported_groups"] = peetNames(h.SupportedGroups, peetGroup)
	case parser.ExtECPointFormats:
		formats := make([]string, len(h.ECPointFormats))
		for i, f := range h.ECPointFormats {
			formats[i] = fmt.Sprintf("0x%02x", f)
		}
		s["elliptic_curves_point_formats"] = formats
	case parser.ExtSignatureAlgorithms:
		s["signature_algorithms"] = peetNames(h.SignatureAlgorithms, peetValue)
	case parser.ExtALPN:
		s["protocols"] = texts(h.ALPNProtocols)
	case parser.ExtSignedCertificateTimestamp:
	case parser.ExtPadding:
		s["padding_data_length"] = 2 * len(x.Data) // of the hex
	case parser.ExtExtendedMasterSecret:
		s["master_secret_data"], s["extended_master_secret_data"] = hex.EncodeToString(x.Data), ""
	case parser.ExtApplicationSettings, parser.ExtApplicationSettingsOld:
		s["protocols"] = texts(h.ApplicationSettings)
	case parser.ExtDelegatedCredential:
		s["signature_hash_algorithms"] = peetNames(h.DelegatedCredentials, peetValue)
	case parser.ExtSupportedVersions:
		s["versions"] = peetNames(h.SupportedVersions, peetValue)
	case parser.ExtCompressCertificate:
		s["algorithms"] = peetNames(h.CertificateCompressionAlgorithms, peetNumbered)
	case parser.ExtPSKKeyExchangeModes:
		s["PSK_Key_Exchange_Mode"] = pskModes[pskMode(h)]
	case parser.ExtKeyShare:
		shares := make([]map[string]string, len(h.KeyShares))
		for i, k := range h.KeyShares {
			shares[i] = map[string]string{peetGroup(k.Group): hex.EncodeToString(k.KeyExchange)}
		}
		s["shared_keys"] = shares
	default:
		if !parser.IsGREASE(x.Type) {
			s["data"] = hex.EncodeToString(x.Data)
		}
	}
	return s
}

var pskModes = map[byte]string{
	0: "PSK-only key establishment (psk) (0)",
	1: "PSK with (EC)DHE key establishment (psk_dhe_ke) (1)",
}

// pskMode returns the first of psk_key_exchange_modes, and 0 without one.
func pskMode(h *parser.ClientHello) byte {
	if len(h.PSKKeyExchangeModes) == 0 {
		return 0
	}
	return h.PSKKeyExchangeModes[0]
}

// peetPrint returns the fingerprint of tls.peet.ws: versions, HTTP versions, groups,
// signature algorithms, the PSK key exchange mode, certificate compression
// algorithms, cipher suites and extensions, the last sorted as text.
func peetPrint(h *parser.ClientHello) string {
	var protocols []string
	for _, p := range h.ALPNProtocols {
		if v, ok := map[string]string{"h2": "2", "http/1.1": "1.1", "http/1.0": "1.0"}[strings.ToLower(string(p))]; ok {
			protocols = append(protocols, v)
		}
	}
	types := make([]parser.ExtensionType, len(h.Extensions))
	for i := range h.Extensions {
		types[i] = h.Extensions[i].Type
	}
	extensions := peetNames(types, printed)
	slices.Sort(extensions)
	parts := [...][]string{
		peetNames(h.SupportedVersions, printed),
		protocols,
		peetNames(h.SupportedGroups, printed),
		peetNames(h.SignatureAlgorithms, printed),
		{strconv.Itoa(int(pskMode(h)))},
		peetNames(h.CertificateCompressionAlgorithms, printed),
		peetNames(h.CipherSuites, printed),
		extensions,
	}
	var joined [len(parts)]string
	for i, list := range parts {
		joined[i] = strings.Join(list, "-")
	}
	return strings.Join(joined[:], "|")
}

func printed[T named16](v T) string {
	if parser.IsGREASE(v) {
		return "GREASE"
	}
	return strconv.Itoa(int(v))
}

func texts(list [][]byte) []string {
	all := make([]string, len(list))
	for i, b := range list {
		all[i] = parser.Text(b)
	}
	return all
}

// peetFrames returns the frames that the fingerprint was made from.
func peetFrames(q *request) []map[string]any {
	parts := strings.Split(q.event.Fingerprint("http2"), "|")
	settings := []string{}
	if parts[0] != "" {
		for s := range strings.SplitSeq(parts[0], ";") {
			id, value, _ := strings.Cut(s, ":")
			name := cmp.Or(http2setting.Name(id), "UNKNOWN_SETTING_"+id)
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

// number returns the value of digits in a fingerprint.
func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

// headerLines returns the header fields of the request, in the order sent if that
// was recorded: net/http does not keep it.
func headerLines(q *request) []string {
	lines := []string{}
	add := func(name, value string) { lines = append(lines, parser.Text([]byte(name+": "+value))) }
	if q.fields == nil {
		add("Host", q.Host)
		for _, name := range slices.Sorted(maps.Keys(q.Header)) {
			for _, v := range q.Header[name] {
				add(name, v)
			}
		}
		return lines
	}
	pseudo := map[string]string{":method": q.Method, ":authority": q.Host, ":scheme": "https", ":path": q.RequestURI}
	for _, name := range q.fields {
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
