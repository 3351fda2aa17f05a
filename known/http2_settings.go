package known

import (
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
)

// browserSettings are the HTTP/2 settings that a browser has sent in each version, by the
// ids before their colons. Chromium leaves out only what has its initial value
// (net/spdy/spdy_session.cc), Firefox nothing (netwerk/protocol/http/Http2Session.cpp).
// Flags and preferences change the values.
var browserSettings = [...]struct {
	browser browser
	id      string
	name    string
}{
	{chromium, "1", "HEADER_TABLE_SIZE"},
	{chromium, "4", "INITIAL_WINDOW_SIZE"},
	{firefox, "1", "HEADER_TABLE_SIZE"},
	{firefox, "4", "INITIAL_WINDOW_SIZE"},
	{firefox, "5", "MAX_FRAME_SIZE"},
}

// tellHTTP2Settings finds settings that lack one which the browser has sent in each
// version. It adds nothing to the settings of another program.
func tellHTTP2Settings(dst []Tell, v view) []Tell {
	if v.HTTP2 == "" || stackOf(v.HTTP2) != nil {
		return dst
	}
	text, _, _ := strings.Cut(fingerprint.NormalizeHTTP2(v.HTTP2), "|")
	for _, s := range &browserSettings {
		if s.browser == v.browser && !hasSetting(text, s.id) {
			return append(dst, Tell{Field: "http2", Found: "settings without " + s.name + ": " + v.HTTP2,
				Expected: v.browser.name() + " has sent it in each version"})
		}
	}
	return dst
}

// hasSetting reports whether the settings in a text of Akamai's have an id.
func hasSetting(text, id string) bool {
	for text != "" {
		var setting string
		setting, text, _ = strings.Cut(text, ";")
		if name, _, ok := strings.Cut(setting, ":"); ok && name == id {
			return true
		}
	}
	return false
}
