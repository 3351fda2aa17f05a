package guard_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/policy"
	"github.com/tlspeek/tlspeek/server/guard"
)

// versionText is a policy in which everything has its version: rules at both stages, tags,
// and what a list has.
const versionText = `
lists:
  paths: {values: [/deny-%[1]s, /both]}
rules:
  - {name: hello-%[1]s, when: 'transport != ""', do: tag, tags: [h1-%[1]s, h2-%[1]s], stage: hello}
  - {name: tag-%[1]s, when: 'user_agent != ""', do: tag, tags: [r1-%[1]s, r2-%[1]s], stage: request}
  - {name: deny-%[1]s, when: 'inList("paths", request.path)', do: deny, tags: [r3-%[1]s]}
  - {name: allow-%[1]s, when: 'request.method == "GET"', do: allow, tags: [r4-%[1]s]}
`

// TestReloadUnderLoad: while the policy is replaced all the time, each request over each
// version of HTTP is answered, and by one version of the policy, and so is each hello.
func TestReloadUnderLoad(t *testing.T) {
	const clients, requests = 4, 60
	var current atomic.Pointer[policy.Policy]
	next := func(version string, previous *policy.Policy) {
		p, err := policy.Load(fstest.MapFS{"p": {Data: fmt.Appendf(nil, versionText, version)}}, "p", policy.LoadOptions{Previous: previous})
		if assert.NoError(t, err) {
			current.Store(p)
		}
	}
	next("a", nil)
	s := serve(t, &guard.Guard{Policy: current.Load})

	stop, swaps := make(chan struct{}), 0
	var swapper sync.WaitGroup
	swapper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				swaps++
				next([]string{"a", "b"}[swaps%2], current.Load())
			}
		}
	})
	seen := make(map[string]int)
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, version := range versions {
		for range clients {
			client, url := s.client(t, version)
			all.Go(func() {
				defer client.CloseIdleConnections()
				for i := range requests {
					path := []string{"/", "/both", "/deny-a"}[i%3]
					status, body, _, err := get(client, url+path)
					if !assert.NoError(t, err) {
						return
					}
					got := fmt.Sprint(status)
					switch {
					case path == "/both" || status == 403:
						assert.Equal(t, 403, status)
					default:
						rule, rest, _ := strings.Cut(body, " ")
						got = strings.TrimPrefix(rule, "allow-")
						tags := strings.Split(strings.TrimPrefix(rest, "allow "), ",")
						if assert.Len(t, tags, 5, body) {
							hello := strings.TrimPrefix(tags[0], "h1-")
							assert.Equal(t, []string{"h1-" + hello, "h2-" + hello, "r1-" + got, "r2-" + got, "r4-" + got}, tags)
						}
						assert.False(t, path == "/deny-a" && got == "a", body)
					}
					mu.Lock()
					seen[got]++
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	close(stop)
	swapper.Wait()
	assert.Greater(t, swaps, 10)
	assert.Positive(t, seen["a"])
	assert.Positive(t, seen["b"])
	assert.Equal(t, len(versions)*clients*requests, seen["a"]+seen["b"]+seen["403"])
	for _, e := range s.events(t, len(versions)*clients) {
		version := e.Rule[len(e.Rule)-1:]
		require.Contains(t, []string{"allow-" + version, "deny-" + version}, e.Rule)
		assert.Subset(t, e.Tags, []string{"r1-" + version, "r2-" + version})
	}
	require.NoError(t, s.stop())
}
