package page

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// What a page shows of a message is bounded, so that one of 64 KiB stays
// readable: what is over is folded into leaves, and no byte is left out.
const (
	maxElements = 192  // of a list that is taken apart
	maxLeaves   = 4000 // of a message
	maxGist     = 110  // bytes of the line that tells what a closed field holds
	maxPreview  = 16   // bytes of an opaque leaf
)

// A pageNode is a field as the page shows it. Leaves are counted from 0 in the
// order of their bytes.
type pageNode struct {
	Name        string // as Dissect has it
	Title       string // what it is one of: "key_share" for an extension
	Offset      int
	Length      int
	First, Last int    // leaves that lie in it; Last < First if none does
	Value       string // of a leaf: what it holds
	Meaning     string // what a registry calls Value
	Gist        string // of what has children: what it holds, in a line
	Marks       []pageMark
	Inside      []pageMark // those of the children, each kind once, counted
	Reference   *parser.Reference
	Open        bool
	Children    []*pageNode
}

// Leaf reports whether n has no parts.
func (n *pageNode) Leaf() bool { return len(n.Children) == 0 }

// End returns the offset of n's last byte.
func (n *pageNode) End() int { return n.Offset + max(n.Length, 1) - 1 }

// A pageMark says that a field is remarkable.
type pageMark struct {
	Kind string // grease, unknown, unusual, old or wrong
	Text string // "GREASE"
	Why  string
}

// A pageTree is a message taken apart for the page.
type pageTree struct {
	Root   *pageNode
	leaves []pageLeaf
	marks  map[string]int
}

// A pageLeaf is what the dump needs to know of a leaf.
type pageLeaf struct {
	path   string // the end of it: "key_share_entry › key_exchange › opaque"
	kind   string // of its first mark
	offset int
	length int
}

// treeBuilder makes a pageTree.
type treeBuilder struct {
	raw    []byte
	census *census
	tree   pageTree
	path   []string
}

// newPageTree prepares a message that Dissect took apart: any bytes, of which
// those that cannot be read are a leaf that says why.
func newPageTree(root *parser.Field, c *census) *pageTree {
	b := treeBuilder{raw: root.Bytes, census: c}
	b.tree.marks = make(map[string]int)
	b.tree.Root = b.node(root)
	b.tree.Root.Open = true
	return &b.tree
}

// At returns the leaf in which the byte at offset lies, or the last one.
func (t *pageTree) At(offset int) int {
	for i, l := range t.leaves {
		if offset < l.offset+l.length {
			return i
		}
	}
	return len(t.leaves) - 1
}

// Counts returns how many marks of each kind there are, for the legend.
func (t *pageTree) Counts() map[string]int { return t.marks }

func (b *treeBuilder) node(f *parser.Field) *pageNode {
	n := &pageNode{
		Name:      f.Name,
		Offset:    f.Offset,
		Length:    len(f.Bytes),
		First:     len(b.tree.leaves),
		Reference: fieldReference(f),
	}
	b.path = append(b.path, f.Name)
	if f.Name == "extension" && len(f.Children) > 0 {
		n.Title = nameOf(&f.Children[0])
		b.path[len(b.path)-1] = n.Title
	}
	switch {
	case len(f.Children) == 0 || len(b.tree.leaves) >= maxLeaves:
		b.leaf(n, f)
	default:
		b.group(n, f)
	}
	n.Last = len(b.tree.leaves) - 1
	b.path = b.path[:len(b.path)-1]
	return n
}

func (b *treeBuilder) leaf(n *pageNode, f *parser.Field) {
	n.Value, n.Meaning = leafText(f), f.ValueName
	if len(f.Children) > 0 {
		n.Value = gist(f)
	}
	n.Marks = b.marks(f)
	if n.Length == 0 {
		return
	}
	l := pageLeaf{path: strings.Join(b.path[max(0, len(b.path)-3):], " › "), offset: n.Offset, length: n.Length}
	if len(n.Marks) > 0 {
		l.kind = n.Marks[0].Kind
	}
	b.tree.leaves = append(b.tree.leaves, l)
}

func (b *treeBuilder) group(n *pageNode, f *parser.Field) {
	n.Gist = gist(f)
	n.Marks = b.marks(f)
	n.Open = f.Name == "extensions"
	shown := f.Children
	if f.List && len(shown) > maxElements {
		shown = shown[:maxElements]
	}
	for i := range shown {
		if i > 0 && f.List && len(b.tree.leaves) >= maxLeaves {
			shown = shown[:i]
			break
		}
		n.Children = append(n.Children, b.node(&shown[i]))
	}
	if rest := f.Children[len(shown):]; len(rest) > 0 {
		n.Children = append(n.Children, b.more(f, rest))
	}
	b.inside(n)
	n.Open = n.Open || isWrong(n.Marks) || isWrong(n.Inside)
}

// isWrong reports whether the gravest of the marks is that something is wrong.
func isWrong(m []pageMark) bool { return len(m) > 0 && m[0].Kind == "wrong" }

// more folds what a list has beyond what is shown into one leaf.
func (b *treeBuilder) more(f *parser.Field, rest []parser.Field) *pageNode {
	from := rest[0].Offset
	folded := parser.Field{
		Name:   fmt.Sprintf("%d more of this list", len(rest)),
		Offset: from,
		Bytes:  b.raw[from : f.Offset+len(f.Bytes)],
	}
	return b.node(&folded)
}

// inside gathers the marks of what n holds, for when it is closed. What marks
// an extension's type marks the extension.
func (b *treeBuilder) inside(n *pageNode) {
	counts := make(map[string]int)
	for i, c := range n.Children {
		if i == 0 && n.Name == "extension" {
			n.Marks = append(n.Marks, c.Marks...)
			continue
		}
		for _, m := range c.Marks {
			counts[m.Kind]++
		}
		for _, m := range c.Inside {
			k, _ := strconv.Atoi(m.Text)
			counts[m.Kind] += k
		}
	}
	for _, kind := range markKinds {
		if counts[kind] > 0 {
			n.Inside = append(n.Inside, pageMark{Kind: kind, Text: strconv.Itoa(counts[kind])})
		}
	}
}

// markKinds are the kinds of marks, the gravest first.
var markKinds = [...]string{"wrong", "unknown", "unusual", "old", "grease"}

func (b *treeBuilder) marks(f *parser.Field) []pageMark {
	m := b.mark(f)
	if m.Kind == "" {
		return nil
	}
	b.tree.marks[m.Kind]++
	return []pageMark{m}
}

func (b *treeBuilder) mark(f *parser.Field) pageMark {
	switch {
	case f.Note == "GREASE":
		return pageMark{"grease", "GREASE", "a reserved value, sent so that servers keep ignoring what they do not know"}
	case f.Note != "":
		return pageMark{"wrong", f.Note, ""}
	case f.Name == "undecoded":
		return pageMark{"wrong", "undecoded", ""}
	}
	v, ok := f.Value.(uint64)
	if !ok || !registered[f.Name] {
		return pageMark{}
	}
	switch {
	case f.ValueName == "":
		return pageMark{"unknown", "unknown", "no registry has a name for it"}
	case isOld(f.Name, v, f.ValueName):
		return pageMark{"old", "old", "not to be used any more"}
	case b.census.never(f.Name, v):
		return pageMark{"unusual", "unusual", "none of the known clients sends it"}
	}
	return pageMark{}
}

// registered has the fields whose values a registry names, all of them.
var registered = map[string]bool{
	"legacy_version": true, "cipher_suite": true, "compression_method": true,
	"extension_type": true, "named_group": true, "group": true,
	"ec_point_format": true, "signature_scheme": true, "protocol_version": true,
	"psk_key_exchange_mode": true, "algorithm": true, "certificate_type": true,
	"status_type": true, "name_type": true, "transport_parameter_id": true,
	"kdf_id": true, "aead_id": true, "mode": true, "srtp_protection_profile": true,
}

// isOld reports whether an RFC says that a value is not to be used.
func isOld(field string, v uint64, name string) bool {
	switch field {
	case "protocol_version": // RFC 8996 and RFC 7568
		return v == 0x0300 || v == 0x0301 || v == 0x0302 || v == 0xfeff
	case "legacy_version":
		return v == 0x0300 || v == 0x0301 || v == 0x0302 || v == 0xfeff
	case "cipher_suite", "cipher_spec":
		for _, s := range []string{"_NULL_", "EXPORT", "RC4", "RC2", "_DES", "DES_", "3DES", "_IDEA_", "_anon_", "MD5"} {
			if strings.Contains(name, s) {
				return true
			}
		}
	case "signature_scheme": // RFC 9155
		return strings.HasSuffix(name, "_sha1") || strings.HasSuffix(name, "_md5")
	case "compression_method":
		return v != 0
	}
	return false
}

// nameOf returns what a registry calls f's value, or the value.
func nameOf(f *parser.Field) string {
	switch {
	case f.ValueName != "":
		return f.ValueName
	case f.Note == "GREASE":
		return "GREASE " + leafText(f)
	}
	return leafText(f)
}

// leafText returns what a leaf holds: a number in the form that its RFC has it
// in, text in quotation marks, other bytes in hex.
func leafText(f *parser.Field) string {
	switch v := f.Value.(type) {
	case uint64:
		if registered[f.Name] || f.ValueName != "" {
			return fmt.Sprintf("0x%0*x", 2*len(f.Bytes), v)
		}
		return strconv.FormatUint(v, 10)
	case string:
		return "“" + cut(v, 4*maxGist) + "”"
	}
	if len(f.Bytes) <= maxPreview {
		return hex.EncodeToString(f.Bytes)
	}
	return hex.EncodeToString(f.Bytes[:maxPreview]) + "…"
}

// gist tells in a line what f holds.
func gist(f *parser.Field) string { return cut(gistOf(f, maxGist), maxGist) }

func gistOf(f *parser.Field, room int) string {
	if len(f.Children) == 0 {
		switch {
		case f.Value != nil:
			return nameOf(f)
		case len(f.Bytes) <= 8:
			return hex.EncodeToString(f.Bytes)
		}
		return bytesText(len(f.Bytes))
	}
	separator := ", "
	if !f.List {
		separator = " · "
	}
	var text strings.Builder
	for i := range f.Children {
		c := &f.Children[i]
		if skipped(c.Name) || f.List && isGREASE(c) {
			continue
		}
		s := gistOf(c, room)
		if s == "" {
			continue
		}
		if text.Len() > 0 {
			text.WriteString(separator)
		}
		text.WriteString(s)
		if text.Len() > room {
			break
		}
	}
	return text.String()
}

// isGREASE reports whether f is GREASE, or the part is that says what f is.
func isGREASE(f *parser.Field) bool {
	return f.Note == "GREASE" || len(f.Children) > 0 && f.Children[0].Note == "GREASE"
}

// skipped reports whether a field is only there to find others.
func skipped(name string) bool {
	switch name {
	case "length", "msg_type", "extension_type", "transport_parameter_length", "name_type":
		return true
	}
	return false
}

// cut returns s, or its beginning if it is longer than n bytes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

func bytesText(n int) string {
	if n == 1 {
		return "1 byte"
	}
	return strconv.Itoa(n) + " bytes"
}
