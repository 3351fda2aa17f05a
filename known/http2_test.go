package known

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestStacks finds the stack of the HTTP/2 of each built-in client, and of other
// versions of them, and names a stack that none of these have.
func TestStacks(t *testing.T) {
	found := map[*stack]bool{}
	check := func(h2 string, want browser, name string) {
		s := stackOf(h2)
		if assert.NotNil(t, s, "no stack for %s of %s", h2, name) {
			found[s] = true
			assert.Equal(t, want, s.browser, "the browser of %s", name)
			assert.NotEmpty(t, s.name, h2)
			if want != noBrowser {
				assert.Equal(t, want.name(), s.name)
				assert.True(t, strings.HasSuffix(h2, "|"+s.order), "the order of %s", s.prefix)
			}
		}
	}
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	for _, e := range entries {
		if e.HTTP2 == "" {
			continue
		}
		want := noBrowser
		switch {
		case e.Kind != KindBrowser:
		case e.Family == "Chromium":
			want = chromium
		case e.Family == "Firefox":
			want = firefox
		case e.Name == "Safari":
			want = safari
		}
		check(e.HTTP2, want, e.Name+" "+e.Version)
	}
	for h2, want := range map[string]browser{
		"1:65536;3:1000;4:6291456|15663105|0|m,a,s,p":                                                       chromium,
		"1:65536;4:131072;5:16384|12517377|3:0:0:201,5:0:0:101,7:0:0:1,9:0:7:1,11:0:3:1,13:0:0:241|m,p,a,s": firefox,
		"3:100;4:10485760;2:0|1048510465|0|m,s,a,p":                                                         noBrowser, // curl
		"1:4096;2:0;4:65535;5:16384;3:100;6:65536|16777216|0|m,a,s,p":                                       noBrowser, // httpx
		"2:0;4:262144|458753|0|a,m,p,s":                                                                     noBrowser, // undici
		"1:65536;2:0;4:6291456;6:262144;6714:99|15663105|0|m,a,s,p":                                         chromium,  // with GREASE
		"1:65536;2:0;4:6291456;6:262144;GREASE|15663105|0|m,a,s,p":                                          chromium,  // with the word
		"4:4194304;3:100|10485760|0|m,s,p,a":                                                                safari,    // 15.6 and 16.1 on macOS
		"4:2097152;3:100|10485760|0|m,s,p,a":                                                                safari,    // iOS 16.7
		"2:0;4:4194304;3:100|10485760|0|m,s,p,a":                                                            safari,    // 17.0 on macOS
		"2:0;4:2097152;3:100|10485760|0|m,s,p,a":                                                            safari,    // iOS 17.2
		"2:0;3:100;4:2097152;8:1;9:1|10420225|0|m,s,a,p":                                                    safari,    // 18.0
		"2:0;3:100;4:2097152;9:1|10420225|0|m,s,a,p":                                                        safari,    // 18.5 and 26.0
		"2:0;4:2097152;5:16384;6:16384|5177345|0|m,s,a,p":                                                   noBrowser, // reqwest
		"2:0;4:33554432|4128769|0|m,p,s,a":                                                                  noBrowser, // got
	} {
		check(h2, want, "another version")
	}
	for i := range stacks {
		assert.True(t, found[&stacks[i]], "nothing here has the stack %s of %s", stacks[i].prefix, stacks[i].name)
	}
	assert.Nil(t, stackOf("1:1|1|0|m,a,s,p"))
	assert.Nil(t, stackOf(""))
}
