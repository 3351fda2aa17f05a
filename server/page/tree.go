package page

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/parser"
)

// Bounds on what the page shows of a message, so that one of 64 KiB stays
// readable. What is beyond them is folded into leaves; no byte is left out.
const (
	maxElements = 192  // of a list that is taken apart
	maxLeaves   = 4000 // of a message
	maxSummary  = 110  // bytes of the line that sums up a closed field
	maxPreview  = 16   // bytes of an opaque leaf
)

// A tree is a message taken apart for the page.
type tree struct {
	Root   *node
	leaves []leaf
	counts map[string]int // of flags, by kind
}

// A node is a field as the page shows it. Leaves are counted from 0 in the order
// of their bytes.
type node struct {
	Name        string // that Dissect gives it
	Title       string // what it is one of: "key_share" for an extension
	Offset      int
	Length      int
	First, Last int    // leaves that lie in it; Last < First if none does
	Value       string // of a leaf
	Meaning     string // the name of Value in a registry
	Summary     string // of the children, in one line
	Flags       []flag
	ChildFlags  []flag // of the children, each kind once with its count
	Reference   *parser.Reference
	Open        bool
	Children    []*node
}

// Leaf reports whether n has no children.
func (n *node) Leaf() bool { return len(n.Children) == 0 }

// End returns the offset of n's last byte.
func (n *node) End() int { return n.Offset + max(n.Length, 1) - 1 }

// A flag says that a field is remarkable.
type flag struct {
	Kind string // one of flagKinds
	Text string // "GREASE"
}

// flagKinds are the kinds of flags, the gravest first.
var flagKinds = [...]string{"wrong", "unknown", "unusual", "old", "grease"}

// A leaf is what the dump needs to know of a leaf.
type leaf struct {
	path   string // its end: "key_share_entry › key_exchange › opaque"
	kind   string // of its first flag
	offset int
	length int
}

// newTree returns the tree of a message that Dissect took apart: any bytes, of
// which those that cannot be decoded are a leaf that says why.
func newTree(root *parser.Field, index *clientIndex) *tree {
	b := treeBuilder{raw: root.Bytes, index: index}
	b.tree.counts = make(map[string]int)
	b.tree.Root = b.node(root)
	b.tree.Root.Open = true
	return &b.tree
}

// At returns the leaf in which the byte at offset lies, or the last one.
func (t *tree) At(offset int) int {
	for i, l := range t.leaves {
		if offset < l.offset+l.length {
			return i
		}
	}
	return len(t.leaves) - 1
}

// FlagCounts returns the number of flags of each kind, for the legend.
func (t *tree) FlagCounts() map[string]int { return t.counts }

// A treeBuilder makes a tree.
type treeBuilder struct {
	raw   []byte
	index *clientIndex
	tree  tree
	path  []string
}

func (b *treeBuilder) node(f *parser.Field) *node {
	n := &node{
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

// leaf makes n a leaf, also if f has children.
func (b *treeBuilder) leaf(n *node, f *parser.Field) {
	n.Value, n.Meaning = leafText(f), f.ValueName
	if len(f.Children) > 0 {
		n.Value = summary(f)
	}
	n.Flags = b.flags(f)
	if n.Length == 0 {
		return
	}
	l := leaf{path: strings.Join(b.path[max(0, len(b.path)-3):], " › "), offset: n.Offset, length: n.Length}
	if len(n.Flags) > 0 {
		l.kind = n.Flags[0].Kind
	}
	b.tree.leaves = append(b.tree.leaves, l)
}

// group adds the children of f to n.
func (b *treeBuilder) group(n *node, f *parser.Field) {
	n.Summary = summary(f)
	n.Flags = b.flags(f)
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
		n.Children = append(n.Children, b.fold(f, rest))
	}
	b.childFlags(n)
	n.Open = n.Open || isWrong(n.Flags) || isWrong(n.ChildFlags)
}

// isWrong reports whether the gravest of the flags is that something is wrong.
func isWrong(flags []flag) bool { return len(flags) > 0 && flags[0].Kind == "wrong" }

// fold makes one leaf of the elements of a list that are not shown.
func (b *treeBuilder) fold(f *parser.Field, rest []parser.Field) *node {
	from := rest[0].Offset
	folded := parser.Field{
		Name:   fmt.Sprintf("%d more of this list", len(rest)),
		Offset: from,
		Bytes:  b.raw[from : f.Offset+len(f.Bytes)],
	}
	return b.node(&folded)
}

// childFlags counts the flags of n's descendants, to show while n is closed. The
// flags of an extension's type are those of the extension.
func (b *treeBuilder) childFlags(n *node) {
	counts := make(map[string]int)
	for i, c := range n.Children {
		if i == 0 && n.Name == "extension" {
			n.Flags = append(n.Flags, c.Flags...)
			continue
		}
		for _, m := range c.Flags {
			counts[m.Kind]++
		}
		for _, m := range c.ChildFlags {
			k, _ := strconv.Atoi(m.Text)
			counts[m.Kind] += k
		}
	}
	for _, kind := range flagKinds {
		if counts[kind] > 0 {
			n.ChildFlags = append(n.ChildFlags, flag{kind, strconv.Itoa(counts[kind])})
		}
	}
}

func (b *treeBuilder) flags(f *parser.Field) []flag {
	m := b.flag(f)
	if m.Kind == "" {
		return nil
	}
	b.tree.counts[m.Kind]++
	return []flag{m}
}

// flag returns the zero flag where nothing is remarkable.
func (b *treeBuilder) flag(f *parser.Field) flag {
	switch {
	case f.Note == "GREASE":
		return flag{"grease", "GREASE"}
	case f.Note != "":
		return flag{"wrong", f.Note}
	case f.Name == "undecoded":
		return flag{"wrong", "undecoded"}
	}
	v, ok := f.Value.(uint64)
	if !ok || !registered[f.Name] {
		return flag{}
	}
	switch {
	case f.ValueName == "":
		return flag{"unknown", "unknown"}
	case isOld(f.Name, v, f.ValueName):
		return flag{"old", "old"}
	case b.index.isUnseen(f.Name, v):
		return flag{"unusual", "unusual"}
	}
	return flag{}
}
