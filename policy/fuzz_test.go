package policy

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
)

// FuzzCompile: what compiles is evaluated without a panic, which CEL reports as an
// internal error, within its cost, and twice with the same result.
func FuzzCompile(f *testing.F) {
	for _, c := range conditions {
		f.Add(c.text)
	}
	for _, text := range []string{
		`client.all(c, has(c.version) ? c.version < "3" : c.distance >= 7)`, `event == event && quic.transport_parameters.map(p, p.id) == [1, 2]`,
		`time - duration("1h") < timestamp("2026-01-01T00:00:00Z")`, `hello.client_hello.size > 7`, `string(raw) == "x" || bytes(sni) == raw`,
		`{"a": 1, "b": 2}[sni] == 1`, `tells.filter(t, t.novel).map(t, t.name).join(",") == ""`, `ja4.split("_")[0].matches("^t13")`,
		`type(client) == list && dyn(sni) == 3`, `alpn + tags == via`, `sni.format([1]) == ""`,
	} {
		f.Add(text)
	}
	env := testEnv(f)
	events := []*event.Event{theEvent(), new(event.Event), filled()}
	f.Fuzz(func(t *testing.T, text string) {
		x, err := env.Compile(text, AtRequest)
		if err != nil {
			assert.NotContains(t, err.Error(), "internal error")
			return
		}
		for _, e := range events {
			var in Input
			in.Reset(e, nil)
			got, err := x.Match(&in)
			again, errAgain := x.Match(&in)
			require.Equal(t, got, again)
			require.Equal(t, err == nil, errAgain == nil)
			if err != nil {
				assert.False(t, strings.Contains(err.Error(), "internal error"), err)
			}
		}
	})
}
