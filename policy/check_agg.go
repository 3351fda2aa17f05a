package policy

import (
	"fmt"
	"slices"

	"cel.dev/cel-go/common/ast"
)

// What agg knows: the keys whose values it may be asked about, beside the names of
// clients, and the fields that are only counted for some.
var (
	aggKeys         = []string{"ja4", "stable", "src_ip"}
	notOfAddresses  = []string{"addresses", "user_agents", "paths", "server_names"}
	onlyOfAddresses = []string{"ja4s"}
)

// checkAgg warns of calls of agg that are always 0.
func (x *exprChecker) checkAgg() {
	ast.PreOrderVisit(x.expr.ast.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		call, field := e, ""
		if e.Kind() == ast.SelectKind {
			call, field = e.AsSelect().Operand(), e.AsSelect().FieldName()
		}
		if call.Kind() != ast.CallKind || call.AsCall().FunctionName() != funcAgg {
			return
		}
		key := x.keyOf(call.AsCall().Args()[0])
		switch {
		case key == "":
		case field == "" && !slices.Contains(aggKeys, key):
			x.warn(call, fmt.Sprintf("agg knows ja4, stable, names of clients and src_ip: of %s all is 0", key))
		case key == "src_ip" && slices.Contains(notOfAddresses, field):
			x.warn(e, fmt.Sprintf("%s is not counted of addresses: it is 0", field))
		case key != "src_ip" && slices.Contains(aggKeys, key) && slices.Contains(onlyOfAddresses, field):
			x.warn(e, fmt.Sprintf("%s is only counted of addresses: it is 0", field))
		}
	}))
}

// keyOf returns the key of an Event that e is, or the empty text.
func (x *exprChecker) keyOf(e ast.Expr) string {
	name := ""
	switch e.Kind() {
	case ast.IdentKind:
		name = e.AsIdent()
	case ast.SelectKind:
		if s := e.AsSelect(); s.Operand().Kind() == ast.IdentKind && s.Operand().AsIdent() == varEvent {
			name = s.FieldName()
		}
	}
	if _, ok := x.expr.env.schema.event.fields[name]; !ok {
		return ""
	}
	return name
}
