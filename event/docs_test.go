package event

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPartsAreDocumented names a part of a field that the field's row in
// docs/event.md lacks, and a name in these rows that no part has.
func TestPartsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/event.md")
	require.NoError(t, err)
	rows := map[string]string{} // by key: what the row says of it
	for line := range strings.Lines(string(text)) {
		if cells := strings.SplitN(line, "|", 5); len(cells) == 5 {
			for i, key := range strings.Split(cells[1], "`") {
				if i%2 == 1 {
					rows[key] = cells[4]
				}
			}
		}
	}
	values := map[string]bool{"consistent": true, "inconsistent": true, "unknown": true} // of claim.verdict
	types := map[string]reflect.Type{}                                                   // by key
	event := reflect.TypeFor[Event]()
	for i := range event.NumField() {
		types[jsonKey(event.Field(i))] = event.Field(i).Type
	}
	for i := range Fields {
		f := &Fields[i]
		parts := map[string]bool{}
		addParts(parts, types[f.Key])
		if len(parts) == 0 {
			continue
		}
		documented := map[string]bool{}
		for i, word := range strings.Split(rows[f.Key], "`") {
			if i%2 == 0 || values[word] {
				continue
			}
			assert.True(t, parts[word], "docs/event.md names %s in the row of %s, which has no such part", word, f.Key)
			documented[word] = true
		}
		for name := range parts {
			assert.True(t, documented[name], "docs/event.md does not name %s in the row of %s", name, f.Key)
		}
	}
}

// addParts adds the keys that a value of type t has in JSON, and their own.
func addParts(parts map[string]bool, t reflect.Type) {
	for t != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice) {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		if key := jsonKey(t.Field(i)); key != "" {
			parts[key] = true
			addParts(parts, t.Field(i).Type)
		}
	}
}

// jsonKey returns the key that a field's tag has, or "".
func jsonKey(f reflect.StructField) string {
	key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return key
}
