package policy

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUses(t *testing.T) {
	env, err := NewEnv(EnvOptions{})
	require.NoError(t, err)
	for text, want := range map[string]bool{
		`agg(ja4).addresses > 3`:                               true,
		`sni == "x" || alpn.exists(a, agg(a).rate > 1.0)`:      true,
		`[agg(sni).paths].exists(n, n > 3)`:                    true,
		`sni == "agg(ja4)"`:                                    false,
		`client.exists(agg, agg.name == "curl")`:               false,
		`size(tells) > 0 && sni.endsWith(".example") && !true`: false,
	} {
		x, err := env.Compile(text, AtHello)
		require.NoError(t, err, text)
		assert.Equal(t, want, x.Uses("agg"), text)
	}
}
