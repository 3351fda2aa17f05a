package known

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

const (
	chromeH3  = "1:65536;6:262144;7:100;51:1;GREASE|m,a,s,p"
	firefoxH3 = "1:65536;7:20;8:1;51:1;16765559:1;727725890:0|m,s,a,p"
	goH3      = "6:10485760|a,m,p,s"
)

func TestHTTP3Stacks(t *testing.T) {
	for h3, want := range map[string]string{
		chromeH3:                            "Chromium",
		firefoxH3:                           "Firefox",
		goH3:                                "quic-go",
		"6:10485760;51:1|a,m,p,s":           "quic-go",
		"6:1000;8:1;51:1|a,m,p,s":           "quic-go",
		"|a,m,p,s":                          "quic-go", // before it had a limit
		"1:4096;7:16;8:1;GREASE|m,s,a,p":    "aioquic",
		"1:4096;7:16;8:1;GREASE|m,a,s,p":    "aioquic",
		"1:65536;6:262144;7:100;51:1|m,a,s": "",
		"1:65536;6:262144;7:100;51:1;GREASE|m,s,a,p": "",
		"6:10485760|m,a,s,p":                         "",
		"1:0;6:10485760|a,m,p,s":                     "",
		"6:1":                                        "",
		"":                                           "",
	} {
		s := http3StackOf(h3)
		if want == "" {
			assert.Nil(t, s, h3)
		} else if assert.NotNil(t, s, h3) {
			assert.Equal(t, want, s.name, h3)
		}
	}
	named := map[string]bool{}
	for _, x := range HTTP3Texts() {
		if s := http3StackOf(x.Text); assert.NotNil(t, s, x.Text) {
			assert.Equal(t, x.Name, s.name)
			named[s.name] = true
		}
	}
	assert.Len(t, named, 3)
}

func TestHTTP3Claims(t *testing.T) {
	real := hellotest.Real(t)
	const chromium156, firefox153 = "the hello has the shape of Chromium's", "the hello has the shape of Firefox's"
	for name, c := range map[string]struct {
		hello, h3 string
		request   Request
		verdict   Verdict
		reasons   []string
		tells     int
	}{
		"Chromium":               {"chromium-156-quic", chromeH3, claims(chromium, 156), VerdictConsistent, []string{chromium156, "the HTTP/3 settings are Chromium's"}, 0},
		"Firefox":                {"firefox-153-quic", firefoxH3, claims(firefox, 153), VerdictConsistent, []string{firefox153, "the HTTP/3 settings are Firefox's"}, 0},
		"Go":                     {"chromium-156-quic", goH3, claims(chromium, 156), VerdictInconsistent, []string{"tell http3-stack: quic-go: " + goH3}, 1},
		"Go, a newer version":    {"firefox-153-quic", "6:10485760;51:1|a,m,p,s", claims(firefox, 155), VerdictInconsistent, []string{"the HTTP/3 settings are quic-go's, not Firefox's"}, 0},
		"Firefox's settings":     {"chromium-156-quic", firefoxH3, claims(chromium, 158), VerdictInconsistent, []string{"tell http3-stack: Firefox: " + firefoxH3}, 1},
		"Python":                 {"chromium-156-quic", "1:4096;7:16;8:1;GREASE|m,a,s,p", claims(chromium, 156), VerdictInconsistent, []string{"tell http3-stack: aioquic: 1:4096;7:16;8:1;GREASE|m,a,s,p"}, 1},
		"newer settings":         {"chromium-156-quic", "1:65536;6:262144;7:200;51:1;99:1;GREASE|m,a,s,p", claims(chromium, 158), VerdictConsistent, []string{chromium156, "newer than 156, the newest version that is known"}, 0},
		"unknown settings":       {"chromium-156-quic", "1:65536;6:262144;7:200|m,s,a,p", claims(chromium, 156), VerdictConsistent, []string{chromium156}, 0},
		"another order":          {"chromium-156-quic", "1:65536;6:262144;7:100;51:1;GREASE|m,s,a,p", claims(chromium, 156), VerdictInconsistent, []string{"tell http3-order: pseudo-headers m,s,a,p"}, 1},
		"a newer order":          {"chromium-156-quic", "1:65536;6:262144;7:100;51:1;GREASE|m,s,a,p", claims(chromium, 158), VerdictConsistent, []string{chromium156, "newer than 156, the newest version that is known"}, 1},
		"CONNECT":                {"chromium-156-quic", "1:65536;6:262144;7:100;51:1;GREASE|m,a", claims(chromium, 156), VerdictConsistent, []string{chromium156}, 0},
		"extended CONNECT":       {"chromium-156-quic", "1:65536;6:262144;7:100;51:1;GREASE|s,m,a,p", Request{UserAgent: chromeUA, Headers: ":scheme,:method,:authority,:path,:protocol"}, VerdictConsistent, []string{chromium156}, 0},
		"curl with Chromium's":   {"Go", chromeH3, Request{UserAgent: "curl/8.5.0"}, VerdictInconsistent, []string{"the HTTP/3 settings are Chromium's, not those of curl"}, 0},
		"Go, no browser's shape": {"Go", goH3, claims(chromium, 156), VerdictInconsistent, []string{"the HTTP/3 settings are quic-go's, not Chromium's"}, 0},
		"another browser's own":  {"firefox-153-quic", firefoxH3, claims(chromium, 156), VerdictInconsistent, []string{"the HTTP/3 settings are Firefox's, not Chromium's", "the hello has the shape of Firefox's, not of Chromium's"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := real[c.hello]
			if c.hello == "Go" { // no browser's shape
				h = edit(real["chromium-156-quic"], func(h *parser.ClientHello) { h.ApplicationSettings = nil })
			}
			o := Observation{Hello: h, HTTP3: c.h3, Request: c.request, Time: november}
			r := Identify(&o)
			assert.Equal(t, c.verdict, r.Claim.Verdict, r.Claim.Reasons)
			if c.verdict == VerdictConsistent {
				name, _, _ := strings.Cut(r.Claim.Program, " ")
				c.reasons = append(c.reasons, "by its hello, a copy cannot be told from "+name)
			}
			assert.Equal(t, c.reasons, r.Claim.Reasons)
			assert.Len(t, r.Tells, c.tells)
			if c.tells == 0 {
				var buf [4]Tell
				assert.Zero(t, testing.AllocsPerRun(100, func() { AppendTells(buf[:0], &o) }))
			}
		})
	}
}
