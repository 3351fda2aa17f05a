package policy

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestCheckOneExpression: an expression without a policy has the warnings about values, and
// none about tags, which anybody may add.
func TestCheckOneExpression(t *testing.T) {
	ips, err := NewList(ListAddresses, "192.0.2.1")
	require.NoError(t, err)
	lists := map[string]Set{"ips": ips, "other": setOf(nil)}
	env, err := NewEnv(EnvOptions{Lists: lists})
	require.NoError(t, err)
	for _, test := range []struct {
		text string
		want []string
	}{
		{`sni == "x"`, nil},
		{`transport == "tcp"`, []string{`transport is never "tcp": it is one of tls, quic, dtls`, "the expression is never true"}},
		{`client.exists(c, c.kind == "brwser") || sni == ""`, []string{`client.kind is never "brwser": did you mean browser?`}},
		{`tells.exists(t, t.name == "froze-order")`, []string{`tells.name is never "froze-order": did you mean frozen-order?`, "the expression is never true"}},
		{`"x" in tags`, nil},
		{`true`, []string{"the expression is always true"}},
		{`inList("other", ja4) || inList("ips", src_ip)`, nil},
		{`inList("ips", ja4)`, []string{"the list ips has no JA4", "the expression is never true"}},
	} {
		x, err := env.Compile(test.text, AtRequest)
		require.NoError(t, err)
		var got []string
		for _, w := range x.Check(lists) {
			got = append(got, w.Message)
		}
		assert.Equal(t, test.want, got, test.text)
	}
}
