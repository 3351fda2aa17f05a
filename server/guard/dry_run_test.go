package guard_test

import (
	"fmt"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/policy"
	"github.com/tlspeek/tlspeek/server/guard"
)

// TestDryRunEndsAtTheHello: the rules of requests are not for a connection that would have
// been closed at its hello, and its Event has what would have closed it. A rule that only
// counts would not have.
func TestDryRunEndsAtTheHello(t *testing.T) {
	for _, mode := range []string{"enforce", "count"} {
		for _, of := range []string{"guard", "policy"} {
			text := fmt.Sprintf(`
rules:
  - {name: all, when: 'true', do: close, mode: %s}
  - {name: some, when: request.path == "/", do: deny}
`, mode)
			p, err := policy.Load(fstest.MapFS{"p.yaml": {Data: []byte(text)}}, "p.yaml", policy.LoadOptions{DryRun: of == "policy"})
			require.NoError(t, err)
			g := &guard.Guard{Policy: func() *policy.Policy { return p }, DryRun: of == "guard"}
			s := serve(t, g)
			want := map[string]string{"enforce": "all count would-close", "count": "some count would-close,would-deny"}[mode]
			for _, version := range versions {
				client, url := s.client(t, version)
				for range 2 {
					status, body, _, err := get(client, url)
					require.NoError(t, err)
					assert.Equal(t, 200, status)
					assert.Equal(t, want, body)
				}
				client.CloseIdleConnections()
			}
			for r := range p.Rules() {
				acted := map[string]uint64{"all enforce": 3, "all count": 3, "some enforce": 0, "some count": 6}[r.Name+" "+mode]
				assert.Equal(t, acted, r.Counts().Acted, r.Name)
			}
			require.NoError(t, s.stop())
		}
	}
}
