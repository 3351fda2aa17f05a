package known

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAppendJSONEqualsEncodingJSON(t *testing.T) {
	c := Candidate{
		Name: `a "b" \ é`, Version: "1.0", Family: "F", Library: "L", Kind: KindImpersonator, Learned: true,
		Distance: 12, Differs: FieldSupportedGroups | FieldOther,
	}
	tell := Tell{Name: "n", Field: "f", Offset: 12, Found: "x\x01", Expected: "y"}
	claim := Claim{Verdict: VerdictInconsistent, Program: "Chrome 133", Reasons: []string{"one", "two"}, Proxy: "Gate \"1\""}
	for _, v := range []any{&c, &Candidate{}, &tell, &Tell{}, &claim, &Claim{}} {
		want, err := json.Marshal(v)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(v.(interface{ AppendJSON([]byte) []byte }).AppendJSON(nil)))
	}
	want, err := json.Marshal(c)
	require.NoError(t, err)
	var back Candidate
	require.NoError(t, json.Unmarshal(want, &back))
	assert.Equal(t, c, back)
}

func TestFieldNames(t *testing.T) {
	var f Fields
	assert.Empty(t, f.Names())
	f = FieldCipherSuites | FieldKeyShare
	assert.Equal(t, []string{"cipher_suites", "key_share"}, f.Names())
	assert.Len(t, (fieldEnd - 1).Names(), 9)
}
