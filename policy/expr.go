package policy

import (
	"errors"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/tlspeek/tlspeek/event"
)

// An Expr is a compiled expression. It is safe for use by several goroutines.
type Expr struct {
	text    string
	env     *Env
	ast     *ast.AST
	program cel.Program

	keys                       []string
	size                       event.Size
	needsClients, needsRequest bool
}

// Match reports whether x is true of in. An error says why that cannot be told, such
// as an address that is none in ip(sni), or that x costs more than it may.
func (x *Expr) Match(in *Input) (bool, error) {
	in.use(x.env.schema)
	out, err := x.evaluate(in)
	return err == nil && out == types.True, err
}

// String returns the text of x.
func (x *Expr) String() string { return x.text }

// Keys returns the keys of an Event that x reads, in alphabetical order, and among them
// "request" if it reads that.
func (x *Expr) Keys() []string { return slices.Clone(x.keys) }

// Size returns the least size of Event that x can be asked about.
func (x *Expr) Size() event.Size { return x.size }

// NeedsClients reports whether x reads who sent the hello: client, tells or claim.
func (x *Expr) NeedsClients() bool { return x.needsClients }

// NeedsRequest reports whether x reads what is known only when a request has come.
func (x *Expr) NeedsRequest() bool { return x.needsRequest }

// plan makes the program of x. Its steps are counted only if they could cost too much.
func (x *Expr) plan(checked *cel.Ast) (err error) {
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	estimate, err := x.env.cel.EstimateCost(checked, sizes{})
	switch {
	case err != nil || estimate.Max > maxCost:
		options = append(options, cel.CustomDecoratorV2(counted))
	case x.Uses(overloads.Matches):
		options = append(options, cel.CustomDecoratorV2(matching))
	}
	x.program, err = x.env.cel.Program(checked, options...)
	return err
}

// evaluate returns the value of x.
func (x *Expr) evaluate(in *Input) (ref.Val, error) {
	in.cost = 0
	out, _, err := x.program.Eval(in)
	if _, ok := errors.AsType[interpreter.EvalCancelledError](err); ok {
		err = ErrCost
	}
	return out, err
}
