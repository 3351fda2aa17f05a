package policy

import (
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// maxMade is how many bytes a text may have that replace or join makes. Both multiply the
// lengths of what they are given, which a client may have chosen.
const maxMade = 1 << 20

// boundedTexts are the functions replace and join of CEL's extension for strings, which end
// with an error before they make a text that is too long.
func boundedTexts() []cel.EnvOption {
	text, texts := cel.StringType, cel.ListType(cel.StringType)
	return []cel.EnvOption{
		cel.Function("replace",
			cel.MemberOverload("string_replace_string_string", []*cel.Type{text, text, text}, text, cel.FunctionBinding(replace)),
			cel.MemberOverload("string_replace_string_string_int", []*cel.Type{text, text, text, cel.IntType}, text, cel.FunctionBinding(replace))),
		cel.Function("join",
			cel.MemberOverload("list_join", []*cel.Type{texts}, text, cel.UnaryBinding(func(list ref.Val) ref.Val { return join(list, types.String("")) })),
			cel.MemberOverload("list_join_string", []*cel.Type{texts, text}, text, cel.BinaryBinding(join))),
	}
}

func replace(args ...ref.Val) ref.Val {
	s, before, after := string(args[0].(types.String)), string(args[1].(types.String)), string(args[2].(types.String))
	n := strings.Count(s, before)
	if len(args) == 4 {
		if most := args[3].(types.Int); most >= 0 && int64(most) < int64(n) {
			n = int(most)
		}
	}
	if len(s)+n*(len(after)-len(before)) > maxMade {
		return types.WrapErr(ErrCost)
	}
	return types.String(strings.Replace(s, before, after, n))
}

func join(list, between ref.Val) ref.Val {
	separator := string(between.(types.String))
	var b strings.Builder
	for it, first := list.(traits.Lister).Iterator(), true; it.HasNext() == types.True; first = false {
		s, ok := it.Next().(types.String)
		if !ok {
			return types.NewErr("join: an element is not a string")
		}
		if !first {
			b.WriteString(separator)
		}
		b.WriteString(string(s))
		if b.Len() > maxMade {
			return types.WrapErr(ErrCost)
		}
	}
	return types.String(b.String())
}
