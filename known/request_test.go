package known

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestToolUserAgents reads the User-Agents that tools send unless they are told
// otherwise, and names a row of tools that none of them has.
func TestToolUserAgents(t *testing.T) {
	agents := map[string]string{ // to the program
		"curl/8.14.1":                 "curl",
		"Go-http-client/2.0":          "Go net/http",
		"quic-go HTTP/3":              "quic-go",
		"python-requests/2.32.3":      "Python requests",
		"Python-urllib/3.13":          "Python urllib",
		"python-urllib3/2.5.0":        "Python urllib3",
		"python-httpx/0.28.1":         "Python httpx",
		"Python/3.13 aiohttp/3.12.15": "Python aiohttp",
		"Tornado/6.5.1":               "Python tornado",
		"HTTPie/3.2.4":                "HTTPie",
		"node":                        "Node",
		"undici":                      "Node undici",
		"axios/1.11.0":                "Node axios",
		"Needle/3.3.1 (Node.js v24.4.1; linux x64)": "Node needle",
		"got (https://github.com/sindresorhus/got)": "Node got",
		"Java-http-client/25":                       "Java HttpClient",
		"Java/25":                                   "Java",
		"Apache-HttpClient/5.5 (Java/25)":           "Apache HttpClient",
		"okhttp/5.1.0":                              "okhttp",
		"Wget/1.25.0":                               "wget",
		"wget2/2.2.0":                               "wget2",
		"Deno/2.4.3":                                "Deno",
		"Bun/1.2.20":                                "Bun",
	}
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	families := map[string]bool{}
	for _, e := range entries {
		families[e.Family] = true
	}
	for header, program := range agents {
		got := parseToolUserAgent(header)
		assert.Equal(t, program, got.program, header)
		assert.True(t, families[got.family], "%s is of the family %q, which no built-in client has", header, got.family)
	}
	for _, tool := range tools {
		has := false
		for header, program := range agents {
			has = has || strings.HasPrefix(header, tool.prefix) && program == tool.says
		}
		assert.True(t, has, "no User-Agent here is that of %s", tool.says)
	}
	assert.Zero(t, parseToolUserAgent("Mozilla/5.0"))
}
