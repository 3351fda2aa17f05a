package policy

import "cel.dev/cel-go/common/ast"

// Uses reports whether x calls a function, such as agg.
func (x *Expr) Uses(function string) bool {
	found := false
	ast.PreOrderVisit(x.ast.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		found = found || e.Kind() == ast.CallKind && e.AsCall().FunctionName() == function
	}))
	return found
}
