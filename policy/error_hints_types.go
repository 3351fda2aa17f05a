package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
	ops "cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"

	"github.com/tlspeek/tlspeek/internal/nearest"
)

// plainType returns what errors call a type of CEL.
func plainType(t string) string { return strings.ReplaceAll(t, "tlspeek.", "") }

// withArticle returns a type as a noun.
func withArticle(t string) string {
	switch {
	case strings.HasPrefix(t, "list("):
		return "a list"
	case strings.HasPrefix(t, "map("):
		return "a map"
	case strings.HasPrefix(t, "tlspeek."):
		return "an object"
	case t == "string":
		return "a text"
	case t == "int", t == "uint", t == "double":
		return "a number"
	case t == "bool":
		return "true or false"
	case t == "timestamp":
		return "a time"
	}
	return "of type " + plainType(t)
}

// argTypes returns the types in a text such as (list(string), int) or list(int).(string).
func argTypes(text string) (all []string) {
	depth, start := 0, 0
	text = strings.Replace(text, ".(", ", ", 1)
	if !strings.HasPrefix(text, "(") {
		text = "(" + text
	}
	text = strings.TrimSuffix(text[1:], ")")
	for i, r := range text {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				all = append(all, strings.TrimSpace(text[start:i]))
				start = i + 1
			}
		}
	}
	return append(all, strings.TrimSpace(text[start:]))
}

func explainOverload(x *ExprError, function, args string) {
	if o := operatorText(function); o != "" {
		x.Message = fmt.Sprintf("%s cannot be applied to %s", o, plainType(strings.Join(argTypes(args), " and ")))
		return
	}
	x.Message = fmt.Sprintf("%s cannot be called as %s", function, plainType(args))
}

// variableOf returns a name for the elements of a list, which no part of it has.
func variableOf(list string) string {
	name := list[strings.LastIndexByte(list, '.')+1:]
	if name == "" || name[0] < 'a' || name[0] > 'z' {
		return "x"
	}
	return name[:1]
}

// explainSelect explains that what a field is asked of has none.
func (h *hinter) explainSelect(x *ExprError, e ast.Expr, typeText string) {
	s := e.AsSelect()
	of, field := h.source(s.Operand()), s.FieldName()
	x.Message = fmt.Sprintf("%s is %s and has no field %s", of, withArticle(typeText), field)
	element, isList := strings.CutPrefix(typeText, "list(")
	switch {
	case !isList:
		switch {
		case slices.Contains(h.env.functions(), field):
			x.Hint = fmt.Sprintf("write %s.%s(...)", of, field)
			if field == "size" {
				x.Hint = fmt.Sprintf("write size(%s)", of)
			}
		case aliases[field] != "":
			x.Hint = fmt.Sprintf("write %s(%s)", aliases[field], of)
		}
		return
	case aliases[field] == "size" || field == "size":
		x.Hint = fmt.Sprintf("write size(%s)", of)
		return
	}
	fields := h.env.schema.fieldsNamed(strings.TrimSuffix(element, ")"))
	if fields == nil {
		x.Hint = fmt.Sprintf("ask its elements, as in \"...\" in %s", of)
		return
	}
	if !slices.Contains(fields, field) {
		near := nearest.Names(field, fields)
		if len(near) == 0 {
			x.Hint = "its elements have " + strings.Join(fields, ", ")
			return
		}
		field = near[0]
	}
	name := variableOf(of)
	x.Hint = fmt.Sprintf("ask its elements: %s.exists(%s, %s)", of, name, h.condition(e, name+"."+field))
	if c := h.parents[e.ID()]; c != nil && c.Kind() == ast.CallKind && c.AsCall().FunctionName() == ops.NotEquals {
		x.Hint = fmt.Sprintf("ask its elements: !%s.exists(%s, %s)", of, name, h.condition(e, name+"."+field))
	}
}

// condition returns what is asked of e, with another text for e. That something is not so
// is told as that it is so.
func (h *hinter) condition(e ast.Expr, as string) string {
	p := h.parents[e.ID()]
	if p == nil || p.Kind() != ast.CallKind {
		return as + ` == "..."`
	}
	c := p.AsCall()
	isTarget := c.IsMemberFunction() && c.Target().ID() == e.ID()
	if isTarget {
		var args []string
		for _, a := range c.Args() {
			args = append(args, h.source(a))
		}
		return fmt.Sprintf("%s.%s(%s)", as, c.FunctionName(), strings.Join(args, ", "))
	}
	if len(c.Args()) != 2 {
		return as + ` == "..."`
	}
	a, b := c.Args()[0], c.Args()[1]
	switch o := c.FunctionName(); {
	case (o == ops.Equals || o == ops.NotEquals) && a.ID() == e.ID():
		return as + " == " + h.source(b)
	case o == ops.Equals || o == ops.NotEquals:
		return as + " == " + h.source(a)
	case (o == ops.In || o == ops.Less || o == ops.LessEquals || o == ops.Greater || o == ops.GreaterEquals) && a.ID() == e.ID():
		return as + " " + operatorText(o) + " " + h.source(b)
	case o == ops.In:
		return as + " == " + h.source(a)
	}
	return as + ` == "..."`
}

// fieldsNamed returns the fields of a type of objects, or nil.
func (s *schema) fieldsNamed(typeName string) []string {
	for _, st := range s.types {
		if st.name == typeName {
			return st.keys
		}
	}
	return nil
}

// hintForCall says how to ask what e asks of values of other types.
func (h *hinter) hintForCall(e ast.Expr, of []string) string {
	c := e.AsCall()
	args := c.Args()
	if c.IsMemberFunction() {
		args = append([]ast.Expr{c.Target()}, args...)
	}
	texts := make([]string, len(args))
	for i, a := range args {
		texts[i] = h.source(a)
	}
	if c.FunctionName() == ops.LogicalNot && len(args) == 1 && len(of) == 1 {
		return h.presence(texts[0], of[0], false)
	}
	if len(args) != 2 || len(of) != 2 {
		if len(args) == 1 && c.FunctionName() == funcInList {
			return `write inList("name of the list", ja4)`
		}
		return ""
	}
	function := c.FunctionName()
	not := ""
	switch function {
	case ops.Equals, ops.NotEquals:
		if function == ops.NotEquals {
			not = "!"
		}
		if strings.HasPrefix(of[1], "list(") && !strings.HasPrefix(of[0], "list(") || of[0] == "string" && (of[1] == "net.IP" || strings.HasPrefix(of[1], "tlspeek.")) || args[0].Kind() == ast.LiteralKind {
			of[0], of[1], texts[0], texts[1], args[0], args[1] = of[1], of[0], texts[1], texts[0], args[1], args[0]
		}
		return h.hintForEqual(of, texts, args, not)
	case ops.In:
		return h.hintForIn(of, texts, args)
	case ops.Less, ops.LessEquals, ops.Greater, ops.GreaterEquals:
		o := operatorText(function)
		switch {
		case of[0] == "timestamp" && of[1] == "string":
			return fmt.Sprintf("write %s %s %s", texts[0], o, timestampOf(args[1], texts[1]))
		case strings.HasPrefix(of[0], "list(") && of[1] == "int":
			return fmt.Sprintf("write size(%s) %s %s", texts[0], o, texts[1])
		case of[0] == "int" && of[1] == "string":
			return unquotedHint(texts[0], o, args[1])
		case of[0] == "bool":
			return "compare twice: a < b && b < c"
		}
	case ops.LogicalAnd, ops.LogicalOr:
		return ""
	case ops.Index:
		if strings.HasPrefix(of[0], "list(") && of[1] == "string" && args[1].Kind() == ast.LiteralKind {
			return fmt.Sprintf("it is a list: write %s.exists(%s, %s.%v == ...)", texts[0], variableOf(texts[0]), variableOf(texts[0]), args[1].AsLiteral().Value())
		}
	case "contains", "startsWith", "endsWith", "matches":
		return h.hintForTextCall(c, function, of, texts, args)
	}
	return ""
}

// unquotedHint returns a hint to compare with a number in quotes without them.
func unquotedHint(of, operator string, literal ast.Expr) string {
	if literal.Kind() == ast.LiteralKind {
		if text, ok := literal.AsLiteral().(types.String); ok {
			if _, err := strconv.ParseFloat(string(text), 64); err == nil {
				return fmt.Sprintf("a number is without quotes: write %s %s %s", of, operator, string(text))
			}
		}
	}
	return ""
}

func (h *hinter) hintForEqual(of, texts []string, args []ast.Expr, not string) string {
	element, isList := strings.CutPrefix(of[0], "list(")
	element = strings.TrimSuffix(element, ")")
	operator := "=="
	if not != "" {
		operator = "!="
	}
	switch {
	case isList && element == of[1]:
		in := fmt.Sprintf("%s in %s", texts[1], texts[0])
		if not != "" {
			in = "!(" + in + ")"
		}
		return fmt.Sprintf("%s is a list: write %s", texts[0], in)
	case isList && of[1] == "string" && slices.Contains(h.env.schema.fieldsNamed(element), "name"):
		name := variableOf(texts[0])
		return fmt.Sprintf("%s is a list: write %s%s.exists(%s, %s.name == %s)", texts[0], not, texts[0], name, name, texts[1])
	case isList && of[1] == "int":
		return fmt.Sprintf("%s is a list: write size(%s) %s %s", texts[0], texts[0], operator, texts[1])
	case of[1] == "bool" && args[1].Kind() == ast.LiteralKind && h.presence(texts[0], of[0], true) != "":
		return h.presence(texts[0], of[0], (args[1].AsLiteral() == types.True) == (not == ""))
	case of[1] == "null":
		return fmt.Sprintf(`what is absent is empty: write %s %s ""`, texts[0], operator)
	case strings.HasPrefix(of[0], "tlspeek."):
		fields := h.env.schema.fieldsNamed(of[0])
		for _, f := range []string{"name", "verdict"} {
			if slices.Contains(fields, f) && of[1] == "string" {
				return fmt.Sprintf("%s is an object: write %s.%s %s %s", texts[0], texts[0], f, operator, texts[1])
			}
		}
		return fmt.Sprintf("%s is an object: ask for a field, such as %s.%s", texts[0], texts[0], fields[0])
	case of[0] == "int" && of[1] == "string":
		return unquotedHint(texts[0], operator, args[1])
	case of[0] == "string" && of[1] == "int":
		return fmt.Sprintf("a text is in quotes: write %s %s %q", texts[0], operator, texts[1])
	case of[0] == "timestamp" && of[1] == "string":
		return fmt.Sprintf("write %s %s %s", texts[0], operator, timestampOf(args[1], texts[1]))
	case of[0] == "net.IP" && of[1] == "string":
		return fmt.Sprintf("an address is a text: write %s %s %s", texts[1], operator, innerText(args[0], h, texts[0]))
	}
	return ""
}

// presence says how to ask whether a value is there, or is not.
func (h *hinter) presence(text, typeText string, there bool) string {
	operator := map[bool]string{true: "!=", false: "=="}[there]
	switch {
	case typeText == "string":
		return fmt.Sprintf(`write %s %s ""`, text, operator)
	case typeText == "int":
		return fmt.Sprintf("write %s %s 0", text, operator)
	case strings.HasPrefix(typeText, "list("):
		return fmt.Sprintf("write size(%s) %s 0", text, operator)
	case strings.HasPrefix(typeText, "tlspeek.") && h.env.isVariable(text) && text != varRequest:
		return fmt.Sprintf("write %shas(event.%s)", map[bool]string{true: "", false: "!"}[there], text)
	}
	return ""
}

// timestampOf returns a time in CEL from a text, of which that of the day may be missing.
func timestampOf(e ast.Expr, text string) string {
	if e.Kind() == ast.LiteralKind {
		if s, ok := e.AsLiteral().(types.String); ok {
			if day, err := time.Parse(time.DateOnly, string(s)); err == nil {
				return fmt.Sprintf("timestamp(%q)", day.Format(time.RFC3339))
			}
		}
	}
	return "timestamp(" + text + ")"
}

// innerText returns the argument of a call of one, or text.
func innerText(e ast.Expr, h *hinter, text string) string {
	if e.Kind() == ast.CallKind && len(e.AsCall().Args()) == 1 && !e.AsCall().IsMemberFunction() {
		return h.source(e.AsCall().Args()[0])
	}
	return text
}

func (h *hinter) hintForIn(of, texts []string, args []ast.Expr) string {
	element, isList := strings.CutPrefix(of[1], "list(")
	element = strings.TrimSuffix(element, ")")
	text, isText := "", false
	if args[1].Kind() == ast.LiteralKind {
		var s types.String
		s, isText = args[1].AsLiteral().(types.String)
		text = string(s)
	}
	_, err := parseRange(text)
	switch {
	case of[0] == "string" && of[1] == "net.CIDR":
		return fmt.Sprintf("write %s.containsIP(%s)", texts[1], texts[0])
	case of[0] == "string" && isText && err == nil && strings.Contains(text, "/"):
		return fmt.Sprintf("write cidr(%q).containsIP(%s)", text, texts[0])
	case of[0] == "string" && of[1] == "string":
		return fmt.Sprintf("write %s.contains(%s), or a list in square brackets", texts[1], texts[0])
	case of[0] == of[1] && isList:
		name := variableOf(texts[0])
		return fmt.Sprintf("%s is a list: write %s.exists(%s, %s in %s)", texts[0], texts[0], name, name, texts[1])
	case isList && of[0] == "string" && slices.Contains(h.env.schema.fieldsNamed(element), "name"):
		name := variableOf(texts[1])
		return fmt.Sprintf("%s is a list of objects: write %s.exists(%s, %s.name == %s)", texts[1], texts[1], name, name, texts[0])
	case of[0] == "int" && element == "string":
		return "numbers are without quotes"
	case of[0] == "string" && element == "int":
		return "texts are in quotes"
	case of[1] == "bool" && strings.Contains(texts[1], funcInList):
		return fmt.Sprintf("write inList(\"name of the list\", %s)", texts[0])
	}
	return ""
}

// hintForTextCall says how to call a function of texts.
func (h *hinter) hintForTextCall(c ast.CallExpr, function string, of, texts []string, args []ast.Expr) string {
	element, isList := strings.CutPrefix(of[0], "list(")
	element = strings.TrimSuffix(element, ")")
	name := variableOf(texts[0])
	switch {
	case !c.IsMemberFunction() && of[0] == "string" && of[1] == "string":
		return fmt.Sprintf("write %s.%s(%s)", texts[0], function, texts[1])
	case isList && of[1] == element && function == "contains":
		return fmt.Sprintf("%s is a list: write %s in %s", texts[0], texts[1], texts[0])
	case isList && element == "string":
		return fmt.Sprintf("%s is a list: write %s.exists(%s, %s.%s(%s))", texts[0], texts[0], name, name, function, texts[1])
	case isList && function == "contains" && slices.Contains(h.env.schema.fieldsNamed(element), "name"):
		return fmt.Sprintf("%s is a list: write %s.exists(%s, %s.name == %s)", texts[0], texts[0], name, name, texts[1])
	case isList && slices.Contains(h.env.schema.fieldsNamed(element), "name"):
		return fmt.Sprintf("%s is a list: write %s.exists(%s, %s.name.%s(%s))", texts[0], texts[0], name, name, function, texts[1])
	case of[0] == "net.CIDR" && function == "contains":
		return fmt.Sprintf("write %s.containsIP(%s)", texts[0], texts[1])
	case strings.HasPrefix(of[1], "list("):
		return fmt.Sprintf("ask for each: %s.exists(x, %s.%s(x))", texts[1], texts[0], function)
	}
	return ""
}

// hintForOperand says what to write instead of a text where a condition is expected.
func (h *hinter) hintForOperand(x *ExprError, e ast.Expr, typeText string) {
	if e == nil {
		return
	}
	p := h.parents[e.ID()]
	if p == nil || p.Kind() != ast.CallKind {
		return
	}
	for _, a := range p.AsCall().Args() {
		if e.Kind() == ast.LiteralKind && a.Kind() == ast.CallKind && a.AsCall().FunctionName() == ops.Equals {
			left := h.source(a.AsCall().Args()[0])
			x.Hint = fmt.Sprintf("write %s == %s again, or %s in [%s, %s]", left, h.source(e), left, h.source(a.AsCall().Args()[1]), h.source(e))
			return
		}
	}
	if e.Kind() == ast.IdentKind || e.Kind() == ast.SelectKind {
		x.Hint = h.presence(h.source(e), typeText, true)
	}
}
