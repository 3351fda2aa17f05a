package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/ast"
	ops "cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/tlspeek/tlspeek/event"
)

// truth is what is known of a condition without an Event.
type truth uint8

const (
	sometimes truth = iota
	never
	always
)

func (t truth) not() truth {
	switch t {
	case never:
		return always
	case always:
		return never
	}
	return sometimes
}

func truthOf(b bool) truth {
	if b {
		return always
	}
	return never
}

// and returns the truth of both of two conditions.
func (t truth) and(u truth) truth {
	switch {
	case t == never || u == never:
		return never
	case t == always && u == always:
		return always
	}
	return sometimes
}

// An exprChecker looks for what a condition can never be.
type exprChecker struct {
	expr     *Expr
	list     func(name string) *List // or nil
	tags     []string                // that rules add; nil if that is not known
	closed   map[string][]string
	warnings []Warning
	lists    []string // that it asks
}

// check returns what is known of the condition.
func (x *exprChecker) check() truth {
	t := x.truth(x.expr.ast.Expr(), nil)
	if t != sometimes || len(x.expr.keys) > 0 || len(x.lists) > 0 || strings.Contains(x.expr.text, funcAgg) {
		return t
	}
	var in Input // what reads no key is the same for all
	in.Reset(new(event.Event), nil)
	matched, err := x.expr.Match(&in)
	return truthOf(matched && err == nil)
}

func (x *exprChecker) warn(e ast.Expr, message string) {
	at := x.expr.ast.SourceInfo().GetStartLocation(e.ID())
	place := ExprError{Line: at.Line(), Column: at.Column() + 1, text: x.expr.text}
	x.warnings = append(x.warnings, Warning{Message: message, Source: place.excerpt()})
}

// bindings are the keys that the variables of macros stand for.
type bindings map[string]string

// truth returns what is known of e, and warns of what no key can be.
func (x *exprChecker) truth(e ast.Expr, vars bindings) truth {
	switch e.Kind() {
	case ast.LiteralKind:
		if b, ok := e.AsLiteral().(types.Bool); ok {
			return truthOf(bool(b))
		}
	case ast.SelectKind:
		x.truth(e.AsSelect().Operand(), vars)
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			x.truth(element, vars)
		}
	case ast.ComprehensionKind:
		return x.comprehension(e.AsComprehension(), vars)
	case ast.CallKind:
		return x.call(e, vars)
	}
	return sometimes
}

func (x *exprChecker) comprehension(c ast.ComprehensionExpr, vars bindings) truth {
	x.truth(c.IterRange(), vars)
	inner := make(bindings, len(vars)+1)
	for name, key := range vars {
		inner[name] = key
	}
	delete(inner, c.AccuVar())
	inner[c.IterVar()] = keyOf(c.IterRange(), vars) + "[]"
	if strings.HasPrefix(inner[c.IterVar()], "[]") {
		inner[c.IterVar()] = ""
	}
	// exists and all are loops of accu || condition and of accu && condition.
	step := c.LoopStep()
	if step.Kind() != ast.CallKind || len(step.AsCall().Args()) != 2 || step.AsCall().Args()[0].Kind() != ast.IdentKind {
		x.truth(step, inner)
		return sometimes
	}
	t := x.truth(step.AsCall().Args()[1], inner)
	switch name := step.AsCall().FunctionName(); {
	case name == ops.LogicalOr && t == never, name == ops.LogicalAnd && t == always:
		return t
	}
	return sometimes
}

func (x *exprChecker) call(e ast.Expr, vars bindings) truth {
	c := e.AsCall()
	args := c.Args()
	switch c.FunctionName() {
	case ops.LogicalAnd:
		t := x.truth(args[0], vars).and(x.truth(args[1], vars))
		if t == sometimes && x.contradicts(conjuncts(e), vars) {
			return never
		}
		return t
	case ops.LogicalOr:
		return x.truth(args[0], vars).not().and(x.truth(args[1], vars).not()).not()
	case ops.LogicalNot:
		return x.truth(args[0], vars).not()
	case ops.Conditional:
		test, yes, no := x.truth(args[0], vars), x.truth(args[1], vars), x.truth(args[2], vars)
		switch {
		case test == always || yes == no:
			return yes
		case test == never:
			return no
		}
		return sometimes
	case ops.Equals, ops.NotEquals:
		t := x.equal(e, args[0], args[1], vars)
		if c.FunctionName() == ops.NotEquals {
			t = t.not()
		}
		return t
	case ops.Less, ops.LessEquals, ops.Greater, ops.GreaterEquals:
		x.truth(args[0], vars)
		x.truth(args[1], vars)
		x.comparesVersion(e, vars)
		return compareLiterals(c.FunctionName(), args[0], args[1])
	case ops.In:
		return x.in(e, args[0], args[1], vars)
	case funcInList:
		x.truth(args[1], vars)
		name := string(args[0].AsLiteral().(types.String))
		x.lists = append(x.lists, name)
		return x.inList(args[1], name, keyOf(args[1], vars))
	}
	if c.IsMemberFunction() {
		x.truth(c.Target(), vars)
		if len(args) == 1 {
			if key, value, ok := keyAndText(c.Target(), args[0], vars); ok {
				if message := unlikelyPart(c.FunctionName(), key, value); message != "" {
					x.warn(args[0], message)
					return never
				}
			}
		}
	}
	for _, arg := range args {
		x.truth(arg, vars)
	}
	return sometimes
}

// inList returns whether a list may have a value of a key, which stands at e.
func (x *exprChecker) inList(e ast.Expr, name, key string) truth {
	list := x.list(name)
	if list == nil {
		return sometimes
	}
	if list.Len() == 0 {
		return never
	}
	if list.Type() == ListAddresses && hasNoAddress(key) {
		x.warn(e, fmt.Sprintf("the list %s has addresses, and %s is none", name, strings.ReplaceAll(key, "[]", "")))
		return never
	}
	var what string
	var looksLike func(s string) bool
	switch key {
	case "src_ip", "dst_ip":
		what = "address"
		looksLike = func(s string) bool { _, err := parseRange(s); return err == nil }
	case "ja4":
		what = "JA4"
		looksLike = func(s string) bool { start, ok := digestStart(s); return ok && start > 0 }
	case "ja3", "ja3n":
		what = strings.ToUpper(key)
		looksLike = func(s string) bool { return len(s) == 32 && isHex(s) }
	}
	if looksLike == nil || list.Type() == ListAddresses && what == "address" || list.some(looksLike) {
		return sometimes
	}
	x.warn(e, fmt.Sprintf("the list %s has no %s", name, what))
	return never
}

// equal returns whether a and b can be equal.
func (x *exprChecker) equal(e, a, b ast.Expr, vars bindings) truth {
	x.truth(a, vars)
	x.truth(b, vars)
	if a.Kind() == ast.LiteralKind && b.Kind() == ast.LiteralKind {
		return truthOf(a.AsLiteral().Equal(b.AsLiteral()) == types.True)
	}
	if a.Kind() == ast.LiteralKind {
		a, b = b, a
	}
	key, value, ok := keyAndText(a, b, vars)
	if !ok {
		if key := keyOf(a, vars); key != "" && !strings.Contains(key, "[]") && key == keyOf(b, vars) {
			return always // and not what may fail, such as ip(sni) == ip(sni)
		}
		return sometimes
	}
	return x.checkValue(b, key, value)
}

// checkValue warns if a key is hardly a value, which stands at e, and returns never if it
// cannot be.
func (x *exprChecker) checkValue(e ast.Expr, key, value string) truth {
	message, t := x.wrongValue(key, value)
	if message != "" {
		x.warn(e, message)
	}
	return t
}

// keyAndText returns the key that a is and the text that b is.
func keyAndText(a, b ast.Expr, vars bindings) (key, value string, ok bool) {
	if b.Kind() != ast.LiteralKind {
		return "", "", false
	}
	text, isText := b.AsLiteral().(types.String)
	key = keyOf(a, vars)
	return key, string(text), isText && key != ""
}

func (x *exprChecker) in(e, element, list ast.Expr, vars bindings) truth {
	x.truth(element, vars)
	if key := keyOf(list, vars); key != "" && element.Kind() == ast.LiteralKind {
		if text, ok := element.AsLiteral().(types.String); ok {
			return x.checkValue(element, key+"[]", string(text))
		}
		return sometimes
	}
	if list.Kind() != ast.ListKind {
		x.truth(list, vars)
		return sometimes
	}
	can := false
	for _, of := range list.AsList().Elements() {
		can = x.equal(e, element, of, vars) != never || can
	}
	if !can {
		return never
	}
	return sometimes
}

// contradicts reports whether two conditions of e, which must all hold, want different
// values of one key.
func (x *exprChecker) contradicts(all []ast.Expr, vars bindings) bool {
	wanted := make(map[string]ref.Val)
	for _, e := range all {
		if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != ops.Equals {
			continue
		}
		a, b := e.AsCall().Args()[0], e.AsCall().Args()[1]
		if a.Kind() == ast.LiteralKind {
			a, b = b, a
		}
		if a.Kind() == ast.LiteralKind || b.Kind() != ast.LiteralKind {
			continue
		}
		key := textOf(a)
		if before, ok := wanted[key]; ok && before.Equal(b.AsLiteral()) != types.True {
			return true
		}
		wanted[key] = b.AsLiteral()
	}
	return false
}

func compareLiterals(operator string, a, b ast.Expr) truth {
	if a.Kind() != ast.LiteralKind || b.Kind() != ast.LiteralKind {
		return sometimes
	}
	x, ok := a.AsLiteral().(interface{ Compare(ref.Val) ref.Val })
	if !ok {
		return sometimes
	}
	order, ok := x.Compare(b.AsLiteral()).(types.Int)
	if !ok {
		return sometimes
	}
	switch operator {
	case ops.Less:
		return truthOf(order < 0)
	case ops.LessEquals:
		return truthOf(order <= 0)
	case ops.Greater:
		return truthOf(order > 0)
	}
	return truthOf(order >= 0)
}

// keyOf returns the key of an Event or of the request that e reads, as in client[].kind, or the empty
// text.
func keyOf(e ast.Expr, vars bindings) string {
	switch e.Kind() {
	case ast.IdentKind:
		if key, ok := vars[e.AsIdent()]; ok {
			return key
		}
		return e.AsIdent()
	case ast.SelectKind:
		s := e.AsSelect()
		if s.IsTestOnly() {
			return ""
		}
		of := keyOf(s.Operand(), vars)
		switch of {
		case "":
			return ""
		case varEvent:
			return s.FieldName()
		}
		return of + "." + s.FieldName()
	case ast.CallKind:
		if c := e.AsCall(); c.FunctionName() == ops.Index {
			if of := keyOf(c.Args()[0], vars); of != "" {
				return of + "[]"
			}
		}
	}
	return ""
}

// conjuncts returns the conditions that all hold if e does.
func conjuncts(e ast.Expr) []ast.Expr {
	if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == ops.LogicalAnd {
		return append(conjuncts(e.AsCall().Args()[0]), conjuncts(e.AsCall().Args()[1])...)
	}
	return []ast.Expr{e}
}

// alternatives returns the condition as alternatives, each with the texts of the
// conditions that all hold.
func (x *exprChecker) alternatives() (all [][]string) {
	var add func(e ast.Expr)
	add = func(e ast.Expr) {
		if e.Kind() == ast.CallKind && e.AsCall().FunctionName() == ops.LogicalOr {
			add(e.AsCall().Args()[0])
			add(e.AsCall().Args()[1])
			return
		}
		var texts []string
		for _, c := range conjuncts(e) {
			texts = append(texts, textOf(c))
		}
		all = append(all, texts)
	}
	add(x.expr.ast.Expr())
	return all
}

// textOf returns a text that is the same for expressions that are written alike, or
// differ in which side of an == is which.
func textOf(e ast.Expr) string {
	list := func(name string, all ...ast.Expr) string {
		texts := make([]string, len(all))
		for i, a := range all {
			texts[i] = textOf(a)
		}
		if name == ops.Equals || name == ops.NotEquals {
			slices.Sort(texts)
		}
		return name + "(" + strings.Join(texts, ",") + ")"
	}
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent()
	case ast.LiteralKind:
		return e.AsLiteral().Type().TypeName() + strconv.Quote(fmt.Sprint(e.AsLiteral().Value()))
	case ast.SelectKind:
		s := e.AsSelect()
		return list(fmt.Sprintf("select %s %t", s.FieldName(), s.IsTestOnly()), s.Operand())
	case ast.CallKind:
		c := e.AsCall()
		if c.IsMemberFunction() {
			return list("."+c.FunctionName(), append([]ast.Expr{c.Target()}, c.Args()...)...)
		}
		return list(c.FunctionName(), c.Args()...)
	case ast.ListKind:
		return list("list", e.AsList().Elements()...)
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		return list("loop "+c.IterVar()+" "+c.IterVar2()+" "+c.AccuVar(), c.IterRange(), c.AccuInit(), c.LoopCondition(), c.LoopStep(), c.Result())
	}
	return fmt.Sprintf("expression %d", e.ID()) // like no other
}
