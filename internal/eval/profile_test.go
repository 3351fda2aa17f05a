package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/known"
)

func TestProfileUserAgent(t *testing.T) {
	const (
		windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
		mac     = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
		iphone  = "Mozilla/5.0 (iPhone; CPU iPhone OS "
	)
	for client, want := range map[string]string{
		"uTLS HelloChrome_120":        windows + "Chrome/120.0.0.0 Safari/537.36",
		"tls-client chrome_133_PSK":   windows + "Chrome/133.0.0.0 Safari/537.36",
		"primp chrome133":             windows + "Chrome/133.0.0.0 Safari/537.36",
		"curl-impersonate chrome133a": windows + "Chrome/133.0.0.0 Safari/537.36",
		"uTLS HelloEdge_106":          windows + "Chrome/106.0.0.0 Safari/537.36 Edg/106.0.0.0",
		"tls-client opera_91":         windows + "Chrome/105.0.0.0 Safari/537.36 OPR/91.0.0.0",
		"curl-impersonate firefox120": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:120.0) Gecko/20100101 Firefox/120.0",
		"curl-impersonate chrome-99-android": "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) " +
			"Chrome/99.0.0.0 Mobile Safari/537.36",
		"x safari16":                       mac + "Version/16.0 Safari/605.1.15",
		"x safari155":                      mac + "Version/15.5 Safari/605.1.15",
		"wreq safari_17.5":                 mac + "Version/17.5 Safari/605.1.15",
		"tls-client safari_ios_17_0":       iphone + "17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1",
		"curl-impersonate safari-17-2-ios": iphone + "17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 Mobile/15E148 Safari/604.1",
		"uTLS HelloIOS_14":                 iphone + "14_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/14.0 Mobile/15E148 Safari/604.1",
		"tls-client okhttp4_android_13":    "okhttp/4.0.0",
	} {
		r, made := requestAs(client, known.Request{UserAgent: "Mozilla/5.0"})
		assert.True(t, made, client)
		assert.Equal(t, want, r.UserAgent, client)
		_, made = requestAs(client, r)
		assert.False(t, made, "%s has its own", client)
	}
	for _, client := range []string{"uTLS HelloRandomized", "got-scraping chrome", "tls-client cloudscraper", "uTLS HelloFirefox_Auto"} {
		r, made := requestAs(client, known.Request{UserAgent: "Mozilla/5.0"})
		assert.False(t, made, client)
		assert.Equal(t, "Mozilla/5.0", r.UserAgent, client)
	}
	r, made := requestAs("wreq chrome_149", known.Request{UserAgent: windows + "Chrome/149.0.7827.1 Safari/537.36 Edg/149.0.0.0"})
	assert.True(t, made, "Edge is not Chrome")
	assert.NotContains(t, r.UserAgent, "Edg/")
}

func TestManifestLists(t *testing.T) {
	for line, want := range map[string]manifestLine{
		`{"version": "1.2", "user_agent": "curl/8", "h2_akamai": "|00|0|m"}`:                   {Version: "1.2", UserAgent: "curl/8", HTTP2: "|00|0|m"},
		`{"version": 26.4, "user_agent": ["", "curl/8", "x"], "h2_akamai": [null, "|00|0|m"]}`: {Version: "26.4", UserAgent: "curl/8", HTTP2: "|00|0|m"},
		`{"version": null, "user_agent": [], "client": ["curl"]}`:                              {Client: "curl"},
	} {
		var m manifestLine
		require.NoError(t, json.Unmarshal([]byte(line), &m), line)
		assert.Equal(t, want, m, line)
	}
	var m manifestLine
	assert.EqualError(t, json.Unmarshal([]byte(`{"user_agent": {"a": 1}}`), &m), `a text is {"a": 1}`)
	for line, want := range map[string]string{
		`{"http_header_order": ["a", "b"]}`:          "a,b",
		`{"http_header_order": [["a", "b"], ["c"]]}`: "a,b",
		`{"http_header_order": []}`:                  "",
	} {
		var m manifestLine
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		assert.Equal(t, want, m.request().Headers, line)
	}
}
