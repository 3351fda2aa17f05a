package event

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestStructFieldsHaveRows finds the key of each field of the struct Event in
// Fields.
func TestStructFieldsHaveRows(t *testing.T) {
	n := 0
	for f := range reflect.TypeFor[Event]().Fields() {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || key == "-" {
			continue
		}
		n++
		assert.True(t, slices.ContainsFunc(Fields, func(row Field) bool { return row.Key == key }),
			"Fields has no row for Event.%s with the key %q", f.Name, key)
	}
	assert.Greater(t, n, 20)
}
