package policy

import (
	"context"
	"fmt"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
	"cel.dev/cel-go/parser"
)

// A Part is an expression, or a part of one, with its value. All parts are evaluated,
// also those on which the whole does not depend, such as what follows "false &&".
type Part struct {
	Text  string `json:"text"`            // as CEL writes it; of an element of a list "c = client[0]"
	Value string `json:"value,omitempty"` // in CEL, or in JSON for an object; cut where it is long
	Error string `json:"error,omitempty"` // why there is no value
	Parts []Part `json:"parts,omitempty"`
}

// Bounds of what is told of the lists that an expression visits.
const (
	maxExplained = 5000 // texts: an expression, and each condition of a loop for each element
	maxShown     = 8    // elements that are told in any case, and then again of those for which the condition is true
	maxLoops     = 4    // in one another
)

// Explain returns x with the values of its parts, for in. It ends with an error when ctx
// does: as all parts are evaluated, it may take much longer than Match.
func (x *Expr) Explain(ctx context.Context, in *Input) (Part, error) {
	in.use(x.env.schema)
	env, err := x.env.cel.Extend(cel.EnableMacroCallTracking())
	if err != nil {
		return Part{}, err
	}
	b := &explanation{ctx, maxExplained}
	t, err := b.prepare(env, x.text)
	if err != nil {
		return Part{}, err
	}
	return b.explain(t, in, 0)
}

// An explanation is the work on one expression.
type explanation struct {
	ctx  context.Context
	left int // texts that may be explained
}

// A prepared text is one that can be explained for several values of its variables.
type prepared struct {
	env     *cel.Env
	ast     *ast.AST
	program cel.Program
}

func (b *explanation) prepare(env *cel.Env, text string) (*prepared, error) {
	checked, issues := env.Compile(text)
	if err := issues.Err(); err != nil {
		return nil, err
	}
	program, err := env.Program(checked, cel.EvalOptions(cel.OptExhaustiveEval, cel.OptTrackState), cel.InterruptCheckFrequency(100))
	if err != nil {
		return nil, err
	}
	return &prepared{env, checked.NativeRep(), program}, nil
}

// explain explains a text with the variables of vars. loops is how many loops it is in.
func (b *explanation) explain(t *prepared, vars interpreter.Activation, loops int) (Part, error) {
	b.left--
	out, details, err := t.program.ContextEval(b.ctx, vars)
	if cause := b.ctx.Err(); cause != nil {
		return Part{}, cause
	}
	e := &explainer{explanation: b, prepared: t, vars: vars, loops: loops}
	if details != nil {
		e.state = details.State()
	}
	part, partErr := e.part(t.ast.Expr())
	if partErr != nil {
		return Part{}, partErr
	}
	part.set(out, err)
	return part, nil
}

// An explainer explains one text that was evaluated.
type explainer struct {
	*explanation
	*prepared
	state interpreter.EvalState
	vars  interpreter.Activation
	loops int
}

// part explains x and its parts.
func (e *explainer) part(x ast.Expr) (p Part, err error) {
	if p.Text, err = parser.Unparse(x, e.ast.SourceInfo()); err != nil {
		return p, err
	}
	if v, ok := e.valueOf(x); ok {
		p.set(v, nil)
	}
	add := func(parts ...ast.Expr) {
		for _, of := range parts {
			if of == nil || err != nil || isPlain(of) {
				continue
			}
			var sub Part
			if sub, err = e.part(of); err == nil {
				p.Parts = append(p.Parts, sub)
			}
		}
	}
	switch x.Kind() {
	case ast.CallKind:
		c := x.AsCall()
		if c.IsMemberFunction() {
			add(c.Target())
		}
		add(c.Args()...)
	case ast.SelectKind:
		if of := x.AsSelect().Operand(); !isPath(of) {
			add(of)
		}
	case ast.ListKind:
		add(x.AsList().Elements()...)
	case ast.ComprehensionKind:
		c := x.AsComprehension()
		add(c.IterRange())
		if err == nil {
			err = e.loop(&p, x)
		}
	}
	return p, err
}

// isPlain reports whether x is a literal, or a list of them, whose value is its text.
func isPlain(x ast.Expr) bool {
	switch x.Kind() {
	case ast.LiteralKind:
		return true
	case ast.ListKind:
		return !slices.ContainsFunc(x.AsList().Elements(), func(x ast.Expr) bool { return !isPlain(x) })
	}
	return false
}

// isPath reports whether x is a variable or a field of one, which need no parts.
func isPath(x ast.Expr) bool {
	for x.Kind() == ast.SelectKind {
		x = x.AsSelect().Operand()
	}
	return x.Kind() == ast.IdentKind
}

// loop adds to p, which is that of the macro x, its condition for elements of the list.
func (e *explainer) loop(p *Part, x ast.Expr) error {
	macro, ok := e.ast.SourceInfo().GetMacroCall(x.ID())
	if !ok || macro.Kind() != ast.CallKind || e.loops == maxLoops {
		return nil
	}
	args := macro.AsCall().Args()
	of := x.AsComprehension().IterRange()
	value, ok := e.valueOf(of)
	list, isList := value.(traits.Lister)
	if len(args) < 2 || args[0].Kind() != ast.IdentKind || !ok || !isList {
		return nil // a map, or a macro that binds no variable
	}
	name := args[0].AsIdent()
	elementType := cel.DynType
	if t := e.ast.GetType(of.ID()); t.Kind() == types.ListKind {
		elementType = t.Parameters()[0]
	}
	env, err := e.env.Extend(cel.Variable(name, elementType))
	if err != nil {
		return err
	}
	var conditions []*prepared
	for _, arg := range args[1:] {
		text, err := parser.Unparse(arg, e.ast.SourceInfo())
		if err != nil {
			return err
		}
		t, err := e.prepare(env, text)
		if err != nil {
			return err
		}
		conditions = append(conditions, t)
	}
	listText, err := parser.Unparse(of, e.ast.SourceInfo())
	if err != nil {
		return err
	}
	size := int(list.Size().(types.Int))
	shown, further := 0, 0
	for i := 0; i < size && further < maxShown && e.left > 0; i++ {
		v := list.Get(types.Int(i))
		element := Part{Text: fmt.Sprintf("%s = %s[%d]", name, listText, i)}
		element.set(v, nil)
		for _, t := range conditions {
			part, err := e.explain(t, &bound{e.vars, name, v}, e.loops+1)
			if err != nil {
				return err
			}
			element.Parts = append(element.Parts, part)
		}
		if i >= maxShown {
			if element.Parts[0].Value != "true" {
				continue
			}
			further++
		}
		shown++
		p.Parts = append(p.Parts, element)
	}
	if shown < size {
		p.Parts = append(p.Parts, Part{Text: fmt.Sprintf("%d more of %s", size-shown, listText)})
	}
	return nil
}

// valueOf returns the value of a part, or its error, if it was evaluated.
func (e *explainer) valueOf(x ast.Expr) (ref.Val, bool) {
	if e.state != nil {
		if v, ok := e.state.Value(x.ID()); ok {
			return v, true
		}
	}
	if x.Kind() != ast.IdentKind {
		return nil, false
	}
	v, _ := e.vars.ResolveName(x.AsIdent()) // CEL does not tell the one of an index
	value, ok := v.(ref.Val)
	return value, ok
}

// set sets the value or the error of p.
func (p *Part) set(v ref.Val, err error) {
	p.Value, p.Error = "", ""
	if e, ok := v.(*types.Err); ok && err == nil {
		err = e
	}
	switch {
	case err != nil:
		p.Error = err.Error()
	case v != nil:
		p.Value = valueText(v)
	}
}

// A bound is variables with one more.
type bound struct {
	interpreter.Activation
	name  string
	value ref.Val
}

// ResolveName implements interpreter.Activation.
func (b *bound) ResolveName(name string) (any, bool) {
	if name == b.name {
		return b.value, true
	}
	return b.Activation.ResolveName(name)
}

// Parent implements interpreter.Activation.
func (b *bound) Parent() interpreter.Activation { return b.Activation }
