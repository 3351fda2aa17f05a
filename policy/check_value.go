package policy

import (
	"fmt"
	"slices"
	"strings"
)

// tagAgentsDiffer is a tag that package server adds.
const tagAgentsDiffer = "agents-differ"

// checker returns what checks a condition of a rule of p.
func (p *Policy) checker(expr *Expr) *exprChecker {
	list := func(name string) *List {
		if l := p.lists[name]; l != nil {
			return l.List
		}
		return nil
	}
	return &exprChecker{expr: expr, list: list, tags: append([]string{}, p.allTags()...)}
}

// Check looks for values that no key can have, as [Policy.Check] does, and reports whether
// the expression is the same for all. Lists are those that it was compiled with.
func (e *Expr) Check(lists map[string]Set) []Warning {
	x := &exprChecker{expr: e, list: func(name string) *List {
		l, _ := lists[name].(*List)
		return l
	}}
	switch x.check() {
	case never:
		x.warnings = append(x.warnings, Warning{Message: "the expression is never true"})
	case always:
		x.warnings = append(x.warnings, Warning{Message: "the expression is always true"})
	}
	return x.warnings
}

// versions are those that have a name.
var versions = []string{"1.3", "1.2", "1.1", "1.0", "ssl 3.0", "ssl 2.0"}

// protocols has what others write for the names of protocols in ALPN, in lower case.
var protocols = map[string]string{
	"http/3": "h3", "http3": "h3", "http/3.0": "h3", "h3": "h3",
	"http/2": "h2", "http2": "h2", "http/2.0": "h2", "h2": "h2",
	"http/1": "http/1.1", "http1": "http/1.1", "http1.1": "http/1.1", "http/1.1": "http/1.1", "h1": "http/1.1",
}

// unlikely returns a message if a key hardly ever has a value, and never if it cannot.
func unlikely(key, value string) (message string, t truth) {
	name := strings.ReplaceAll(key, "[]", "")
	switch key {
	case "sni", "request.host":
		if rest := strings.TrimPrefix(value, "*"); strings.HasPrefix(rest, ".") {
			return fmt.Sprintf("%s is hardly %q: == compares the whole name; write %s.endsWith(%q)", name, clip(value), name, clip(rest)), sometimes
		}
	case "request.path":
		if !strings.HasPrefix(value, "/") && value != "*" {
			return fmt.Sprintf("%s is never %q: it begins with /", name, clip(value)), never
		}
	case "version":
		if !slices.Contains(versions, value) && !strings.HasPrefix(value, "0x") {
			return fmt.Sprintf("version is never %q: it is one of %s, or like 0x7f1c", clip(value), strings.Join(versions, ", ")), never
		}
	case "alpn[]":
		if is := protocols[strings.ToLower(value)]; is != "" && is != value {
			return fmt.Sprintf("alpn has hardly %q: write %q", clip(value), is), sometimes
		}
	}
	return "", sometimes
}

// unlikelyPart returns a message if a key never has a part, as that with which it starts.
func unlikelyPart(function, key, part string) string {
	switch {
	case function == "startsWith" && key == "request.path" && part != "" && !strings.HasPrefix(part, "/"):
		return fmt.Sprintf("request.path never starts with %q: it begins with /", clip(part))
	case function == "endsWith" && (key == "sni" || key == "request.host") && strings.HasPrefix(part, "*"):
		return fmt.Sprintf("%s never ends with %q: write %q", key, clip(part), clip(strings.TrimPrefix(part, "*")))
	}
	return ""
}

// hasNoAddress reports whether a key never is an IP address.
func hasNoAddress(key string) bool {
	switch key {
	case "", "src_ip", "dst_ip", "sni", "user_agent", "ja3", "ja3n", "ja4": // the last ones have messages of their own
		return false
	}
	return !strings.HasPrefix(key, varRequest+".")
}
