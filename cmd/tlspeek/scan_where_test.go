package main

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/filter"
	"github.com/tlspeek/tlspeek/policy"
)

// TestPrinterComputesWhatIsAsked: neither the table nor the expression makes the other's
// needs a cost of each hello.
func TestPrinterComputesWhatIsAsked(t *testing.T) {
	for _, test := range []struct {
		output              *scanOutput
		where               string
		clients             bool // that are looked up for the expression
		size                event.Size
		printJudged, lookup bool // of what is printed
	}{
		{&scanOutput{top: "ja4"}, `sni == ""`, false, event.Compact, true, false},
		{&scanOutput{top: "ja4"}, `size(tells) > 0`, true, event.Compact, true, false},
		{&scanOutput{top: "ja4"}, `size(raw) > 0`, false, event.Detail, true, false},
		{&scanOutput{top: "ja4,client.name"}, `sni == ""`, false, event.Compact, false, true},
		{&scanOutput{}, `sni == ""`, false, event.Compact, false, true},
		{&scanOutput{}, `size(client) > 0`, true, event.Compact, true, true},
		{&scanOutput{full: true}, `size(client) > 0`, true, event.Compact, false, true},
		{&scanOutput{count: true}, `carrier.bytes > 0`, false, event.Full, false, false},
	} {
		o := test.output
		require.NoError(t, o.check(false))
		w, err := filter.NewWhere([]string{test.where}, policy.EnvOptions{})
		require.NoError(t, err)
		p := o.printer(new(filter.Filter), w, new(recentSignals))
		assert.True(t, p.judges)
		assert.Equal(t, test.clients, !p.judged.SkipClients, test.where)
		assert.Equal(t, test.size, p.judgedSize, test.where)
		assert.Equal(t, test.lookup, !p.observer.SkipClients, test.where)
		assert.Equal(t, test.printJudged, p.printJudged, "%s %+v", test.where, test.output.top)
	}
}

// TestWhereIsFilter: expressions select what the flags do that say the same, in every
// form of output and on any number of jobs.
func TestWhereIsFilter(t *testing.T) {
	dir := filteredCaptures(t)
	for flag, expr := range map[string]string{
		"sni=":                `sni == ""`,
		"sni=name*":           `sni.lowerAscii().startsWith("name")`,
		"not-tell":            `!tells.exists(t, !t.novel && !t.lead)`,
		"tell=frozen-order":   `tells.exists(t, t.name == "frozen-order")`,
		"client=firefox":      `client.exists(c, c.name == "Firefox" && c.distance < 100 && c.distance <= client[0].distance)`,
		"not-kind=browser":    `!client.exists(c, c.kind == "browser" && c.distance <= client[0].distance && client[0].distance < 100)`,
		"host=192.0.2.0/29":   `cidr("192.0.2.0/29").containsIP(src_ip) || cidr("192.0.2.0/29").containsIP(dst_ip)`,
		"since=2026-01-01":    `time >= timestamp("2026-01-01T00:00:00Z")`,
		"until=50010":         `time < timestamp("1970-01-01T13:53:30Z")`,
		"ja4=t13*":            `ja4.startsWith("t13")`,
		"not-transport=tls":   `transport != "tls"`,
		"port=2003,2004":      `src_port in [2003, 2004]`,
		"not-ja3=0149*,aaaa*": `!(ja3.startsWith("0149") || ja3n.startsWith("0149") || ja3.startsWith("aaaa") || ja3n.startsWith("aaaa"))`,
		"family=firefox":      `size(client) > 0 && client[0].family == "Firefox" && client[0].distance < 100`,
	} {
		for _, form := range [][]string{nil, {"--full"}, {"--csv", "--fields", "sni,client.name"}, {"--top", "ja4,client.name"}, {"--unique=sni"}} {
			args := append(slices.Clone(form), dir)
			want := scanned(t, append([]string{"--" + flag}, args...)...)
			assert.Equal(t, want, scanned(t, append([]string{"--where", expr}, args...)...), "%s %v", expr, form)
		}
	}
}
