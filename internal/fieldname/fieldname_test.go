package fieldname

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSet(t *testing.T) {
	var names Set
	names.Add("X-JA4-Fingerprint", "Via", "X-Forwarded-*", "Cf*", "X-Real-IP", "", "-Odd-*")
	for name, want := range map[string]bool{
		"X-JA4-Fingerprint": true, "x-ja4-fingerprint": true, "X_JA4_FINGERPRINT": true, "X.Ja4!Fingerprint": true,
		"XJA4Fingerprint": true, "X--JA4-Fingerprint": true, "-X-JA4-Fingerprint-": true, "X-JA4-Fingerprint'": true,
		"X-JA4-Fingerprints": false, "X-JA4-Fingerprin": false, "X-JA4": false, "X": false, "": false,
		"Via": true, "via_": true, "Viaduct": false,
		"X-Forwarded-": true, "X-Forwarded-For": true, "x_forwarded_for": true, "X.Forwarded*For": true, "X-Forwarded-For-2": true,
		"X--Forwarded-For": true, "X-Forwarded": false, "X-ForwardedFor": false, "X-Forwarder": false,
		"Cf": true, "CF-Ray": true, "cfray": true, "C_F_Ray": true, "C": false, "Accept": false, "Host": false,
		"X-Real-Ip": true, "X-Real-IPs": false, "Odd-x": true, "_ODD.": true, "Odd": false, "Oddity": false,
	} {
		assert.Equal(t, want, names.Has(name), name)
	}
	var all Set
	all.Add("*")
	assert.True(t, all.Has("Accept"))
	assert.True(t, all.Has("-"))
	var dashed Set
	dashed.Add("-*")
	assert.True(t, dashed.Has("-x"))
	assert.False(t, dashed.Has("x"))
}

// TestSetIsAsFastWithManyNames: what a name costs does not depend on how many there are.
func TestSetIsAsFastWithManyNames(t *testing.T) {
	var names Set
	for i := range 20000 {
		names.Add(fmt.Sprintf("X-Secret-%d", i), fmt.Sprintf("X-Part-%d-*", i))
	}
	assert.True(t, names.Has("x_secret_19999"))
	assert.True(t, names.Has("x_part_19999_y"))
	assert.False(t, names.Has("X-Part-20000-Y"))
	assert.False(t, names.Has("X-Secret-20000"))
	assert.Zero(t, testing.AllocsPerRun(100, func() { names.Has("X-Part-1999-Y") }))
}
