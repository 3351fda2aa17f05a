package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/nearest"
	"github.com/tlspeek/tlspeek/signals"
)

// A Stage is when a rule decides.
type Stage uint8

// The stages.
const (
	AtHello   Stage = iota // when the hello has come, before the handshake
	AtRequest              // when the header of a request has come
)

// String returns "hello" or "request".
func (s Stage) String() string {
	if s == AtHello {
		return "hello"
	}
	return "request"
}

// requestKeys are the keys of an Event that nobody knows at [AtHello]. A test has each
// key of live Events in this set or in its list of others.
var requestKeys = map[string]bool{
	"http2":      true,
	"http2_wire": true,
	"http3":      true,
	"http3_wire": true,
	"user_agent": true,
	"handshake":  true,
	"front_ja4":  true,
	"claim":      true,
	"settled":    true,
	"rule":       true,
	"action":     true,
	varRequest:   true,
}

// Bounds of an expression.
const (
	maxExpr  = 64 << 10 // bytes
	maxDepth = 100      // of brackets and operators in one another
)

// A Set is a list that inList asks. It is used by several goroutines at once.
type Set interface{ Contains(value string) bool }

// EnvOptions say what an [Env] offers to expressions beside the Event.
type EnvOptions struct {
	Lists map[string]Set // by the names that inList takes

	// Agg returns what is known of a value for the function agg. It is used by several
	// goroutines at once. Nil knows nothing.
	Agg func(value string) (v signals.Values, ok bool)
}

// An Env compiles expressions. It is safe for use by several goroutines.
type Env struct {
	schema *schema
	cel    *cel.Env
	lists  map[string]Set
}

// NewEnv returns an Env. It takes about a millisecond; the expressions of a policy
// should share one.
func NewEnv(o EnvOptions) (*Env, error) {
	s := newSchema()
	v := &Env{schema: s, lists: o.Lists}
	options := []cel.EnvOption{
		cel.ParserExpressionSizeLimit(maxExpr),
		cel.ParserRecursionLimit(maxDepth),
		cel.CrossTypeNumericComparisons(true),
		ext.Strings(),
		ext.Network(),
	}
	for _, t := range s.types {
		options = append(options, cel.Types(t))
	}
	for _, name := range s.names {
		options = append(options, cel.Variable(name, s.typeOf(name)))
	}
	inList := func(list, value ref.Val) ref.Val {
		set, ok := o.Lists[string(list.(types.String))]
		return types.Bool(ok && set.Contains(string(value.(types.String))))
	}
	agg := func(value ref.Val) ref.Val {
		if o.Agg != nil {
			if values, ok := o.Agg(string(value.(types.String))); ok {
				return s.signals.Adapt(nil, &values)
			}
		}
		return &object{st: s.signals}
	}
	options = append(options, boundedTexts()...)
	options = append(options,
		cel.Function(funcInList, cel.Overload("inList_string_string", []*cel.Type{cel.StringType, cel.StringType}, cel.BoolType, cel.BinaryBinding(inList))),
		cel.Function(funcAgg, cel.Overload("agg_string", []*cel.Type{cel.StringType}, s.signals.celType(), cel.UnaryBinding(agg))),
		cel.Function(funcHeader, cel.MemberOverload("request_header_string", []*cel.Type{s.request.celType(), cel.StringType}, cel.StringType, cel.BinaryBinding(header))),
	)
	var err error
	v.cel, err = cel.NewEnv(options...)
	return v, err
}

// The functions of this package.
const (
	funcInList = "inList"
	funcAgg    = "agg"
	funcHeader = "header"
)

// Compile compiles an expression, whose type must be bool, for a stage. Its error is an
// [*ExprError], or several of them joined.
func (v *Env) Compile(text string, stage Stage) (*Expr, error) {
	if strings.TrimSpace(text) == "" {
		return nil, &ExprError{Line: 1, Column: 1, Message: "is empty", Hint: "write true for a condition that is always met"}
	}
	if len(text) > maxExpr {
		return nil, &ExprError{Line: 1, Column: 1, Message: fmt.Sprintf("has %d bytes; an expression may have %d", len(text), maxExpr), Hint: "for many values, use a list and inList"}
	}
	checked, issues := v.cel.Compile(text)
	if err := issues.Err(); err != nil {
		return nil, v.errorsOf(text, issues)
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) {
		return nil, &ExprError{text: text, Line: 1, Column: 1, Message: fmt.Sprintf("is of type %s; a condition is true or false", typeName(t)), Hint: hintForType(t)}
	}
	x := &Expr{text: text, ast: checked.NativeRep(), env: v}
	if err := errors.Join(v.check(x, stage)...); err != nil {
		return nil, err
	}
	if err := x.plan(checked); err != nil {
		return nil, &ExprError{text: text, Line: 1, Column: 1, Message: err.Error()}
	}
	return x, nil
}

// check finds what x reads, and returns the errors that CEL does not look for.
func (v *Env) check(x *Expr, stage Stage) (errs []error) {
	fail := func(e ast.Expr, message, hint string) {
		at := x.ast.SourceInfo().GetStartLocation(e.ID())
		errs = append(errs, &ExprError{text: x.text, Line: at.Line(), Column: at.Column() + 1, Message: message, Hint: hint})
	}
	keys := make(map[string]bool)
	use := func(e ast.Expr, key string) {
		if stage == AtHello && requestKeys[key] && !keys[key] {
			fail(e, key+" is not known at the stage hello", "write stage: request")
		}
		keys[key] = true
	}
	var visit func(e ast.Expr, bound []string)
	visit = func(e ast.Expr, bound []string) {
		switch e.Kind() {
		case ast.IdentKind:
			if name := e.AsIdent(); !slices.Contains(bound, name) && v.isVariable(name) {
				if name == varEvent { // as a whole
					for _, key := range v.schema.event.keys {
						keys[key] = true
					}
					return
				}
				use(e, name)
			}
		case ast.SelectKind:
			s := e.AsSelect()
			if o := s.Operand(); o.Kind() == ast.IdentKind && o.AsIdent() == varEvent && !slices.Contains(bound, varEvent) {
				use(e, s.FieldName())
				return
			}
			visit(s.Operand(), bound)
		case ast.CallKind:
			c := e.AsCall()
			if c.IsMemberFunction() {
				visit(c.Target(), bound)
			}
			for _, arg := range c.Args() {
				visit(arg, bound)
			}
			if c.FunctionName() == funcInList && len(c.Args()) == 2 {
				v.checkList(c.Args()[0], fail)
			}
			if c.FunctionName() == overloads.Matches && len(c.Args()) > 0 {
				checkPattern(c, fail)
			}
		case ast.ListKind:
			for _, element := range e.AsList().Elements() {
				visit(element, bound)
			}
		case ast.MapKind:
			for _, entry := range e.AsMap().Entries() {
				visit(entry.AsMapEntry().Key(), bound)
				visit(entry.AsMapEntry().Value(), bound)
			}
		case ast.ComprehensionKind:
			c := e.AsComprehension()
			visit(c.IterRange(), bound)
			visit(c.AccuInit(), bound)
			bound = append(slices.Clip(bound), c.IterVar(), c.AccuVar())
			if c.HasIterVar2() {
				bound = append(bound, c.IterVar2())
			}
			visit(c.LoopCondition(), bound)
			visit(c.LoopStep(), bound)
			visit(c.Result(), bound)
		}
	}
	visit(x.ast.Expr(), nil)
	x.keys = slices.Sorted(maps.Keys(keys))
	for _, key := range x.keys {
		x.needsRequest = x.needsRequest || requestKeys[key]
		x.needsClients = x.needsClients || key == "client" || key == "tells" || key == "claim"
		x.size = max(x.size, sizeOf(key))
	}
	return errs
}

// checkList checks the name of a list.
func (v *Env) checkList(name ast.Expr, fail func(e ast.Expr, message, hint string)) {
	if name.Kind() != ast.LiteralKind {
		fail(name, "the name of a list must be written out", "")
		return
	}
	list := string(name.AsLiteral().(types.String))
	if _, ok := v.lists[list]; !ok {
		fail(name, fmt.Sprintf("there is no list %q", list), nearest.Hint(list, slices.Sorted(maps.Keys(v.lists))))
	}
}

func (v *Env) isVariable(name string) bool {
	_, ok := v.schema.index[name]
	return ok
}

// sizeOf returns the least size of Event that has a key.
func sizeOf(key string) event.Size {
	for i := range event.Fields {
		if event.Fields[i].Key == key {
			return event.Fields[i].Size
		}
	}
	return event.Compact
}
