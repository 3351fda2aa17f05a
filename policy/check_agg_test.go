package policy

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckAgg(t *testing.T) {
	env := testEnv(t)
	for text, want := range map[string][]string{
		`agg(ja4).addresses > 3 && agg(stable).paths < 2 && agg(src_ip).ja4s > 4`: nil,
		`client.exists(c, agg(c.name).requests > 3) || agg("curl").rate > 2`:      nil,
		`agg(event.ja4).requests > 3`:                                             nil,
		`agg(sni).requests > 3`:                                                   {"agg knows ja4, stable, names of clients and src_ip: of sni all is 0"},
		`agg(event.ja3).requests > 3`:                                             {"agg knows ja4, stable, names of clients and src_ip: of ja3 all is 0"},
		`agg(src_ip).user_agents > 5 || agg(src_ip).addresses > 3`:                {"user_agents is not counted of addresses: it is 0", "addresses is not counted of addresses: it is 0"},
		`agg(ja4).ja4s > 1`:                                                       {"ja4s is only counted of addresses: it is 0"},
	} {
		x, err := env.Compile(text, AtRequest)
		require.NoError(t, err, text)
		c := &exprChecker{expr: x}
		c.checkAgg()
		var got []string
		for _, w := range c.warnings {
			got = append(got, w.Message)
			assert.Contains(t, w.Source, "^")
		}
		assert.Equal(t, want, got, text)
	}
}
