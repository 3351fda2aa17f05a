package policy

import (
	"slices"

	"cel.dev/cel-go/common/ast"

	"github.com/tlspeek/tlspeek/event"
)

// Uses reports whether x calls a function, such as agg.
func (x *Expr) Uses(function string) bool {
	found := false
	ast.PreOrderVisit(x.ast.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		found = found || e.Kind() == ast.CallKind && e.AsCall().FunctionName() == function
	}))
	return found
}

// LiveKeys returns those of [Expr.Keys] that no Event of a capture has.
func (x *Expr) LiveKeys() (keys []string) {
	for _, key := range x.keys {
		i := slices.IndexFunc(event.Fields, func(f event.Field) bool { return f.Key == key })
		if i < 0 || event.Fields[i].Origin == event.Live {
			keys = append(keys, key)
		}
	}
	return keys
}
