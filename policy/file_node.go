package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tlspeek/tlspeek/internal/nearest"
)

// objectKeys are the keys that objects of the file have, by what errors call the objects.
// An object that is not here has any keys: they are names.
var objectKeys = map[string][]string{
	"the policy":    {"lists", "certificates", "default", "rules", "tests"},
	"a list":        {"file", "values", "type"},
	"a certificate": {"cert", "key"},
	"a rule":        {"name", "when", "do", "stage", "mode", "tags", "by", "rate", "certificate", "hold"},
	"a test":        {"name", "event", "request", "stage", "times", "agg", "expect"},
	"a capture":     {"capture", "packet"},
	"a request":     {"method", "host", "path", "query", "protocol", "headers"},
	"expect":        {"rule", "do", "tags"},
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// follow returns what an alias stands for, or n.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// visit counts a node, and reports whether the file may have it. Aliases in aliases may
// stand for more than anyone can read.
func (l *loader) visit(n *yaml.Node) bool {
	if l.nodes++; l.nodes == maxNodes {
		l.fail(n, "the file has too many values: aliases repeat them")
	}
	return l.nodes < maxNodes
}

// A pair is a key of an object and its value.
type pair struct{ key, value *yaml.Node }

// object returns the keys of an object with the given name in objectKeys.
func (l *loader) object(n *yaml.Node, name string) map[string]pair {
	found := make(map[string]pair)
	for _, p := range l.pairs(n, name) {
		found[p.key.Value] = p
	}
	return found
}

// pairs returns the keys of an object in their order, without those that are unknown or
// there twice, which it reports.
func (l *loader) pairs(n *yaml.Node, name string) (found []pair) {
	if !l.visit(n) {
		return nil
	}
	if n = follow(n); n.Kind != yaml.MappingNode {
		l.fail(n, "%s must have keys, such as %s, and is %s", name, exampleKey(name), describeNode(n))
		return nil
	}
	allowed, closed := objectKeys[name]
	seen := make(map[string]*yaml.Node)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode {
			l.fail(k, "a key must be a word, and is %s", describeNode(k))
			continue
		}
		if before := seen[k.Value]; before != nil {
			l.fail(k, "%s is set twice, first in line %d", clip(k.Value), before.Line)
			continue
		}
		seen[k.Value] = k
		if closed && !slices.Contains(allowed, k.Value) {
			hint := nearest.Hint(k.Value, allowed)
			if hint == "" {
				hint = "it has " + strings.Join(allowed, ", ")
			}
			l.fail(k, "%s has no key %q: %s", name, clip(k.Value), hint)
			continue
		}
		found = append(found, pair{k, v})
	}
	return found
}

func exampleKey(name string) string {
	if keys := objectKeys[name]; keys != nil {
		return keys[0] + ":"
	}
	return "name:"
}

// describeNode says what a node is.
func describeNode(n *yaml.Node) string {
	switch n = follow(n); n.Kind {
	case yaml.MappingNode:
		return "an object"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "empty"
	case "!!bool":
		return "true or false"
	case "!!int", "!!float":
		return "a number"
	case "!!timestamp":
		return "a time"
	case "!!str":
		return "a text"
	}
	return "of the tag " + clip(n.Tag)
}

// elements returns the elements of a list.
func (l *loader) elements(n *yaml.Node, what string) []*yaml.Node {
	if !l.visit(n) {
		return nil
	}
	if n = follow(n); n.Kind != yaml.SequenceNode {
		l.fail(n, "%s must be a list, and is %s", what, describeNode(n))
		return nil
	}
	return n.Content
}

// str returns a text. Values of other types must be in quotes to be one.
func (l *loader) str(n *yaml.Node, what string) (string, bool) {
	if !l.visit(n) {
		return "", false
	}
	switch n = follow(n); {
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str":
		return n.Value, true
	case n.Kind == yaml.ScalarNode && !isNull(n):
		l.fail(n, "%s must be a text, and is %s: write it in quotes", what, describeNode(n))
	default:
		l.fail(n, "%s must be a text, and is %s", what, describeNode(n))
	}
	return "", false
}

// word is str for values that need no quotes, whatever YAML makes of them.
func (l *loader) word(n *yaml.Node, what string) (string, bool) {
	if n := follow(n); n.Kind == yaml.ScalarNode && !isNull(n) && l.visit(n) {
		return n.Value, true
	}
	return l.str(n, what)
}

// texts returns a list of texts, or one text as a list.
func (l *loader) texts(n *yaml.Node, what string) (all []string, nodes []*yaml.Node) {
	if one := follow(n); one.Kind == yaml.ScalarNode && !isNull(one) {
		if s, ok := l.str(n, what); ok {
			return []string{s}, []*yaml.Node{one}
		}
		return nil, nil
	}
	for _, e := range l.elements(n, what) {
		if s, ok := l.str(e, "an element of "+what); ok {
			all, nodes = append(all, s), append(nodes, follow(e))
		}
	}
	return all, nodes
}

// oneOf returns a text that is one of those given.
func (l *loader) oneOf(n *yaml.Node, what string, allowed []string) (string, bool) {
	s, ok := l.word(n, what)
	if ok && !slices.Contains(allowed, s) {
		hint := nearest.Hint(s, allowed)
		if hint == "" {
			hint = "write " + strings.Join(allowed, ", ")
		}
		l.fail(n, "%s cannot be %q: %s", what, clip(s), hint)
		return "", false
	}
	return s, ok
}

// number returns a whole number from least to most.
func (l *loader) number(n *yaml.Node, what string, least, most int64) (int64, bool) {
	s, ok := l.word(n, what)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < least || v > most {
		l.fail(n, "%s must be a whole number from %d to %d", what, least, most)
		return 0, false
	}
	return v, true
}

// duration returns a time from more than 0 to most.
func (l *loader) duration(n *yaml.Node, what string, most time.Duration) (time.Duration, bool) {
	s, ok := l.word(n, what)
	if !ok {
		return 0, false
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d > most {
		l.fail(n, "%s must be a time such as 30s, of at most %s", what, most)
		return 0, false
	}
	return d, true
}

// maxLabel is how many characters the name of a rule and a tag may have.
const maxLabel = 64

// label checks a name that stands in header fields and metrics.
func checkLabel(s string) error {
	if s == "" {
		return fmt.Errorf("is empty")
	}
	if len(s) > maxLabel {
		return fmt.Errorf("has %d characters, and may have %d", len(s), maxLabel)
	}
	for _, r := range s {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("-_.:/", r):
		default:
			return fmt.Errorf("has %q: letters, digits and - _ . : / may be in it", r)
		}
	}
	return nil
}
