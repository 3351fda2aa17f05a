package known

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNames requires a name of its own for each value of an enumeration, which
// reads back as that value.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for k := KindOther; k <= KindMalware; k++ {
		var back Kind
		readBack(t, seen, k, &back)
		assert.Equal(t, k, back)
	}
	assert.Equal(t, map[string]bool{`"other"`: true, `"browser"`: true, `"library"`: true, `"tool"`: true, `"impersonator"`: true, `"proxy"`: true, `"malware"`: true}, seen)

	clear(seen)
	for v := VerdictUnknown; v <= VerdictInconsistent; v++ {
		var back Verdict
		readBack(t, seen, v, &back)
		assert.Equal(t, v, back)
	}
	assert.Equal(t, map[string]bool{`"unknown"`: true, `"consistent"`: true, `"inconsistent"`: true}, seen)
	assert.EqualError(t, new(Verdict).UnmarshalText([]byte("maybe")), `verdict "maybe" is none of unknown, consistent, inconsistent`)

	clear(seen)
	for f := FieldCipherSuites; f < fieldEnd; f <<= 1 {
		var back Fields
		readBack(t, seen, f, &back)
		assert.Equal(t, f, back)
		assert.Equal(t, []string{f.name()}, f.Names())
		if f != FieldOther {
			assert.NotEqual(t, "other", f.name(), "field %d has no name", f)
		}
	}
}

// readBack writes v as JSON, whose text must be new, and reads that into back.
func readBack(t *testing.T, seen map[string]bool, v, back any) {
	b, err := json.Marshal(v)
	require.NoError(t, err)
	assert.False(t, seen[string(b)], "two values are named %s", b)
	seen[string(b)] = true
	require.NoError(t, json.Unmarshal(b, back))
}
