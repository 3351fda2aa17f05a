package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestHeadersSets: also what is removed without being set.
func TestHeadersSets(t *testing.T) {
	h := Headers{JA4: "X-Mine", JSON: "X-Event", Drop: []string{"X-Forwarded-*"}}
	for name, want := range map[string]bool{
		"X-Mine": true, "x_event": true, "X-Forwarded-For": true, "X-TLS-Client": true, "X-JA3-Fingerprint": true,
		"X-JA4-Fingerprint": false, "TLSpeek-Event": false, "Host": false,
	} {
		assert.Equal(t, want, h.Sets(name), name)
	}
}

func TestNamesAreRemovedFromConnection(t *testing.T) {
	var names nameSet
	names.Add("X-JA4-Fingerprint", "X-Forwarded-*")
	for _, c := range []struct {
		values []string
		want   []string
	}{
		{nil, nil},
		{[]string{"keep-alive"}, []string{"keep-alive"}},
		{[]string{"close, Other"}, []string{"close, Other"}},
		{[]string{"Keep-Alive", "Upgrade"}, []string{"Keep-Alive", "Upgrade"}},
		{[]string{"x-ja4-fingerprint"}, nil},
		{[]string{"X_JA4_Fingerprint,"}, nil},
		{[]string{",\t,X-JA4-Fingerprint\t,\t"}, nil},
		{[]string{"close", "X-Forwarded-For", "Other"}, []string{"close, Other"}},
		{[]string{`"X-JA4-Fingerprint", close`}, []string{"close"}},
		{[]string{"close;X-JA4-Fingerprint, Other"}, []string{"Other"}},
		{[]string{"close X-Forwarded-Proto, Other"}, []string{"Other"}},
		{[]string{"X-JA4-Fingerprint=1, Other"}, []string{"Other"}},
		{[]string{"\x0bX-JA4-Fingerprint\u00a0, Other"}, []string{"Other"}},
	} {
		for _, field := range []string{"Connection", "Proxy-Connection"} {
			fields := http.Header{"Other": {"mine"}, "Keep-Alive": {"timeout=5"}}
			want := fields.Clone()
			if c.values != nil {
				fields[field] = c.values
			}
			if c.want != nil {
				want[field] = c.want
			}
			names.removeFromConnection(fields)
			assert.Equal(t, want, fields, "%s: %q", field, c.values)
		}
	}
}

func BenchmarkRemoveNames(b *testing.B) {
	names := (&Headers{All: true, Drop: []string{"X-Forwarded-*", "X-Real-IP", "Forwarded"}}).fields().names
	fields := http.Header{}
	for name := range strings.SplitSeq("Accept Accept-Encoding Accept-Language Cache-Control Cookie Priority Referer Sec-Ch-Ua Sec-Ch-Ua-Mobile Sec-Ch-Ua-Platform Sec-Fetch-Dest Sec-Fetch-Mode User-Agent X-Requested-With", " ") {
		fields[name] = []string{"x"}
	}
	b.ReportAllocs()
	for b.Loop() {
		names.removeFrom(fields)
		names.removeFromConnection(fields)
	}
}
