package fingerprint

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// A ChangeKind is what became of a value.
type ChangeKind string

// The kinds of change.
const (
	Added   ChangeKind = "added"   // only the second has it
	Removed ChangeKind = "removed" // only the first has it
	Moved   ChangeKind = "moved"   // both have it, in another order
	Changed ChangeKind = "changed" // a value that is not a list
)

// A Change is one difference in one field of two hellos, or in one part of two
// fingerprints.
type Change struct {
	Field string     `json:"field"`
	Kind  ChangeKind `json:"kind"`
	Value Value      `json:"value,omitzero"` // Added, Removed, Moved

	// From and To are the places in the first and in the second list, from 1; 0
	// where it is not.
	From int `json:"from,omitempty"`
	To   int `json:"to,omitempty"`

	Before string `json:"before,omitempty"` // Changed
	After  string `json:"after,omitempty"`  // Changed
}

// A Comparison is one fingerprint of two hellos.
type Comparison struct {
	Name   string `json:"name"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// Same reports whether the two are equal.
func (c Comparison) Same() bool { return c.Before == c.After }

// A Difference is what tells two hellos, or two fingerprints, apart.
type Difference struct {
	Changes      []Change     `json:"changes"`
	Fingerprints []Comparison `json:"fingerprints,omitempty"` // of hellos only
}

// DiffHellos compares two hellos field by field. All GREASE values count as
// one; random and key material, which differ on each connection, are compared
// by their lengths.
func DiffHellos(a, b *parser.ClientHello) Difference {
	d := Difference{Changes: diffParts(helloParts(a, b), helloParts(b, a))}
	for _, f := range []struct {
		name string
		of   func(*parser.ClientHello) string
	}{
		{"ja3", JA3}, {"ja3n", JA3N}, {"ja4", JA4}, {"ja4_o", JA4O}, {"stable", Stable},
		{"npf", NPF1}, {"tlsfp_id", TLSFP}, {"tlsfp_norm_id", TLSFPNorm}, {"quic_params_id", QUICParamsID},
		{"session", func(h *parser.ClientHello) string {
			if h.SSLv2 {
				return ""
			}
			return SessionOf(h).String()
		}},
	} {
		if c := (Comparison{f.name, f.of(a), f.of(b)}); c.Before != "" || c.After != "" {
			d.Fingerprints = append(d.Fingerprints, c)
		}
	}
	return d
}

// DiffTexts compares two fingerprints of one kind. Between digests it can say
// only that they differ. Of a digest and a text, the text is hashed first.
func DiffTexts(a, b string) (Difference, error) {
	first, err := Explain(a)
	if err != nil {
		return Difference{}, err
	}
	second, err := Explain(b)
	if err != nil {
		return Difference{}, err
	}
	if !alike(&first, &second) {
		x, y := hashedForm(&first), hashedForm(&second)
		if !alike(&x, &y) {
			return Difference{}, fmt.Errorf("fingerprint: %s and %s cannot be compared: give two of one kind", first.Name, second.Name)
		}
		first, second = x, y
	}
	if len(first.Parts) == 0 && first.Text != second.Text {
		return Difference{Changes: []Change{{Field: first.Name, Kind: Changed, Before: first.Text, After: second.Text}}}, nil
	}
	return Difference{Changes: diffParts(first.Parts, second.Parts)}, nil
}

// alike reports whether a and b are of one kind, and both or neither of
// them hashed.
func alike(a, b *Explanation) bool {
	return kind(a.Name) == kind(b.Name) && isHashed(a) == isHashed(b)
}

// isHashed reports whether e, of a kind whose name does not tell, is a digest.
func isHashed(e *Explanation) bool {
	return slices.ContainsFunc(e.Parts, func(p Part) bool { return e.Name == "npf" && p.Name == "digest" })
}

// hashedForm explains the digest of e, if e is a text.
func hashedForm(e *Explanation) Explanation {
	switch e.Name {
	case "ja3_full", "ja3n_full":
		return explainMD5(md5Part(e.Text).Text)
	case "ja4_r", "ja4_ro":
		v, _ := ParseJA4(e.Text)
		return explainJA4Value("ja4", v.Hashed())
	case "stable_full":
		head, lists, _ := strings.Cut(e.Text, "_")
		return explainStable(string(foldSHA256([]byte(head+"_"+lists), len(head)+1, 24)))
	case "npf":
		return wellFormedNPF(NPFHash(e.Text))
	}
	return *e
}

// kind returns what the names of two fingerprints have in common that can be
// compared: JA4_r with JA4_ro, the text of JA3 with that of JA3N.
func kind(name string) string {
	switch name {
	case "ja4_ro":
		return "ja4_r"
	case "ja3n_full":
		return "ja3_full"
	}
	return name
}

// diffParts compares the parts of the same name, in the order of a, and then
// those that only b has. The list is never nil, so that JSON has a list too.
func diffParts(a, b []Part) []Change {
	changes := []Change{}
	inA, inB := partsByName(a), partsByName(b)
	for _, p := range a {
		changes = append(changes, diffPart(p, inB[p.Name])...)
	}
	for _, p := range b {
		if _, both := inA[p.Name]; !both {
			changes = append(changes, diffPart(Part{Name: p.Name}, p)...)
		}
	}
	return changes
}

// partsByName spares a hello of 16,000 extensions a search for each of them.
func partsByName(list []Part) map[string]Part {
	parts := make(map[string]Part, len(list))
	for _, p := range list {
		parts[p.Name] = p
	}
	return parts
}

func diffPart(a, b Part) []Change {
	if len(a.Values)+len(b.Values) > 0 {
		return diffList(a.Name, a.Values, b.Values)
	}
	if a.Text == b.Text {
		return nil
	}
	return []Change{{Field: a.Name, Kind: Changed, Before: a.Text, After: b.Text}}
}

// diffList compares two lists. Of the values that both have, a longest run
// that keeps its order stays, and the others are moved.
func diffList(field string, a, b []Value) []Change {
	// The n-th of a value in a goes with the n-th of it in b.
	places := map[string][]int{}
	for j, v := range b {
		places[v.Text] = append(places[v.Text], j)
	}
	to := make([]int, len(a)) // where each of a is in b, or -1
	taken := make([]bool, len(b))
	var common []int
	for i, v := range a {
		to[i] = -1
		if p := places[v.Text]; len(p) > 0 {
			to[i], places[v.Text] = p[0], p[1:]
			taken[p[0]] = true
			common = append(common, p[0])
		}
	}
	stays := longestRise(common)
	var changes []Change
	for i, v := range a {
		switch j := to[i]; {
		case j < 0:
			changes = append(changes, Change{Field: field, Kind: Removed, Value: v, From: i + 1})
		case !stays[j]:
			changes = append(changes, Change{Field: field, Kind: Moved, Value: v, From: i + 1, To: j + 1})
		}
	}
	for j, v := range b {
		if !taken[j] {
			changes = append(changes, Change{Field: field, Kind: Added, Value: v, To: j + 1})
		}
	}
	return changes
}

// longestRise returns a longest subsequence of distinct numbers that rises, as
// a set.
func longestRise(list []int) map[int]bool {
	var ends []int                   // ends[n]: the index of the least number that ends a rise of n+1
	before := make([]int, len(list)) // the index of the number before, in the rise that ends here
	for i, v := range list {
		n, _ := slices.BinarySearchFunc(ends, v, func(e, v int) int { return list[e] - v })
		before[i] = -1
		if n > 0 {
			before[i] = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, i)
		} else {
			ends[n] = i
		}
	}
	rise := map[int]bool{}
	if len(ends) > 0 {
		for i := ends[len(ends)-1]; i >= 0; i = before[i] {
			rise[list[i]] = true
		}
	}
	return rise
}

// helloParts returns the fields of h in which it is compared with other.
func helloParts(h, other *parser.ClientHello) []Part {
	parts := []Part{
		{Name: "transport", Text: h.Transport.String()},
		{Name: "legacy_version", Text: h.LegacyVersion.String()},
		{Name: "legacy_session_id", Text: fmt.Sprintf("%d bytes", len(h.LegacySessionID))},
		{Name: "cipher_suites", Values: codePoints(h.CipherSuites)},
		{Name: "legacy_compression_methods", Text: hex.EncodeToString(h.LegacyCompressionMethods)},
	}
	if h.SSLv2 {
		var specs []Value
		for _, s := range h.CipherSpecs {
			specs = append(specs, Value{fmt.Sprintf("%06x", uint32(s)), s.String()})
		}
		return append(parts, Part{Name: "cipher_specs", Values: specs})
	}
	if h.Transport == parser.DTLS {
		// As RFC 9147, section 5.3, calls it: there is an extension cookie, too.
		parts = append(parts, Part{Name: "legacy_cookie", Text: fmt.Sprintf("%d bytes", len(h.Cookie))})
	}
	var types []parser.ExtensionType
	for i := range h.Extensions {
		types = append(types, h.Extensions[i].Type)
	}
	parts = append(parts, Part{Name: "extensions", Values: codePoints(types)})
	var groups []parser.NamedGroup
	for _, s := range h.KeyShares {
		groups = append(groups, s.Group)
	}
	parts = append(parts,
		Part{Name: "server_name", Text: parser.Text(h.ServerName)},
		Part{Name: "supported_versions", Values: codePoints(h.SupportedVersions)},
		Part{Name: "supported_groups", Values: codePoints(h.SupportedGroups)},
		Part{Name: "key_share", Values: codePoints(groups)},
		Part{Name: "signature_algorithms", Values: codePoints(h.SignatureAlgorithms)},
		Part{Name: "signature_algorithms_cert", Values: codePoints(h.SignatureAlgorithmsCert)},
		Part{Name: "delegated_credential", Values: codePoints(h.DelegatedCredentials)},
		Part{Name: "ec_point_formats", Text: hex.EncodeToString(h.ECPointFormats)},
		Part{Name: "alpn", Values: protocolValues(h.ALPNProtocols)},
		Part{Name: "application_settings", Values: protocolValues(h.ApplicationSettings)},
		Part{Name: "psk_key_exchange_modes", Text: modes(h.PSKKeyExchangeModes)},
		Part{Name: "compress_certificate", Values: codePoints(h.CertificateCompressionAlgorithms)},
		Part{Name: "transport_parameters", Values: parameterValues(h)},
	)
	return append(parts, otherExtensions(h, other)...)
}

// otherExtensions returns the bodies of the extensions that both hellos have
// and that have no field of their own: as they are where they say something of
// the client, by length where they are random, secret or the server's.
func otherExtensions(h, other *parser.ClientHello) []Part {
	shared := map[parser.ExtensionType]bool{}
	for i := range other.Extensions {
		shared[other.Extensions[i].Type] = true
	}
	var parts []Part
	for i := range h.Extensions {
		e := &h.Extensions[i]
		if parser.IsGREASE(e.Type) || !shared[e.Type] {
			continue
		}
		delete(shared, e.Type) // of one that comes twice, the first is compared
		p := Part{Name: e.Type.String()}
		switch e.Type {
		case parser.ExtServerName, parser.ExtSupportedVersions, parser.ExtSupportedGroups, parser.ExtKeyShare,
			parser.ExtSignatureAlgorithms, parser.ExtSignatureAlgorithmsCert, parser.ExtDelegatedCredential, parser.ExtECPointFormats,
			parser.ExtALPN, parser.ExtApplicationSettings, parser.ExtApplicationSettingsOld, parser.ExtPSKKeyExchangeModes,
			parser.ExtCompressCertificate, parser.ExtQUICTransportParameters, parser.ExtQUICTransportParametersDraft:
			continue
		case parser.ExtStatusRequest, parser.ExtStatusRequestV2, parser.ExtMaxFragmentLength, parser.ExtRecordSizeLimit,
			parser.ExtRenegotiationInfo, parser.ExtUseSRTP, parser.ExtHeartbeat:
			p.Text = hex.EncodeToString(e.Data)
		default:
			p.Text = fmt.Sprintf("%d bytes", len(e.Data))
		}
		parts = append(parts, p)
	}
	return parts
}

// codePoints returns values of four hex digits, all GREASE as one.
func codePoints[T named](list []T) []Value {
	values := make([]Value, len(list))
	for i, v := range list {
		values[i] = Value{string(appendHex(nil, degrease(uint16(v)))), v.String()}
	}
	return values
}

func protocolValues(list [][]byte) []Value {
	var values []Value
	for _, p := range list {
		if parser.IsGREASEALPN(p) {
			values = append(values, Value{Text: "GREASE"})
			continue
		}
		values = append(values, Value{Text: parser.Text(p)})
	}
	return values
}

// modes returns psk_key_exchange_modes in hex, GREASE as one.
func modes(list []byte) string {
	list = bytes.Clone(list)
	for i, m := range list {
		if parser.IsGREASEMode(m) {
			list[i] = 0x0b
		}
	}
	return hex.EncodeToString(list)
}

func parameterValues(h *parser.ClientHello) []Value {
	var values []Value
	for _, p := range h.TransportParameters {
		v := Value{Text: fmt.Sprintf("%#x", p.ID)}
		if parser.IsGREASETransportParameter(p.ID) {
			v = Value{Text: "GREASE"}
		}
		values = append(values, v)
	}
	return values
}

// String returns the change on one line, as "cipher_suites: added 1303
// TLS_CHACHA20_POLY1305_SHA256, place 3".
func (c Change) String() string {
	value := strings.TrimSpace(c.Value.Text + " " + c.Value.Name)
	switch c.Kind {
	case Added:
		return fmt.Sprintf("%s: added %s, place %d", c.Field, value, c.To)
	case Removed:
		return fmt.Sprintf("%s: removed %s, place %d", c.Field, value, c.From)
	case Moved:
		if c.From == c.To {
			return fmt.Sprintf("%s: moved %s past others, place %d in both", c.Field, value, c.To)
		}
		return fmt.Sprintf("%s: moved %s, from %d to %d", c.Field, value, c.From, c.To)
	}
	return fmt.Sprintf("%s: %s became %s", c.Field, orNothing(c.Before), orNothing(c.After))
}

func orNothing(text string) string {
	if text == "" {
		return "nothing"
	}
	return text
}
