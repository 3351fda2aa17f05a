package server

import (
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/known"
)

// saysOf returns what r says of its client.
func saysOf(r *http.Request) known.Request { return claimFieldsOf(r).request(osOf) }

func TestClaimFields(t *testing.T) {
	const chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36"
	r := &http.Request{Header: http.Header{
		"User-Agent":         {chrome},
		"Sec-Ch-Ua":          {`"Chromium";v="133"`},
		"Sec-Ch-Ua-Platform": {`"Windows"`},
	}}
	assert.Equal(t, known.Request{UserAgent: chrome, OS: "Windows", ClientHints: `"Chromium";v="133"`, Platform: "Windows"}, saysOf(r))
	assert.Equal(t, known.Request{}, saysOf(&http.Request{}))
	r.Header.Set("User-Agent", strings.Repeat("(", 1<<16))
	assert.Len(t, saysOf(r).UserAgent, maxHeaderText)
}

func FuzzClaimFields(f *testing.F) {
	f.Add("Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0", "")
	f.Add("curl/8.0", `"Chromium";v="133"`)
	f.Fuzz(func(t *testing.T, agent, hints string) {
		a := saysOf(&http.Request{Header: http.Header{"User-Agent": {agent}, "Sec-Ch-Ua": {hints}, "Sec-Ch-Ua-Platform": {hints}}})
		assert.True(t, strings.HasPrefix(agent, a.UserAgent))
		assert.True(t, strings.HasPrefix(hints, a.ClientHints))
	})
}

// TestLongFieldsAreNotKept: of a field of a megabyte, what is read is all that stays
// in memory.
func TestLongFieldsAreNotKept(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	kept := make([]claimFields, 64)
	for i := range kept {
		kept[i] = claimFieldsOf(&http.Request{Header: http.Header{"User-Agent": {strings.Repeat("a", 1<<20)}}})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(8<<20))
	assert.Len(t, kept[63].userAgent, maxHeaderText)
}
