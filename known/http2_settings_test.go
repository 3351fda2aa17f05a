package known

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/internal/hellotest"
)

func TestHTTP2Settings(t *testing.T) {
	real := hellotest.Real(t)
	chrome := "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/"
	for _, c := range []struct {
		name, hello, http2, userAgent string
		found                         string // empty: none
		novel                         bool
	}{
		{name: "no table size", hello: "chromium-117", userAgent: chrome + "117.0.0.0 Safari/537.36",
			http2: "2:0;4:6291456;6:262144|15663105|0|m,a,s,p",
			found: "settings without HEADER_TABLE_SIZE: 2:0;4:6291456;6:262144|15663105|0|m,a,s,p"},
		{name: "with streams", hello: "chromium-117", userAgent: chrome + "117.0.0.0 Safari/537.36",
			http2: "3:1000;4:6291456;6:262144|15663105|0|m,a,s,p",
			found: "settings without HEADER_TABLE_SIZE: 3:1000;4:6291456;6:262144|15663105|0|m,a,s,p"},
		{name: "no window", hello: "chromium-117", userAgent: chrome + "117.0.0.0 Safari/537.36",
			http2: "1:65536;14:1|00|0|m,a,s,p", found: "settings without INITIAL_WINDOW_SIZE: 1:65536;14:1|00|0|m,a,s,p"},
		{name: "another window", hello: "chromium-117", http2: "1:65536;2:0;4:1048576;6:262144|15663105|0|m,a,s,p"},
		{name: "more", hello: "chromium-117", http2: "1:65536;2:0;4:6291456;6:262144;9:1|15663105|0|m,a,s,p"},
		{name: "of another program", hello: "chromium-117", http2: "2:0;4:262144|458753|0|a,m,p,s"},
		{name: "a version to come", hello: "chromium-156", http2: "4:6291456;6:262144|15663105|0|m,a,s,p",
			found: "settings without HEADER_TABLE_SIZE: 4:6291456;6:262144|15663105|0|m,a,s,p", novel: true},
		{name: "Firefox", hello: "firefox-153", http2: "1:65536;2:0;4:131072|12517377|0|m,p,a,s",
			userAgent: firefoxUA, found: "settings without MAX_FRAME_SIZE: 1:65536;2:0;4:131072|12517377|0|m,p,a,s"},
		{name: "Firefox with preferences", hello: "firefox-153", http2: "1:4096;3:20;4:32768;5:16384|12517377|0|m,p,a,s"},
		{name: "no HTTP/2", hello: "chromium-117"},
	} {
		o := Observation{Hello: real[c.hello], Index: 1, HTTP2: c.http2, Request: Request{UserAgent: c.userAgent}}
		var got []Tell
		for _, tell := range AppendTells(nil, &o) {
			if tell.Name == "http2-settings" {
				got = append(got, tell)
			}
		}
		if c.found == "" {
			assert.Empty(t, got, c.name)
			continue
		}
		if assert.Len(t, got, 1, c.name) {
			assert.Equal(t, c.found, got[0].Found, c.name)
			assert.Equal(t, c.novel, got[0].Novel, c.name)
		}
	}
}
