package policy

import (
	"fmt"
	"regexp"
	"regexp/syntax"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// statesPerStep is how many states of a regular expression, one for each character of a
// text in the worst case, count as a step.
const statesPerStep = 16

// A matchStep is a call of matches. The time that package regexp takes at the worst is known
// before: it grows with the length of the text and with that of the expression. So it is
// charged before.
type matchStep struct {
	call   interpreter.InterpretableCall
	text   interpreter.InterpretableV2
	regexp *regexp.Regexp
	states int
}

// matching replaces the calls of matches.
func matching(step interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := step.(interpreter.InterpretableCall)
	if !ok || call.OverloadID() != overloads.MatchesString && call.Function() != overloads.Matches || len(call.Args()) != 2 {
		return step, nil
	}
	pattern, ok := call.Args()[1].(interpreter.InterpretableConst)
	if !ok {
		return step, nil // checkPattern has refused it
	}
	re, states, err := compilePattern(string(pattern.Value().(types.String)))
	if err != nil {
		return nil, err
	}
	return &matchStep{call, call.Args()[0], re, states}, nil
}

// compilePattern compiles a regular expression and returns how many states it has.
func compilePattern(pattern string) (*regexp.Regexp, int, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, 0, err
	}
	tree, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, 0, err
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, 0, err
	}
	return re, len(program.Inst), nil
}

func (s *matchStep) ID() int64 { return s.call.ID() }

func (s *matchStep) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	v := s.text.Exec(frame)
	text, ok := v.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(v)
	}
	inputOf(frame).spend(len(text) * s.states / statesPerStep)
	return types.Bool(s.regexp.MatchString(string(text)))
}

func (s *matchStep) Eval(vars interpreter.Activation) ref.Val {
	return s.Exec(interpreter.AsFrame(vars))
}

// checkPattern checks the regular expression of a call of matches.
func checkPattern(c ast.CallExpr, fail func(e ast.Expr, message, hint string)) {
	pattern := c.Args()[len(c.Args())-1]
	if pattern.Kind() != ast.LiteralKind {
		fail(pattern, "the regular expression of matches must be written out", "")
		return
	}
	if _, err := syntax.Parse(string(pattern.AsLiteral().(types.String)), syntax.Perl); err != nil {
		fail(pattern, fmt.Sprintf("is no regular expression: %v", err), "")
	}
}
