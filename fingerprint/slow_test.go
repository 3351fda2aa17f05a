package fingerprint_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// This file computes all fingerprints again, with slow and obvious code that follows the
// specifications.

// slowValues returns what values returns.
func slowValues(h *parser.ClientHello, q *fingerprint.QUICInitial) map[string]string {
	if h.SSLv2 {
		return map[string]string{}
	}
	stableHead, stableLists, _ := strings.Cut(slowStable(h), "_")
	all := map[string]string{
		"ja3": md5Hex(slowJA3(h, false)), "ja3_full": slowJA3(h, false),
		"ja3n": md5Hex(slowJA3(h, true)), "ja3n_full": slowJA3(h, true),
		"ja4": slowJA4(h, true, true), "ja4_r": slowJA4(h, true, false),
		"ja4_o": slowJA4(h, false, true), "ja4_ro": slowJA4(h, false, false),
		"stable": stableHead + "_" + sha256Hex(stableLists)[:24], "stable_full": slowStable(h),
		"tlsfp_id": slowTLSFP(h, false), "tlsfp_norm_id": slowTLSFP(h, true),
		"session": slowSession(h),
	}
	if q == nil {
		carrier := h.Transport.String()
		all["npf"], all["npf_1"], all["npf_2"] = carrier+"/"+slowNPF(h, "wire"), carrier+"/1/"+slowNPF(h, "all"), carrier+"/2/"+slowNPF(h, "selected")
		return all
	}
	version := fmt.Sprintf("(%08x)", q.Version)
	all["npf_quic"], all["npf_quic_1"] = "quic/"+version+slowNPF(h, "all"), "quic/1/"+version+slowNPF(h, "selected")
	all["quic_header_id"], all["quic_params_id"] = slowHeaderID(q), slowParamsID(h)
	return all
}

// slowKeys returns the keys that slowValues has.
func slowKeys() map[string]bool {
	keys := map[string]bool{}
	for _, q := range []*fingerprint.QUICInitial{nil, {Version: 1}} {
		for key := range slowValues(new(parser.ClientHello), q) {
			keys[key] = true
		}
	}
	return keys
}

func md5Hex(s string) string    { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
func sha256Hex(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

// slowGREASE has the values of RFC 8701, written out.
var slowGREASE = []int{
	0x0a0a, 0x1a1a, 0x2a2a, 0x3a3a, 0x4a4a, 0x5a5a, 0x6a6a, 0x7a7a,
	0x8a8a, 0x9a9a, 0xaaaa, 0xbaba, 0xcaca, 0xdada, 0xeaea, 0xfafa,
}

// ints returns a list as numbers, GREASE dropped or, if keep is set, as 0x0a0a.
func ints[T ~uint16](list []T, keep bool) (out []int) {
	for _, v := range list {
		switch {
		case !slices.Contains(slowGREASE, int(v)):
			out = append(out, int(v))
		case keep:
			out = append(out, 0x0a0a)
		}
	}
	return out
}

func types(h *parser.ClientHello) (list []parser.ExtensionType) {
	for _, e := range h.Extensions {
		list = append(list, e.Type)
	}
	return list
}

func has(h *parser.ClientHello, t parser.ExtensionType) bool { return slices.Contains(types(h), t) }

func format(list []int, verb, separator string) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = fmt.Sprintf(verb, v)
	}
	return strings.Join(texts, separator)
}

func slowJA3(h *parser.ClientHello, sorted bool) string {
	extensions := ints(types(h), false)
	if sorted {
		sort.Ints(extensions)
	}
	formats := []int{}
	for _, f := range h.ECPointFormats {
		formats = append(formats, int(f))
	}
	return strings.Join([]string{
		fmt.Sprint(int(h.LegacyVersion)), format(ints(h.CipherSuites, false), "%d", "-"), format(extensions, "%d", "-"),
		format(ints(h.SupportedGroups, false), "%d", "-"), format(formats, "%d", "-"),
	}, ",")
}

func slowVersion(h *parser.ClientHello) string {
	highest := int(h.LegacyVersion)
	if has(h, 43) {
		highest = -1
		for _, v := range ints(h.SupportedVersions, false) {
			highest = max(highest, v)
		}
	}
	name, ok := map[int]string{
		0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2",
		0xfeff: "d1", 0xfefd: "d2", 0xfefc: "d3",
	}[highest]
	if !ok {
		return "00"
	}
	return name
}

func slowALPN(h *parser.ClientHello) (names []string) {
	for _, p := range h.ALPNProtocols {
		if len(p) != 2 || p[0] != p[1] || p[0]&15 != 10 {
			names = append(names, string(p))
		}
	}
	return names
}

func slowJA4(h *parser.ClientHello, sorted, hashed bool) string {
	suites, extensions := ints(h.CipherSuites, false), ints(types(h), false)
	a := []string{"t", "q", "d"}[h.Transport] + slowVersion(h)
	if has(h, 0) {
		a += "d"
	} else {
		a += "i"
	}
	a += fmt.Sprintf("%02d%02d", min(99, len(suites)), min(99, len(extensions)))
	const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	if names := slowALPN(h); len(names) == 0 || names[0] == "" {
		a += "00"
	} else {
		text := names[0]
		if strings.IndexByte(alphanumeric, text[0]) < 0 || strings.IndexByte(alphanumeric, text[len(text)-1]) < 0 {
			text = hex.EncodeToString([]byte(text))
		}
		a += text[:1] + text[len(text)-1:]
	}
	if sorted {
		sort.Ints(suites)
		sort.Ints(extensions)
		extensions = slices.DeleteFunc(extensions, func(t int) bool { return t == 0 || t == 16 })
	}
	b, c := format(suites, "%04x", ","), format(extensions, "%04x", ",")
	if algorithms := ints(h.SignatureAlgorithms, false); len(algorithms) > 0 {
		c += "_" + format(algorithms, "%04x", ",")
	}
	if hashed {
		for _, part := range []*string{&b, &c} {
			if *part == "" {
				*part = "000000000000"
			} else {
				*part = sha256Hex(*part)[:12]
			}
		}
	}
	return a + "_" + b + "_" + c
}

func slowStable(h *parser.ClientHello) string {
	versions := ints(h.SupportedVersions, false)
	if len(versions) == 0 {
		versions = []int{int(h.LegacyVersion)}
	}
	extensions := slices.DeleteFunc(ints(types(h), false), func(t int) bool { return slices.Contains([]int{0, 21, 35, 41, 42, 44}, t) })
	sort.Ints(extensions)
	var names []string
	for _, n := range slowALPN(h) {
		names = append(names, hex.EncodeToString([]byte(n)))
	}
	return "s1" + []string{"t", "q", "d"}[h.Transport] + slowVersion(h) + "_" + strings.Join([]string{
		format(versions, "%04x", ","), format(ints(h.CipherSuites, false), "%04x", ","), format(extensions, "%04x", ","),
		format(ints(h.SupportedGroups, false), "%04x", ","), format(ints(h.SignatureAlgorithms, false), "%04x", ","), strings.Join(names, ","),
	}, "_")
}

func slowSession(h *parser.ClientHello) string {
	switch {
	case has(h, 42):
		return "early_data"
	case has(h, 41):
		return "psk"
	}
	for _, e := range h.Extensions {
		if e.Type == 35 {
			if len(e.Data) > 0 {
				return "ticket"
			}
			break
		}
	}
	return "fresh"
}

// slowNPF returns the lists of NPF, with all GREASE as 0x0a0a.
func slowNPF(h *parser.ClientHello, rule string) string {
	whole := []int{1, 5, 7, 8, 9, 10, 11, 13, 15, 16, 17, 24, 27, 28, 43, 45, 50, 0x5500}
	selected := []int{0x0a0a, 0x3374, 0x5500, 0x754f, 0x7550, 0xfd00, 0xfe0d, 0xff00, 0xff01, 0xff03, 0xffa5, 0xffce}
	for t := range 0x3f {
		if t != 21 && t != 35 && t != 41 && t != 42 {
			selected = append(selected, t)
		}
	}
	var elements []string
	degreased := ints(types(h), true)
	for i, e := range h.Extensions {
		t := degreased[i]
		if rule == "selected" && !slices.Contains(selected, t) {
			switch {
			case t < 0x3f:
				continue
			case t < 0xff00:
				t = 0x3e
			default:
				t = 0xff00
			}
		}
		text := fmt.Sprintf("%04x", t)
		body := bytes.Clone(e.Data)
		for from := map[int]int{10: 2, 43: 1}[t]; from > 0 && from+1 < len(body); from += 2 {
			if slices.Contains(slowGREASE, int(body[from])<<8|int(body[from+1])) {
				body[from], body[from+1] = 0x0a, 0x0a
			}
		}
		switch {
		case h.Transport == parser.QUIC && (t == 57 || t == 0xffa5):
			text = "(" + text + ")" + slowParameterIDs(e.Data)
		case slices.Contains(whole, t):
			text += fmt.Sprintf("%04x%x", len(body), body)
		}
		elements = append(elements, "("+text+")")
	}
	open, shut := "(", ")"
	if rule != "wire" {
		open, shut = "[", "]"
		sort.Slice(elements, func(i, j int) bool {
			return strings.TrimLeft(elements[i], "(") < strings.TrimLeft(elements[j], "(")
		})
	}
	return fmt.Sprintf("(%04x)(%s)%s%s%s", int(h.LegacyVersion), format(ints(h.CipherSuites, true), "%04x", ""), open, strings.Join(elements, ""), shut)
}

func slowVarint(b []byte) (v uint64, n int) {
	if len(b) == 0 {
		return 0, 0
	}
	n = []int{1, 2, 4, 8}[b[0]>>6]
	if len(b) < n {
		return 0, 0
	}
	for i, c := range b[:n] {
		if i == 0 {
			c &= 63
		}
		v = v*256 + uint64(c)
	}
	return v, n
}

func slowParameterIDs(body []byte) string {
	var ids []string
	for len(body) > 0 {
		id, n := slowVarint(body)
		length, m := slowVarint(body[n:])
		if n == 0 || m == 0 || length > uint64(len(body[n+m:])) {
			break
		}
		if id%31 == 27 {
			ids = append(ids, "(1b)")
		} else {
			ids = append(ids, fmt.Sprintf("(%x)", body[:n]))
		}
		body = body[n+m+int(length):]
	}
	sort.Strings(ids)
	return "[" + strings.Join(ids, "") + "]"
}

func slowTLSFP(h *parser.ClientHello, normalised bool) string {
	var b []byte
	add := func(list []int) {
		for _, v := range list {
			b = append(b, byte(v>>8), byte(v))
		}
	}
	add([]int{0, int(h.LegacyVersion)})
	add(ints(h.CipherSuites, true))
	b = append(b, h.LegacyCompressionMethods...)
	extensions := ints(types(h), true)
	if normalised {
		sort.Ints(extensions)
	}
	add(extensions)
	add(ints(h.SupportedGroups, true))
	b = append(b, h.ECPointFormats...)
	add(ints(h.SignatureAlgorithms, true))
	for _, p := range h.ALPNProtocols {
		if len(p) == 2 && p[0] == p[1] && p[0]&15 == 10 {
			p = []byte{10, 10}
		}
		b = append(b, byte(len(p)))
		b = append(b, p...)
	}
	for _, s := range h.KeyShares {
		add(ints([]parser.NamedGroup{s.Group}, true))
	}
	for _, m := range h.PSKKeyExchangeModes {
		if slices.Contains([]byte{0x0b, 0x2a, 0x49, 0x68, 0x87, 0xa6, 0xc5, 0xe4}, m) {
			m = 0x0b
		}
		b = append(b, m)
	}
	add(ints(h.SupportedVersions, true))
	if has(h, 27) {
		b = append(b, byte(2*len(h.CertificateCompressionAlgorithms)))
		add(ints(h.CertificateCompressionAlgorithms, true))
	}
	add([]int{int(h.RecordSizeLimit)})
	return fmt.Sprintf("%x", sha1.Sum(b))[:16]
}

func slowHeaderID(q *fingerprint.QUICInitial) string {
	b := fmt.Appendf(nil, "%08x%08x%08x%08x", q.Version, q.DCIDLen, q.SCIDLen, q.PacketNumberLen)
	for t := range 256 {
		if bytes.IndexByte(q.FrameTypes, byte(t)) >= 0 {
			b = fmt.Appendf(b, "%02x", t)
		}
	}
	if q.TokenLen > 0 {
		b = append(b, "01"...)
	} else {
		b = append(b, "00"...)
	}
	raw, _ := hex.DecodeString(string(b))
	return fmt.Sprintf("%x", sha1.Sum(raw))[:16]
}

func slowParamsID(h *parser.ClientHello) string {
	var ids []uint64
	values := map[uint64]uint64{}
	for _, p := range h.TransportParameters {
		if _, ok := values[p.ID]; !ok {
			values[p.ID], _ = slowVarint(p.Value)
		}
		if p.ID%31 == 27 {
			ids = append(ids, 27)
		} else {
			ids = append(ids, p.ID)
		}
	}
	sort.Slice(ids, func(i, j int) bool { return ids[i] < ids[j] })
	for _, id := range []uint64{1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14} {
		ids = append(ids, values[id])
	}
	raw, _ := hex.DecodeString(func() (s string) {
		for _, v := range ids {
			s += fmt.Sprintf("%016x", v)
		}
		return s
	}())
	return fmt.Sprintf("%x", sha1.Sum(raw))[:16]
}

// defaultInitial is for hellos without a packet.
var defaultInitial = &fingerprint.QUICInitial{Version: 1, DCIDLen: 8, PacketNumberLen: 1, FrameTypes: []byte{6, 0, 6, 1}}

func initialOf(h *parser.ClientHello) *fingerprint.QUICInitial {
	if h.Transport == parser.QUIC {
		return defaultInitial
	}
	return nil
}

func TestSlow(t *testing.T) {
	for name, h := range hellotest.Real(t) {
		assert.Equal(t, slowValues(h, initialOf(h)), values(h, initialOf(h)), name)
	}
}

// FuzzFingerprints compares all values with those of the slow code, for messages.
func FuzzFingerprints(f *testing.F) {
	for _, h := range hellotest.Real(f) {
		f.Add(uint8(h.Transport), h.Raw)
	}
	for _, v := range hellotest.Vectors(f) {
		h := v.Parse(f)
		f.Add(uint8(h.Transport), h.Raw)
	}
	f.Fuzz(func(t *testing.T, transport uint8, msg []byte) {
		h := &parser.ClientHello{Transport: parser.Transport(transport % 3)}
		_ = h.Unmarshal(msg) // what it holds after an error has values too
		if slow, fast := slowValues(h, initialOf(h)), values(h, initialOf(h)); !maps.Equal(slow, fast) {
			assert.Equal(t, slow, fast)
		}
	})
}

// FuzzLists compares all values with those of the slow code, for lists, which are easier
// to fuzz than a message.
func FuzzLists(f *testing.F) {
	f.Add(uint8(0), uint16(0x303), []byte("\x13\x01\x1a\x1a"), []byte("\x00\x00\x00\x10\x00\x2b\x3a\x3a"), []byte("\x00\x1d"), []byte{0},
		[]byte("\x04\x03\x0a\x0a"), []byte("\x03\x04\x5a\x5a"), []byte("h2"), []byte("http/1.1"))
	f.Fuzz(func(t *testing.T, transport uint8, version uint16, suites, extensions, groups, formats, algorithms, versions, first, second []byte) {
		h := &parser.ClientHello{
			Transport: parser.Transport(transport % 3), LegacyVersion: parser.Version(version),
			CipherSuites: pairs[parser.CipherSuite](suites), SupportedGroups: pairs[parser.NamedGroup](groups), ECPointFormats: formats,
			SignatureAlgorithms: pairs[parser.SignatureScheme](algorithms), SupportedVersions: pairs[parser.Version](versions),
			ALPNProtocols: [][]byte{first, second},
		}
		for _, e := range pairs[parser.ExtensionType](extensions) {
			// Most registered types are small.
			if e > 0xff && e&1 == 0 {
				e &= 0x3f
			}
			h.Extensions = append(h.Extensions, parser.Extension{Type: e, Data: algorithms})
			if e == parser.ExtSessionTicket && h.SessionTicket == nil {
				h.SessionTicket = algorithms
			}
		}
		if slow, fast := slowValues(h, initialOf(h)), values(h, initialOf(h)); !maps.Equal(slow, fast) {
			assert.Equal(t, slow, fast)
		}
	})
}

func pairs[T ~uint16](b []byte) (list []T) {
	for ; len(b) >= 2; b = b[2:] {
		list = append(list, T(b[0])<<8|T(b[1]))
	}
	return list
}
