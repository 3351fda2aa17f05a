package policy

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	ops "cel.dev/cel-go/common/operators"
)

// comparesVersion warns if e compares versions by their order, which is that of texts.
func (x *exprChecker) comparesVersion(e ast.Expr, vars bindings) {
	args := e.AsCall().Args()
	for i, a := range args {
		value := args[1-i]
		key, text, ok := keyAndText(a, value, vars)
		if !ok || key != "version" {
			continue
		}
		operator := e.AsCall().FunctionName()
		if i == 1 { // the text stands before
			operator = map[string]string{ops.Less: ops.Greater, ops.LessEquals: ops.GreaterEquals, ops.Greater: ops.Less, ops.GreaterEquals: ops.LessEquals}[operator]
		}
		if message, _ := unlikely("version", text); message != "" {
			x.warn(value, message)
			return
		}
		meant := versionsThat(operator, text)
		if meant == "" {
			return
		}
		x.warn(e, fmt.Sprintf(`%s compares texts, for which "ssl 3.0" is greater than "1.3": write version in [%s]`, operatorText(operator), meant))
	}
}

// versionsThat returns the versions that an operator holds for, in quotes.
func versionsThat(operator, than string) string {
	ordered := slices.Clone(versions)
	slices.Reverse(ordered)
	at := slices.Index(ordered, than)
	if at < 0 {
		return ""
	}
	from, to := 0, len(ordered)
	switch operator {
	case ops.Less:
		to = at
	case ops.LessEquals:
		to = at + 1
	case ops.Greater:
		from = at + 1
	default:
		from = at
	}
	var quoted []string
	for _, v := range ordered[from:to] {
		quoted = append(quoted, fmt.Sprintf("%q", v))
	}
	return strings.Join(quoted, ", ")
}
