package policy

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// Bounds of the text of a value.
const (
	maxValueText = 200 // bytes
	maxValueList = 20  // elements
)

// valueText returns a value as text: as CEL has it, or an object in JSON.
func valueText(v ref.Val) string {
	return cutText(string(appendValue(nil, v)), maxValueText)
}

// cutText returns at most n bytes of s, and dots if that is not all.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "..."
}

func appendValue(dst []byte, v ref.Val) []byte {
	switch v := v.(type) {
	case types.String:
		return strconv.AppendQuote(dst, cutText(string(v), maxValueText))
	case types.Bool:
		return strconv.AppendBool(dst, bool(v))
	case types.Int:
		return strconv.AppendInt(dst, int64(v), 10)
	case types.Uint:
		return append(strconv.AppendUint(dst, uint64(v), 10), 'u')
	case types.Double:
		return strconv.AppendFloat(dst, float64(v), 'g', -1, 64)
	case types.Bytes:
		return fmt.Appendf(dst, "%d bytes", len(v))
	case types.Timestamp:
		return v.AppendFormat(dst, time.RFC3339Nano)
	case *types.Err:
		return append(dst, v.Error()...)
	case *object:
		if !v.v.IsValid() {
			return append(dst, "{}"...)
		}
		b, err := json.Marshal(v.v.Interface())
		if err != nil {
			return append(dst, err.Error()...)
		}
		return append(dst, b...)
	case traits.Mapper:
		return fmt.Appendf(dst, "a map of %v", v.Size())
	case traits.Lister:
		return appendValueList(dst, v)
	}
	if s, ok := v.ConvertToType(types.StringType).(types.String); ok {
		return append(dst, s...)
	}
	return append(dst, strings.TrimPrefix(v.Type().TypeName(), "tlspeek.")...)
}

func appendValueList(dst []byte, v traits.Lister) []byte {
	size, _ := v.Size().(types.Int)
	dst = append(dst, '[')
	start := len(dst)
	for i := types.Int(0); i < size; i++ {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if i == maxValueList || len(dst)-start > maxValueText/2 {
			dst = fmt.Appendf(dst, "%d more", size-i)
			break
		}
		dst = appendValue(dst, v.Get(i))
	}
	return append(dst, ']')
}
