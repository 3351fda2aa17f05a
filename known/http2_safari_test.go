package known

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestSafariHTTP2 judges a hello of Safari's shape with the HTTP/2 settings of Safari's
// versions, and with those of other programs.
func TestSafariHTTP2(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	var hello *parser.ClientHello
	for _, e := range entries {
		if e.Name == "tls-client" && e.Version == "safari_ios_17_0" && e.Hello != "" {
			hello, err = e.ParseHello()
			require.NoError(t, err)
		}
	}
	require.NotNil(t, hello)
	require.Equal(t, safari, browserShapeOf(hello))
	const iPhone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"

	for _, h2 := range []string{
		"4:4194304;3:100|10485760|0|m,s,p,a",
		"4:2097152;3:100|10485760|0|m,s,p,a",
		"2:0;4:4194304;3:100|10485760|0|m,s,p,a",
		"2:0;4:2097152;3:100|10485760|0|m,s,p,a",
		"2:0;3:100;4:2097152;8:1;9:1|10420225|0|m,s,a,p",
		"2:0;3:100;4:2097152;9:1|10420225|0|m,s,a,p",
		"2:0;3:100;4:2097152;9:1|10420225|0|m,a",     // CONNECT
		"2:0;3:100;4:8388608;9:1|10420225|0|m,s,a,p", // not known
		"",
	} {
		for _, ua := range []string{safariUA, iPhone} {
			o := Observation{Hello: hello, RecordVersion: parser.VersionTLS10, HTTP2: h2, Request: Request{UserAgent: ua}}
			assert.Empty(t, AppendTells(nil, &o), h2)
			assert.NotEqual(t, VerdictInconsistent, CheckClaim(&o, nil).Verdict, h2)
		}
	}
	for h2, want := range map[string]string{
		goH2: "http2-stack",
		"1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p": "http2-stack",
		"2:0;4:2097152;5:16384;6:16384|5177345|0|m,s,a,p":   "http2-stack",
		"2:0;3:100;4:2097152;9:1|10420225|0|m,s,p,a":        "http2-order",
		"2:0;4:4194304;3:100|10485760|0|m,a,s,p":            "http2-order",
	} {
		o := Observation{Hello: hello, RecordVersion: parser.VersionTLS10, HTTP2: h2, Request: Request{UserAgent: safariUA}}
		got := AppendTells(nil, &o)
		require.Len(t, got, 1, h2)
		assert.Equal(t, want, got[0].Name, h2)
		if want == "http2-stack" {
			assert.False(t, got[0].Novel)
			assert.Equal(t, VerdictInconsistent, CheckClaim(&o, nil).Verdict, h2)
		}
	}
	for name, b := range map[string]browser{"chromium-156": chromium, "firefox-153": firefox} {
		o := Observation{Hello: hellotest.Real(t)[name], RecordVersion: parser.VersionTLS10, HTTP2: "2:0;3:100;4:2097152;9:1|10420225|0|m,s,a,p"}
		got := AppendTells(nil, &o)
		require.Len(t, got, 1, name)
		assert.Equal(t, "http2-stack", got[0].Name)
		assert.Equal(t, "Safari: "+o.HTTP2, got[0].Found)
		assert.Equal(t, b.name()+"'s settings", got[0].Expected)
	}
}

// TestSafariVersion reads the version of Safari alone.
func TestSafariVersion(t *testing.T) {
	const mac, phone = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
	for header, want := range map[string]int{
		mac + " Version/26.0 Safari/605.1.15":                                      26,
		phone + " Version/26.1 Mobile/15E148 Safari/604.1":                         26,
		mac + " CriOS/85 Version/11.1.1 Safari/605.1.15":                           0, // Chrome on iOS, asked for desktop pages
		phone + " CriOS/141.0.7390.41 Mobile/15E148 Safari/604.1":                  0,
		phone + " FxiOS/143.0 Mobile/15E148 Safari/604.1":                          0,
		phone + " Version/15.0 EdgiOS/113.0.1774.50 Mobile/15E148 Safari/605.1.15": 0,
		phone + " Version/17.4 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15":         0,
		phone + " Version/18.0 Mobile/15E148 Safari/604.1 [FBAN/FBIOS]":            0,
		phone + " Mobile/15E148":                                                   0, // a web view
		phone + " Version/":                                                        0,
	} {
		assert.Equal(t, want, parseUserAgent(header).major, header)
	}
}

// TestHTTP2OfOldSafari: the hello of an old Safari has no browser's shape, so the settings
// of another program are no tell. They refute the claim.
func TestHTTP2OfOldSafari(t *testing.T) {
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	judged := 0
	for i := range entries {
		e := &entries[i]
		if e.Family != "Safari" && e.Family != "Apple" || e.Kind == KindImpersonator || e.Transport == "quic" {
			continue
		}
		h, err := e.ModelHello()
		require.NoError(t, err)
		if browserShapeOf(h) != noBrowser {
			continue
		}
		judged++
		o := Observation{Hello: h, Request: Request{UserAgent: iPhoneUA}}
		for h2, refuted := range map[string]bool{"": false, "4:2097152;3:100|10485760|0|m,s,p,a": false, "1:1|2|0|m": false, goH2: true} {
			o.HTTP2 = h2
			reasons := Identify(&o).Claim.Reasons
			assert.Equal(t, refuted, slices.Contains(reasons, "the HTTP/2 settings are Go net/http's, not Safari's"), "%s %s: %v", e.Name, h2, reasons)
		}
	}
	assert.Greater(t, judged, 10)
}
