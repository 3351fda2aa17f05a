//go:build browser

package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/sitetest"
)

func (p shown) brief() string { return fmt.Sprint(p.Status, " ", p.Protocol) }

// siteAnswersBrowser: a browser gets the page, and one that claims to be another is counted,
// or denied once the rule acts. Open starts it over a protocol, as what it is or as agent.
func siteAnswersBrowser(t *testing.T, program, family, agent string, protocols []string, open func(t *testing.T, s *sitetest.Site, protocol, agent string) *browser) {
	for _, protocol := range protocols {
		t.Run(protocol, func(t *testing.T) {
			want, status := "no-browser deny", 403
			var edit func(string) string
			if protocol == "h2" {
				want, status = "no-browser count", 200
			} else {
				edit = func(text string) string { return strings.Replace(text, "    mode: count\n", "", 1) }
			}
			s := sitetest.Start(t, program, edit)
			show := open(t, s, protocol, "").show
			p, err := show(s.URL("/json"))
			// An alternative service is used once it is known to work.
			for n := 0; err == nil && p.Protocol != protocol && n < 20; n++ {
				p, err = show(s.URL("/json"))
			}
			require.NoError(t, err)
			assert.Equal(t, "200 "+protocol, p.brief())
			assert.Contains(t, p.Text, family)
			assert.Empty(t, s.Hits(t))
			p, err = show(s.URL("/.env"))
			require.NoError(t, err)
			assert.Equal(t, 403, p.Status)
			probes := map[string]int{"probes tarpit": 1}
			assert.Equal(t, probes, s.Hits(t))

			p, err = open(t, s, protocol, agent).show(s.URL("/json"))
			require.NoError(t, err)
			assert.Equal(t, status, p.Status)
			more := s.Hits(t)
			assert.Positive(t, more[want], more) // an icon may be asked for
			delete(more, want)
			assert.Equal(t, probes, more)
			events, log := s.End(t)
			assert.NotContains(t, log, "level=ERROR")
			seen := make(map[string]bool)
			for _, e := range events {
				if e.UserAgent == "" {
					continue // opened in advance
				}
				seen[e.Rule+" "+e.Action] = true
				if assert.NotEmpty(t, e.Client) {
					assert.Equal(t, family, e.Client[0].Family, e.Client)
					assert.Less(t, e.Client[0].Distance, 50, e.Client)
				}
				assert.Equal(t, strings.HasPrefix(e.Rule, "no-browser"), e.Claim.Verdict == "inconsistent", e)
			}
			assert.True(t, seen[want], seen)
			assert.True(t, seen[" "], seen)
		})
	}
}

func siteAnswersChromium(t *testing.T, program string) {
	siteAnswersBrowser(t, program, "Chromium", firefoxAgent, []string{"http/1.1", "h2", "h3"}, openChromium)
}

func siteAnswersFirefox(t *testing.T, program string) {
	siteAnswersBrowser(t, program, "Firefox", chromeAgent, []string{"h2", "h3"}, openFirefox)
}
