package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	ops "cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/tlspeek/tlspeek/internal/nearest"
)

// A hinter explains the errors of an expression that parses but has wrong names or types.
type hinter struct {
	env     *Env
	ast     *ast.AST // nil if it does not parse
	exprs   map[int64]ast.Expr
	parents map[int64]ast.Expr
	told    map[string]bool // names and functions that had their error
	bound   map[string]bool // names that a macro would have declared
}

func (v *Env) newHinter(text string) *hinter {
	h := &hinter{env: v, exprs: make(map[int64]ast.Expr), parents: make(map[int64]ast.Expr), told: make(map[string]bool), bound: make(map[string]bool)}
	parsed, issues := v.cel.Parse(text)
	if issues.Err() != nil {
		return h
	}
	h.ast = parsed.NativeRep()
	h.add(h.ast.Expr(), nil)
	return h
}

// add notes e, what it is a part of, and its parts.
func (h *hinter) add(e, parent ast.Expr) {
	h.exprs[e.ID()] = e
	if parent != nil {
		h.parents[e.ID()] = parent
	}
	for _, part := range parts(e) {
		h.add(part, e)
	}
}

// parts returns what e consists of.
func parts(e ast.Expr) (all []ast.Expr) {
	switch e.Kind() {
	case ast.SelectKind:
		return []ast.Expr{e.AsSelect().Operand()}
	case ast.CallKind:
		c := e.AsCall()
		if c.IsMemberFunction() {
			all = append(all, c.Target())
		}
		return append(all, c.Args()...)
	case ast.ListKind:
		return e.AsList().Elements()
	case ast.MapKind:
		for _, entry := range e.AsMap().Entries() {
			all = append(all, entry.AsMapEntry().Key(), entry.AsMapEntry().Value())
		}
		return all
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		return []ast.Expr{c.IterRange(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result()}
	}
	return nil
}

// source returns e as it is written.
func (h *hinter) source(e ast.Expr) string {
	text, err := cel.ExprToString(e, h.ast.SourceInfo())
	if err != nil || len(text) > maxExcerpt {
		return "..."
	}
	return text
}

// explain says in x what e means, and returns false if that was told already.
func (h *hinter) explain(x *ExprError, e *common.Error) bool {
	expr := h.exprs[e.ExprID]
	if m := undeclared.FindStringSubmatch(e.Message); m != nil {
		if expr != nil && expr.Kind() == ast.CallKind {
			return h.undeclaredFunction(x, expr.AsCall(), m[1])
		}
		return h.undeclaredKey(x, expr, m[1])
	}
	if m := undefined.FindStringSubmatch(e.Message); m != nil {
		x.Message = fmt.Sprintf("there is no field %s", m[1])
		if x.Hint = nearest.Hint(m[1], h.env.fields()); strings.HasPrefix(m[1], funcHeader) {
			x.Hint = `write request.header("...")`
		}
		return true
	}
	if m := noField.FindStringSubmatch(e.Message); m != nil && expr != nil && expr.Kind() == ast.SelectKind {
		h.explainSelect(x, expr, m[1])
		return true
	}
	if m := noOverload.FindStringSubmatch(e.Message); m != nil {
		explainOverload(x, m[1], m[2])
		if expr != nil && expr.Kind() == ast.CallKind {
			if hint := h.hintForCall(expr, argTypes(m[2])); hint != "" {
				x.Hint = hint
			}
		}
		return true
	}
	if m := notBool.FindStringSubmatch(e.Message); m != nil {
		x.Message = fmt.Sprintf("is of type %s; a condition is true or false", plainType(m[1]))
		h.hintForOperand(x, expr, m[1])
		return true
	}
	if strings.HasPrefix(e.Message, "invalid argument to has()") {
		x.Message, x.Hint = "has asks for a field", `write has(event.sni), or sni != ""`
	}
	return true
}

// constants are names that other languages have for values, in lower case.
var constants = map[string]string{
	"nil":       `what is absent is empty: write == ""`,
	"null":      `what is absent is empty: write == ""`,
	"none":      `what is absent is empty: write == ""`,
	"undefined": `what is absent is empty: write == ""`,
	"true":      "write true",
	"false":     "write false",
	"now":       `an expression does not know the time of day: compare time with timestamp("2026-01-01T00:00:00Z")`,
}

func (h *hinter) undeclaredKey(x *ExprError, e ast.Expr, name string) bool {
	if h.told[name] || h.bound[name] {
		return false
	}
	h.told[name] = true
	x.Message = fmt.Sprintf("there is no key %s", name)
	hint, isConstant := constants[strings.ToLower(name)]
	_, isList := h.env.lists[name]
	switch near := nearest.Hint(name, h.env.schema.names); {
	case isConstant:
		x.Hint = hint
	case isList:
		x.Hint = fmt.Sprintf("it is a list: write inList(%q, ja4)", name)
	case near != "":
		x.Hint = near
	case len(h.env.schema.withField(name)) > 0:
		x.Hint = h.env.schema.hintForField(name)
	case e != nil:
		x.Hint = h.hintForText(e)
	}
	return true
}

// hintForText returns a hint if e, an unknown name, looks like a text without quotes.
func (h *hinter) hintForText(e ast.Expr) string {
	for p := h.parents[e.ID()]; p != nil && p.Kind() == ast.SelectKind; p = h.parents[e.ID()] {
		e = p
	}
	p := h.parents[e.ID()]
	if p == nil || p.Kind() != ast.CallKind && p.Kind() != ast.ListKind {
		return ""
	}
	if p.Kind() == ast.CallKind {
		c := p.AsCall()
		isArg := slices.ContainsFunc(c.Args(), func(a ast.Expr) bool { return a.ID() == e.ID() })
		switch c.FunctionName() {
		case ops.Equals, ops.NotEquals:
			if c.Args()[1].ID() != e.ID() {
				return ""
			}
		case ops.In, ops.LogicalAnd, ops.LogicalOr, ops.LogicalNot, ops.Less, ops.LessEquals, ops.Greater, ops.GreaterEquals:
			return ""
		default:
			if !isArg {
				return ""
			}
		}
	}
	return fmt.Sprintf("a text is in quotes: write %q", h.source(e))
}

// withField returns the keys whose objects have a field.
func (s *schema) withField(field string) (keys []string) {
	for _, key := range slices.Sorted(maps.Keys(s.index)) {
		if t := s.typeOf(key); key != varEvent && slices.Contains(s.fieldsOf(t), field) {
			keys = append(keys, key)
		}
	}
	return keys
}

// fieldsOf returns the fields of objects of a type, or of those of which it is a list.
func (s *schema) fieldsOf(t *types.Type) []string {
	if t.Kind() == types.ListKind {
		t = t.Parameters()[0]
	}
	for _, st := range s.types {
		if st.name == t.TypeName() {
			return st.keys
		}
	}
	return nil
}

// hintForField says how to ask for a field that was written as a key.
func (s *schema) hintForField(field string) string {
	var hints []string
	for _, key := range s.withField(field) {
		if s.typeOf(key).Kind() == types.ListKind {
			hints = append(hints, fmt.Sprintf("%s.exists(%s, %s.%s == ...)", key, key[:1], key[:1], field))
		} else {
			hints = append(hints, key+"."+field)
		}
	}
	return "did you mean " + strings.Join(hints[:min(len(hints), 3)], " or ") + "?"
}
