package known

import (
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
)

// A stack is an HTTP/2 implementation, recognised by its first settings.
type stack struct {
	prefix  string // of the Akamai format
	order   string // of the pseudo-headers, or empty for any
	name    string
	browser browser
}

// stacks are recognised by their first SETTINGS and WINDOW_UPDATE.
var stacks = [...]stack{
	{"1:65536;3:1000;4:6291456|15663105|0|", "m,a,s,p", "Chromium", chromium},
	{"1:65536;3:1000;4:6291456;6:262144|15663105|0|", "m,a,s,p", "Chromium", chromium},
	{"1:65536;2:0;3:1000;4:6291456;6:262144|15663105|0|", "m,a,s,p", "Chromium", chromium},
	{"1:65536;2:0;4:6291456;6:262144|15663105|0|", "m,a,s,p", "Chromium", chromium},
	{"1:65536;4:131072;5:16384|12517377|", "m,p,a,s", "Firefox", firefox},
	{"1:65536;2:0;4:131072;5:16384|12517377|", "m,p,a,s", "Firefox", firefox},
	{"4:4194304;3:100|10485760|0|", "m,s,p,a", "Safari", safari},             // macOS 12 and 13
	{"4:2097152;3:100|10485760|0|", "m,s,p,a", "Safari", safari},             // iOS 15 and 16
	{"2:0;4:4194304;3:100|10485760|0|", "m,s,p,a", "Safari", safari},         // macOS 14, and 15 at first
	{"2:0;4:2097152;3:100|10485760|0|", "m,s,p,a", "Safari", safari},         // iOS 17
	{"2:0;3:100;4:2097152;8:1;9:1|10420225|0|", "m,s,a,p", "Safari", safari}, // 18.0
	{"2:0;3:100;4:2097152;9:1|10420225|0|", "m,s,a,p", "Safari", safari},     // later 18, and 26
	{"2:0;4:4194304;5:16384;6:10485760|1073741824|0|", "", "Go net/http", noBrowser},
	{"2:0;4:4194304;5:1048576;6:10485760|1073741824|0|", "", "Go net/http", noBrowser}, // from 1.27 on
	{"2:0;4:4194304;6:10485760|1073741824|0|", "", "Go net/http", noBrowser},
	{"3:100;4:33554432;2:0|33488897|0|", "", "curl", noBrowser},
	{"3:100;4:10485760;2:0|1048510465|0|", "", "curl", noBrowser},
	{"1:4096;2:0;4:65535;5:16384;3:100;6:65536|16777216|0|", "", "Python h2", noBrowser},
	{"1:16384;2:0;3:0;4:16777216;5:16384;6:393216|33488897|0|", "", "Java HttpClient", noBrowser},
	{"4:16777216|16711681|0|", "", "okhttp", noBrowser},
	{"2:0;4:262144|458753|0|", "", "undici", noBrowser},
	{"2:0;4:33554432|4128769|0|", "", "got", noBrowser},
	{"2:0;4:2097152;5:16384;6:262144|5177345|0|", "", "hyper", noBrowser},
	{"2:0;4:2097152;5:16384;6:16384|5177345|0|", "", "hyper", noBrowser}, // its default, as in reqwest
	{"3:100;4:65535|00|3:0:0:201,", "", "nghttp", noBrowser},
	{"2:0;4:1073741823|1073676288|0|", "", "h2load", noBrowser},
	{"2:0|00|0|m,p,s,a", "", "wget2", noBrowser},
	{"|00|0|", "", "node http2", noBrowser},
	{"4:33554432;1:65536;2:0|33488897|0|m,s,a,p", "", "WebKitGTK", noBrowser},
}

// stackOf returns the stack that sends h2, or nil. It passes over settings that are
// GREASE, which Chromium sends with a flag.
func stackOf(h2 string) *stack {
	h2 = fingerprint.NormalizeHTTP2(h2)
	for i := range stacks {
		if strings.HasPrefix(h2, stacks[i].prefix) {
			return &stacks[i]
		}
	}
	return nil
}

// tellHTTP2 holds the HTTP/2 settings against the hello's shape. Unknown settings
// show nothing.
func tellHTTP2(dst []Tell, v view) []Tell {
	if v.HTTP2 == "" {
		return dst
	}
	if s := stackOf(v.HTTP2); s != nil && s.browser != v.browser {
		dst = append(dst, Tell{Field: "http2", Found: s.name + ": " + v.HTTP2, Expected: v.browser.name() + "'s settings"})
	}
	return dst
}

// tellHTTP2Order finds another order of the four pseudo-headers than the one that
// Chromium and Firefox have always had, or than the one that goes with Safari's
// settings; CONNECT has fewer. It adds nothing to the settings of another program.
func tellHTTP2Order(dst []Tell, v view) []Tell {
	if v.HTTP2 == "" {
		return dst
	}
	order := v.HTTP2[strings.LastIndexByte(v.HTTP2, '|')+1:]
	expected := "m,a,s,p"
	s := stackOf(v.HTTP2)
	switch {
	case v.browser == firefox:
		expected = "m,p,a,s"
	case v.browser == safari && s != nil:
		expected = s.order
	case v.browser == safari: // settings that are not known
		return dst
	}
	if s != nil && s.browser != v.browser || len(order) != len(expected) || order == expected {
		return dst
	}
	return append(dst, Tell{Field: "http2", Found: "pseudo-headers " + order, Expected: expected})
}

// checkHTTP2 holds the HTTP/2 settings against the claim to be a browser, where the hello
// does not have the shape of one, so that there is no tell: old versions have not.
func (j *judgement) checkHTTP2(o *Observation, a parsedUserAgent) {
	if s := stackOf(o.HTTP2); s != nil && s.browser != a.browser {
		j.refute("the HTTP/2 settings are " + s.name + "'s, not " + a.browser.name() + "'s")
	}
}
