package policy

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"

	"github.com/tlspeek/tlspeek/internal/nearest"
)

// aliases are names that other languages have for functions, in lower case.
var aliases = map[string]string{
	"len": "size", "length": "size", "count": "size", "strlen": "size",
	"any": "exists", "some": "exists", "find": "exists", "every": "all", "none": "all", "foreach": "map", "select": "map", "where": "filter",
	"lower": "lowerAscii", "tolower": "lowerAscii", "tolowercase": "lowerAscii", "to_lower": "lowerAscii", "lowercase": "lowerAscii",
	"upper": "upperAscii", "toupper": "upperAscii", "touppercase": "upperAscii", "to_upper": "upperAscii", "uppercase": "upperAscii",
	"regex": "matches", "regexp": "matches", "match": "matches", "like": "matches", "regexmatch": "matches",
	"has_prefix": "startsWith", "hasprefix": "startsWith", "has_suffix": "endsWith", "hassuffix": "endsWith", "includes": "contains",
	"incidr": "cidr", "in_cidr": "cidr", "insubnet": "cidr", "in_subnet": "cidr", "cidrmatch": "cidr", "isinsubnet": "cidr", "insubnets": "cidr",
	"date": "timestamp", "datetime": "timestamp",
}

// macros are the functions that take a name and a condition.
var macros = []string{"exists", "all", "exists_one", "filter", "map"}

// undeclaredFunction explains that there is no such function, or not with such arguments.
func (h *hinter) undeclaredFunction(x *ExprError, c ast.CallExpr, name string) bool {
	if h.told[name+"("] {
		return false
	}
	h.told[name+"("] = true
	x.Message = fmt.Sprintf("there is no function %s", name)
	texts := make([]string, len(c.Args()))
	for i, a := range c.Args() {
		texts[i] = h.source(a)
	}
	target := ""
	if c.IsMemberFunction() {
		target = h.source(c.Target())
	}
	meant := aliases[strings.ToLower(name)]
	if near := nearest.Names(name, h.env.functions()); meant == "" && len(near) == 1 {
		meant = near[0]
	}
	first := append([]string{target}, texts...)
	if target == "" {
		first = first[1:]
	}
	switch {
	case name == "not":
		x.Hint = fmt.Sprintf("write !(%s)", strings.Join(texts, ", "))
	case constants[strings.ToLower(name)] != "":
		x.Hint = constants[strings.ToLower(name)]
	case slices.Contains(macros, meant):
		h.explainMacro(x, c, name, meant, target)
	case meant == "size" && len(first) == 1:
		x.Hint = "write size(" + first[0] + ")"
	case meant == "cidr":
		x.Hint = `write cidr("192.0.2.0/24").containsIP(src_ip)`
	case meant != "" && aliases[strings.ToLower(name)] != "" && len(first) > 0:
		x.Hint = fmt.Sprintf("write %s.%s(%s)", first[0], meant, strings.Join(first[1:], ", "))
	default:
		x.Hint = nearest.Hint(name, h.env.functions())
	}
	return true
}

// explainMacro explains how to call a function that takes a name and a condition, which
// is written as x, and has no errors told of the name.
func (h *hinter) explainMacro(x *ExprError, c ast.CallExpr, name, meant, target string) {
	args := c.Args()
	if target == "" && len(args) > 0 && (args[0].Kind() != ast.IdentKind || h.env.isVariable(args[0].AsIdent())) {
		target, args = h.source(args[0]), args[1:]
	}
	for i, a := range args {
		for len(args) == 1 && i == 0 && a.Kind() != ast.IdentKind { // without the name
			next := parts(a)
			if len(next) == 0 {
				break
			}
			a = next[0]
		}
		if a.Kind() == ast.IdentKind {
			h.bound[a.AsIdent()] = true
		}
	}
	isFunction := !c.IsMemberFunction()
	if target == "" {
		target = "client"
	}
	variable := variableOf(target)
	switch {
	case len(args) == 2 && args[0].Kind() == ast.IdentKind:
		variable = args[0].AsIdent()
		if isFunction || aliases[strings.ToLower(name)] != "" {
			x.Hint = fmt.Sprintf("write %s.%s(%s, %s)", target, meant, variable, h.source(args[1]))
			return
		}
		x.Hint = "did you mean " + meant + "?"
	case len(args) == 1 && args[0].Kind() != ast.IdentKind && slices.Contains(macros, name):
		x.Message = fmt.Sprintf("%s takes a name and a condition", name)
		x.Hint = fmt.Sprintf("write %s.%s(%s, %s)", target, meant, variable, h.source(args[0]))
	default:
		if slices.Contains(macros, name) {
			x.Message = fmt.Sprintf("%s takes a name and a condition", name)
		}
		x.Hint = fmt.Sprintf(`as in client.%s(c, c.name == "curl")`, meant)
	}
}
