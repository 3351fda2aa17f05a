package known

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// TestHTTP2Writing: Chromium 92 to 156 and Firefox 153 have no tell and no lead, and
// imitations of them have one for what they write in another way: evidence for Chromium, but
// for its priority. All texts are of real clients.
func TestHTTP2Writing(t *testing.T) {
	const (
		chromiumHTTP2 = "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p"
		firefoxHTTP2  = "1:65536;2:0;4:131072;5:16384|12517377|0|m,p,a,s"
	)
	for name, c := range map[string]struct {
		hello, http2, wire string
		found              string
	}{
		"Chromium":               {"chromium-156", chromiumHTTP2, "S,W,H|1:0:256|m=i,a=+h,s=i,p=-h|+Nh,+Np*3,+h*2,+Nh*2,+Np,+Nh,+h*2,+Nh", ""},
		"Chromium, /":            {"chromium-156", chromiumHTTP2, "S,W,H|1:0:256|m=i,a=+h,s=i,p=i|+Nh,+Np*3,+h*2,+Nh*2,+Np,+Nh,+h*2,+Nh", ""},
		"Chromium, later":        {"chromium-156", chromiumHTTP2, "S,W,A,H|1:0:220|m=i,a=+h,s=i,p=-h|u,+Nh,+Np*3", ""},
		"Chromium, asked not to": {"chromium-156", chromiumHTTP2, "S,W,A,H|0|m=i,a=+h,s=i,p=-h|+Nh", ""},
		"Chromium 92":            {"chromium-117", "1:65536;3:1000;4:6291456;6:262144|15663105|0|m,a,s,p", "S,W,H|1:0:256|m=i,a=+h,s=i,p=-h|+Np,+h*2,+Nh*2,+Np,+Nh,+h*2", ""},
		"Chromium 131":           {"chromium-117", chromiumHTTP2, "S,W,A,H|1:0:256|m=i,a=+h,s=i,p=-h|+Nh,+Np*3,+h*2,+Nh*2,+Np,+Nh,+h,+Nh", ""},
		"Firefox":                {"firefox-153", firefoxHTTP2, "S,W,H|0:0:42|m=i,p=-h,a=+h,s=i|+h*4,+NH,+Nh*3,+NH,+Nh*2", ""},
		"Firefox, short path":    {"firefox-153", firefoxHTTP2, "S,W,H|0:0:22|m=i,p=-H,a=+h,s=i|+h*4,+Nh,!h,-h", ""},
		"Firefox, acknowledged":  {"firefox-153", firefoxHTTP2, "S,W,A,H|0:0:42|m=i,p=-h,a=+h,s=i|u,+h*4,+Nh*7", ""},
		"Firefox, old":           {"firefox-153", firefoxHTTP2, "S,W,P*6,H|0:13:42|m=i,p=-h,a=+h,s=i|+h*4", ""},
		"no request":             {"chromium-156", "", "", ""},
		"Go":                     {"chromium-156", chromiumHTTP2, "S,W,H|1:0:256|m=i,a=+h,s=i,p=+h|+p*2,+h*2", ":path +h"},
		"Go, settings of its own": {"chromium-156", "2:0;4:4194304;5:16384;6:10485760|1073741824|0|a,m,p,s",
			"S,W,H|0|a=+h,m=i,p=+h,s=i|+h,+p,+h", ""}, // which http2-stack says
		"Go as Firefox": {"firefox-153", firefoxHTTP2, "S,W,H|1:0:256|m=i,p=+h,a=+h,s=i|+p*2,+h*2", ":path +h; values without Huffman coding"},
		"Rust's h2": {"chromium-156", chromiumHTTP2, "S,A,W,H|1:0:220|m=i,a=+h,s=i,p=-h|-H,+Nh,+NH*2,+h",
			"frames S,A,W,H; Huffman coding that is not shorter; fields that are not added to the dynamic table"},
		"Rust's h2 without priority": {"chromium-156", chromiumHTTP2, "S,W,H|0|m=i,a=+h,s=i,p=-h|+Nh,+h", "priority 0 in HEADERS"},
		"Rust's h2 as Firefox":       {"firefox-153", firefoxHTTP2, "S,A,W,H|0:0:22|m=i,p=-h,a=+h,s=i|-H,+Nh,+h*4,+Nh*4", "frames S,A,W,H"},
		"nghttp2 with a cookie":      {"chromium-156", chromiumHTTP2, "S,W,H|1:0:256|m=i,a=+h,s=i,p=-h|+Nh,+Np*3,!h", "fields that are not added to the dynamic table"},
		"Java":                       {"chromium-156", chromiumHTTP2, "S,W,H|1:0:256|a=-h,m=i,p=-h,s=i|u,-h", ":authority -h; fields that are not added to the dynamic table"},
		"no Huffman coding":          {"chromium-156", chromiumHTTP2, "S,W,H|1:0:256|m=i,a=+P,s=i,p=-P|+nP*2", "no Huffman coding where it is shorter"},
		"curl":                       {"curl-openssl-3.0", "3:100;4:33554432;2:0|33488897|0|m,p,s,a", "S,W,H|0|m=i,p=+h,s=i,a=-h|+H", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := hellotest.Real(t)[c.hello]
			o := Observation{Hello: h, Index: 1, HTTP2: c.http2, HTTP2Wire: c.wire, Request: claims(browserShapeOf(h), 153)}
			var found []string
			tells := AppendTells(nil, &o)
			for _, tell := range tells {
				if tell.Name == "http2-writing" || tell.Name == "http2-encoding" {
					assert.Equal(t, tell.Name == "http2-writing", tell.Lead)
					assert.False(t, tell.Novel)
					assert.Equal(t, "http2_wire", tell.Field)
					found = append(found, tell.Found)
				}
			}
			if c.found == "" {
				assert.Empty(t, found)
				return
			}
			assert.Equal(t, []string{c.found}, found)
			if IsEvidence(tells) {
				assert.Equal(t, chromium, browserShapeOf(h))
				assert.Equal(t, VerdictInconsistent, Identify(&o).Claim.Verdict)
				o.Request = claims(chromium, 158) // a version that may do so
				assert.NotEqual(t, VerdictInconsistent, Identify(&o).Claim.Verdict)
				return
			}
			with := Identify(&o)
			o.HTTP2Wire = ""
			without := Identify(&o)
			assert.Equal(t, without.Claim, with.Claim, "a lead refutes no claim")
			assert.Equal(t, without.Candidates, with.Candidates, "and puts no imitation first")
		})
	}
}

// TestHTTP2WritingOfAnything: texts of any form cause no panic.
func TestHTTP2WritingOfAnything(t *testing.T) {
	h := hellotest.Real(t)["chromium-156"]
	for _, wire := range []string{"|", "||", "|||", "S,W|||", "S,W,H|1:0:1|=,p|*", "S,W|1:0:|p=,a=|,,", "x"} {
		for _, tell := range AppendTells(nil, &Observation{Hello: h, Index: 1, HTTP2Wire: wire}) {
			assert.Equal(t, "http2_wire", tell.Field, wire)
		}
	}
}
