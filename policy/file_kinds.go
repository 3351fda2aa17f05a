package policy

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// wrongKind says what a key of an Event must be, and what it is.
func wrongKind(wrong *json.UnmarshalTypeError) string {
	is := map[string]string{"object": "an object", "array": "a list", "string": "a text", "bool": "true or false", "number": "a number"}[wrong.Value]
	if number, ok := strings.CutPrefix(wrong.Value, "number "); ok {
		if k := wrong.Type.Kind(); reflect.Int <= k && k <= reflect.Float64 {
			return fmt.Sprintf("%s cannot be %s", wrong.Field, clip(number))
		}
		is = "a number"
	}
	var must, hint string
	switch k := wrong.Type.Kind(); {
	case k == reflect.Slice, k == reflect.Array:
		must = "a list"
		switch is {
		case "an object":
			hint = ": write - before each of its objects, or square brackets around them"
		case "a text", "a number":
			hint = ": write it in square brackets"
		}
	case k == reflect.Struct, k == reflect.Map:
		must = "an object"
	case k == reflect.String:
		must = "a text"
	case k == reflect.Bool:
		must = "true or false"
	case reflect.Int <= k && k <= reflect.Float64:
		must = "a number"
	}
	if must == "" || is == "" || must == is {
		return fmt.Sprintf("%s cannot be a JSON %s", wrong.Field, wrong.Value)
	}
	return fmt.Sprintf("%s must be %s, and is %s%s", wrong.Field, must, is, hint)
}
