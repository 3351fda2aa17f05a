package explain

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// A ChangeKind says how a value differs.
type ChangeKind string

// The kinds of change.
const (
	Added   ChangeKind = "added"   // only the second list has the value
	Removed ChangeKind = "removed" // only the first list has the value
	Moved   ChangeKind = "moved"   // both lists have the value, in another order
	Changed ChangeKind = "changed" // the field is no list
)

// A Change is one difference between two hellos, or between two fingerprints.
type Change struct {
	Field string     `json:"field"`          // of the hello, or name of the Part
	Kind  ChangeKind `json:"kind"`           // says which of the fields below are set
	Value Value      `json:"value,omitzero"` // unless Kind is Changed

	// From and To are the positions of Value in the first and in the second list,
	// counted from 1, and 0 in a list that lacks it.
	From int `json:"from,omitempty"`
	To   int `json:"to,omitempty"`

	Before string `json:"before,omitempty"` // if Kind is Changed
	After  string `json:"after,omitempty"`  // if Kind is Changed
}

// A Comparison holds a fingerprint of two hellos.
type Comparison struct {
	Name   string `json:"name"`   // key of the method in fingerprint.Methods, or "session"
	Before string `json:"before"` // of the first hello; empty if the method does not apply
	After  string `json:"after"`  // of the second hello
}

// Same reports whether both hellos have the same fingerprint.
func (c Comparison) Same() bool { return c.Before == c.After }

// A Difference is what distinguishes two hellos, or two fingerprints.
type Difference struct {
	Changes      []Change     `json:"changes"`                // never nil
	Fingerprints []Comparison `json:"fingerprints,omitempty"` // of hellos only
}

// Diff compares two hellos field by field, and their fingerprints. All GREASE
// values count as one; random and key material, which differ on each connection,
// are compared by their lengths.
//
// First come the fingerprints of the hellos alone, then those that depend on
// the QUIC packet or HTTP/2, where both Inputs have it. Diff changes neither Input.
func Diff(a, b *fingerprint.Input) Difference {
	d := Difference{Changes: diffParts(helloParts(a.Hello, b.Hello), helloParts(b.Hello, a.Hello))}
	add := func(name, before, after string) {
		if before != "" || after != "" {
			d.Fingerprints = append(d.Fingerprints, Comparison{name, before, after})
		}
	}
	methods := fingerprint.MethodsInOrder("ja3", "ja3n", "ja4", "ja4_o", "stable")
	helloA, helloB := &fingerprint.Input{Hello: a.Hello}, &fingerprint.Input{Hello: b.Hello}
	for _, m := range methods {
		if m.Digest == "" {
			add(m.Key, m.Of(helloA), m.Of(helloB))
		}
	}
	add("session", sessionOf(a.Hello), sessionOf(b.Hello))
	for _, m := range methods {
		if before, after := m.Of(a), m.Of(b); before != m.Of(helloA) && after != m.Of(helloB) {
			add(m.Key, before, after)
		}
	}
	return d
}

func sessionOf(h *parser.ClientHello) string {
	if h.SSLv2 {
		return ""
	}
	return fingerprint.SessionOf(h).String()
}

// DiffTexts compares two fingerprints of one kind. Of digests it can say only
// that they differ. If one is a digest and the other is a text behind one, the
// text is hashed first. Of two HTTP/2 fingerprints, GREASE counts as one value, and the
// pseudo-header fields are compared if both have them; of two of HTTP/3, likewise what
// more there is of the connection.
func DiffTexts(a, b string) (Difference, error) { return DiffKnown(a, b, func(func(Sample) bool) {}) }

// DiffKnown is DiffTexts, but compares two digests by the texts behind them if samples
// have both.
func DiffKnown(a, b string, samples iter.Seq[Sample]) (Difference, error) {
	first, err := Text(a)
	if err != nil {
		return Difference{}, err
	}
	second, err := Text(b)
	if err != nil {
		return Difference{}, err
	}
	if !sameKind(&first, &second) {
		x, y := first.hashed(), second.hashed()
		if !sameKind(&x, &y) {
			return Difference{}, fmt.Errorf("fingerprint: %s and %s cannot be compared: give two of one kind", first.Name, second.Name)
		}
		first, second = x, y
	}
	if first.Text == second.Text {
		return Difference{Changes: []Change{}}, nil
	}
	for s := range samples {
		if s.Input.Hello != nil {
			first.addDigestTexts(s.Input.Hello)
			second.addDigestTexts(s.Input.Hello)
		}
	}
	useDigestTexts(&first, &second)
	if len(first.Parts) == 0 || len(second.Parts) == 0 {
		return Difference{Changes: []Change{{Field: first.Name, Kind: Changed, Before: first.Text, After: second.Text}}}, nil
	}
	alignHTTP2(&first, &second)
	alignHTTP3(&first, &second)
	return Difference{Changes: diffParts(first.Parts, second.Parts)}, nil
}

// sameKind reports whether a and b explain fingerprints of one kind, and both
// or neither are digests.
func sameKind(a, b *Explanation) bool {
	return a.kind() == b.kind() && a.isNPFHash() == b.isNPFHash()
}

// isNPFHash reports whether e explains the hash of an NPF fingerprint, which has
// the name of its text.
func (e *Explanation) isNPFHash() bool {
	return e.Name == "npf" && slices.ContainsFunc(e.Parts, func(p Part) bool { return p.Name == "digest" })
}

// kind returns a name that fingerprints share if they can be compared.
func (e *Explanation) kind() string {
	switch e.Name {
	case "ja4_ro":
		return "ja4_r"
	case "ja3n_full":
		return "ja3_full"
	}
	return e.Name
}

// hashed explains the digest of e, if e explains the text behind one.
func (e *Explanation) hashed() Explanation {
	switch e.Name {
	case "ja3_full", "ja3n_full":
		return explainMD5(md5Hex(e.Text))
	case "ja4_r", "ja4_ro":
		v, _ := ParseJA4(e.Text)
		return explainJA4Value("ja4", v.Hashed())
	case "stable_full":
		return wellFormedStable(stableOf(e.Text))
	case "npf":
		return wellFormedNPF(fingerprint.NPFHash(e.Text))
	}
	return *e
}

// diffParts compares the parts with the same name, in the order of a, and then
// those that only b has. The list is never nil, so that it is a list in JSON.
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

// partsByName returns the parts by name: a hello may have 16,000 extensions.
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

// diffList compares two lists. Of the values that both have, a longest
// subsequence in the same order counts as unmoved.
func diffList(field string, a, b []Value) []Change {
	// The n-th occurrence of a value in a is matched with the n-th in b.
	places := map[string][]int{}
	for j, v := range b {
		places[v.Text] = append(places[v.Text], j)
	}
	to := make([]int, len(a)) // position of each value of a in b, or -1
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
	unmoved := longestIncreasing(common)
	var changes []Change
	for i, v := range a {
		switch j := to[i]; {
		case j < 0:
			changes = append(changes, Change{Field: field, Kind: Removed, Value: v, From: i + 1})
		case !unmoved[j]:
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

// longestIncreasing returns a longest increasing subsequence of distinct numbers,
// as a set.
func longestIncreasing(list []int) map[int]bool {
	var ends []int                   // ends[n] is the index of the least number that ends a subsequence of length n+1
	before := make([]int, len(list)) // index of the previous number in the subsequence that ends here, or -1
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
	longest := map[int]bool{}
	if len(ends) > 0 {
		for i := ends[len(ends)-1]; i >= 0; i = before[i] {
			longest[list[i]] = true
		}
	}
	return longest
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
