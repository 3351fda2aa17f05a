package policy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
)

func warnings(t *testing.T, text string) (all []string) {
	t.Helper()
	for _, w := range loadText(t, text).Check() {
		all = append(all, strings.TrimSuffix(fmt.Sprintf("%d %s: %s", w.Line, w.Rule, w.Message), "\n"))
	}
	return all
}

func TestCheckConditions(t *testing.T) {
	tests := []struct {
		when string
		want []string // messages
	}{
		{`sni == "x"`, nil},
		{`1 == 2`, []string{"the rule never matches"}},
		{`false && sni == "x"`, []string{"the rule never matches"}},
		{`size("abc") > 5`, []string{"the rule never matches"}},
		{`!(sni == "x" || true)`, []string{"the rule never matches"}},
		{`sni == "x" ? false : 1 > 2`, []string{"the rule never matches"}},
		{`sni == "x" && transport == "tls" && sni == "y"`, []string{"the rule never matches"}},
		{`"x" == sni && sni == "y"`, []string{"the rule never matches"}},
		{`src_port == 1 && src_port == 2`, []string{"the rule never matches"}},
		{`sni == "x" && sni == "x"`, nil},
		{`sni != "x" && sni == "y"`, nil},
		{`!(sni == event.sni)`, []string{"the rule never matches"}},
		{`ip(sni) == ip(sni)`, nil},
		{`!(ip(sni) == ip(sni)) || alpn[0] != alpn[0]`, nil},
		{`sni in []`, []string{"the rule never matches"}},
		{`transport == "tcp"`, []string{`transport is never "tcp": it is one of tls, quic, dtls`, "the rule never matches"}},
		{`event.transport == "qiuc"`, []string{`transport is never "qiuc": did you mean quic?`, "the rule never matches"}},
		{`transport in ["tls", "udp"]`, []string{`transport is never "udp": it is one of tls, quic, dtls`}},
		{`"udp" != transport && sni == "x"`, []string{`transport is never "udp": it is one of tls, quic, dtls`}},
		{`client.exists(c, c.kind == "borwser")`, []string{`client.kind is never "borwser": did you mean browser?`, "the rule never matches"}},
		{`!client.exists(c, c.kind == "browser" || c.kind == "bot")`, []string{`client.kind is never "bot": it is one of other, browser, library, tool, impersonator, proxy, malware`}},
		{`client.all(c, c.kind != "bot")`, []string{`client.kind is never "bot": it is one of other, browser, library, tool, impersonator, proxy, malware`}},
		{`size(client) > 0 && client[0].kind == "Browser"`, []string{`client.kind is never "Browser": did you mean browser?`, "the rule never matches"}},
		{`client.exists(client, client.name == "x")`, nil},
		{`client.exists(c, tells.exists(t, t.name == "frozen-ordr" && c.kind == "tool"))`, []string{`tells.name is never "frozen-ordr": did you mean frozen-order?`, "the rule never matches"}},
		{`tells.exists(t, t.name == "frozen-order")`, nil},
		{`tells.filter(t, t.name == "frozen-ordr").size() > 0`, []string{`tells.name is never "frozen-ordr": did you mean frozen-order?`}},
		{`claim.verdict == "inconsistant"`, []string{`claim.verdict is never "inconsistant": did you mean inconsistent?`, "the rule never matches"}},
		{`claim.verdict == ""`, nil},
		{`session == "psks"`, []string{`session is never "psks": did you mean psk?`, "the rule never matches"}},
		{`settled == "ended"`, []string{`settled is never "ended": it is one of request, line, end, time, full, passed`, "the rule never matches"}},
		{`request.protocol == "HTTP/2"`, []string{`request.protocol is never "HTTP/2": did you mean HTTP/2.0?`, "the rule never matches"}},
		{`request.method == "get"`, []string{`request.method is hardly "get": methods are in upper case`}},
		{`request.host == "Shop.example"`, []string{`request.host is never "Shop.example": it is in lower case`, "the rule never matches"}},
		{`ja4 == "` + chromeJA4 + `"`, nil},
		{`ja4 == "t13d1516h2"`, []string{`ja4 is never "t13d1516h2": a JA4 looks like t13d1516h2_8daaf6152771_d8a2da3f94cd`, "the rule never matches"}},
		{`ja4 == "t13d1516h2_8DAAF6152771_d8a2da3f94cd"`, []string{`ja4 is never "t13d1516h2_8DAAF6152771_d8a2da3f94cd": a JA4 looks like t13d1516h2_8daaf6152771_d8a2da3f94cd`, "the rule never matches"}},
		{`ja3 == "E7D705A3286E19EA42F587B344EE6865"`, []string{`ja3 is never "E7D705A3286E19EA42F587B344EE6865": it is 32 hex digits in lower case`, "the rule never matches"}},
		{`src_ip == "10.0.0.0/8"`, []string{`src_ip is never "10.0.0.0/8": it is an address; write cidr("10.0.0.0/8").containsIP(src_ip)`, "the rule never matches"}},
		{`src_ip == "2001:DB8::1"`, []string{`src_ip is never "2001:DB8::1": write "2001:db8::1"`, "the rule never matches"}},
		{`src_ip == "localhost"`, []string{`src_ip is never "localhost": it is an address`, "the rule never matches"}},
		{`client.exists(c, c.family == "Chromum")`, []string{`no built-in client has the family "Chromum": did you mean Chromium?`}},
		{`client.exists(c, c.name == "my own program" || c.name == "curl")`, nil},
		{`client.map(c, c.family)[0] == "Go"`, nil},
		{`agg(ja4).addresses > 5`, nil},
		{`agg("x").addresses > 5`, nil},
		{`"b" in alpn`, nil},
		{`"rul" in tags`, []string{`no rule adds the tag "rul": did you mean rule?`}},
		{`"rule" in tags || "would-tag" in tags || "agents-differ" in tags`, nil},
		{`"imp" in tags`, []string{`no rule adds the tag "imp"`}},
		{`sni == "*.example"`, []string{`sni is hardly "*.example": == compares the whole name; write sni.endsWith(".example")`}},
		{`request.host in [".shop.example", "shop.example"]`, []string{`request.host is hardly ".shop.example": == compares the whole name; write request.host.endsWith(".shop.example")`}},
		{`sni.endsWith("*.example")`, []string{`sni never ends with "*.example": write ".example"`, "the rule never matches"}},
		{`sni.endsWith(".example") || sni.startsWith("www.")`, nil},
		{`request.path == "login"`, []string{`request.path is never "login": it begins with /`, "the rule never matches"}},
		{`request.path != "login"`, []string{`request.path is never "login": it begins with /`}},
		{`request.path.startsWith("api/") || sni == "x"`, []string{`request.path never starts with "api/": it begins with /`}},
		{`request.path == "/login" || request.path == "*" || request.path == "" || request.path.startsWith("")`, nil},
		{`version == "TLS1.3"`, []string{`version is never "TLS1.3": it is one of 1.3, 1.2, 1.1, 1.0, ssl 3.0, ssl 2.0, or like 0x7f1c`, "the rule never matches"}},
		{`version in ["1.3", "ssl 3.0", "0x7f1c"]`, nil},
		{`version >= "1.2"`, []string{`>= compares texts, for which "ssl 3.0" is greater than "1.3": write version in ["1.2", "1.3"]`}},
		{`"1.2" > version`, []string{`< compares texts, for which "ssl 3.0" is greater than "1.3": write version in ["ssl 2.0", "ssl 3.0", "1.0", "1.1"]`}},
		{`client.exists(c, c.version < "1.2")`, nil},
		{`client.exists(c, c.family == "curl")`, []string{`no built-in client has the family "curl": it is a name`}},
		{`client.exists(c, c.name == "Go")`, []string{`no built-in client has the name "Go": it is a family`}},
		{`"HTTP/2" in alpn || "H2" in alpn`, []string{`alpn has hardly "HTTP/2": write "h2"`, `alpn has hardly "H2": write "h2"`}},
		{`alpn.exists(p, p == "http/1.1" || p == "h2" || p == "acme-tls/1" || p == "http/1.0")`, nil},
	}
	for _, tt := range tests {
		var got []string
		for _, w := range loadText(t, oneRule("name: rule", "when: '"+strings.ReplaceAll(tt.when, "'", "''")+"'", "do: tag")).Check() {
			assert.Equal(t, "rule", w.Rule)
			assert.Equal(t, 2, w.Line)
			got = append(got, w.Message)
		}
		assert.Equal(t, tt.want, got, tt.when)
	}
}

func TestCheckWarningShowsThePlace(t *testing.T) {
	all := loadText(t, oneRule("name: a", "when: |", "  sni == '' &&", "    transport == 'tcp'", "do: tag")).Check()
	require.Len(t, all, 2)
	assert.Equal(t, "\n    transport == 'tcp'\n                 ^", all[0].Source)
	assert.Empty(t, all[1].Source)
}

func TestCheckRules(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"all are reached", `
rules:
  - {name: a, when: sni == "a", do: deny}
  - {name: b, when: sni == "b", do: deny}
  - {name: c, when: 'true', do: close}`, ""},
		{"after true", `
rules:
  - {name: a, when: 'true', do: close}
  - {name: b, when: sni == "b", do: deny}`, "4 b: the rule is never reached: where it would match, rule a decides before"},
		{"after true of the other stage", `
rules:
  - {name: a, when: 'true', do: close}
  - {name: b, when: user_agent == "b", do: deny}`, ""},
		{"after true that does not decide", `
rules:
  - {name: a, when: 'true', do: tag}
  - {name: b, when: 'true', do: close, mode: count}
  - {name: c, when: 'true', do: limit, rate: 1/s}
  - {name: d, when: sni == "b", do: deny}`, ""},
		{"the same", `
rules:
  - {name: a, when: sni == "a", do: deny}
  - {name: b, when: '"a" == sni', do: close}`, "4 b: the rule is never reached: where it would match, rule a decides before"},
		{"narrower", `
rules:
  - {name: a, when: 'sni == "a" || client.exists(c, c.kind == "tool")', do: deny}
  - {name: b, when: 'transport == "tls" && client.exists(c, c.kind == "tool")', do: close}
  - {name: c, when: 'sni == "a" && transport == "tls" || client.exists(c, c.kind == "tool")', do: close}
  - {name: d, when: 'client.exists(c, c.kind == "tool") || sni == "b"', do: close}`,
			"4 b: the rule is never reached: where it would match, rule a decides before\n5 c: the rule is never reached: where it would match, rule a decides before"},
		{"wider", `
rules:
  - {name: a, when: sni == "a" && transport == "tls", do: deny}
  - {name: b, when: sni == "a", do: close}`, ""},
		{"at one of two stages", `
rules:
  - {name: a, when: 'true', do: deny, stage: hello}
  - {name: b, when: sni == "a", do: allow}`, ""},
		{"at both stages", `
rules:
  - {name: a, when: 'true', do: deny, stage: hello}
  - {name: b, when: 'true', do: deny, stage: request}
  - {name: c, when: sni == "a", do: allow}`, "5 c: the rule is never reached: where it would match, rule b decides before"},
		{"tags are added in between", `
rules:
  - {name: a, when: '"t" in tags', do: deny, stage: request}
  - {name: t, when: user_agent == "t", do: tag}
  - {name: b, when: '"t" in tags', do: deny, stage: request}`, ""},
		{"what may fail is not always true", `
rules:
  - {name: a, when: ip(sni) == ip(sni), do: deny}
  - {name: b, when: sni == "b", do: deny}`, ""},
		{"what never matches hides nothing", `
rules:
  - {name: a, when: 'sni == "a" && 1 == 2', do: deny}
  - {name: b, when: 'sni == "a" && 1 == 2 && transport == "tls"', do: deny}`, "3 a: the rule never matches\n4 b: the rule never matches"},
		{"a default that is not used", `
default: deny
rules:
  - {name: a, when: 'true', do: allow}`, "0 : the default is never used: rule a always matches"},
		{"lists of something else", `
lists:
  ja3s: {values: [e7d705a3286e19ea42f587b344ee6865]}
  ja4s: {values: [x, t13d1516h2_8daaf6152771_d8a2da3f94cd]}
  ips: {values: [10.0.0.0/8]}
  ipsAsValues: {values: [10.0.0.1], type: values}
  names: {values: [.shop.example]}
rules:
  - {name: a, when: 'inList("ja3s", ja4)', do: deny}
  - {name: b, when: 'inList("ja4s", ja3) || inList("ja4s", ja4) || inList("ja4s", sni)', do: deny}
  - {name: c, when: 'inList("ips", ja4) || inList("ips", src_ip) || inList("ips", sni) || inList("ips", user_agent) || client.exists(x, inList("ips", x.name))', do: deny}
  - {name: d, when: 'inList("ipsAsValues", src_ip) || inList("names", src_ip) || inList("names", request.host) || inList("names", sni)', do: deny}`,
			"9 a: the list ja3s has no JA4\n9 a: the rule never matches\n10 b: the list ja4s has no JA3\n11 c: the list ips has no JA4\n11 c: the list ips has addresses, and client.name is none\n12 d: the list names has no address"},
		{"lists", `
lists:
  empty: {values: []}
  unused: {values: [a]}
certificates: {old: {cert: a, key: b}}
rules:
  - {name: a, when: 'inList("empty", sni)', do: deny}
  - {name: b, when: 'inList("empty", sni) || sni == "a"', do: deny}`,
			"3 : the list empty is empty\n4 : no rule uses the list unused\n5 : no rule uses the certificate old\n7 a: the rule never matches"},
	}
	for _, tt := range tests {
		assert.Equal(t, tt.want, strings.Join(warnings(t, tt.text), "\n"), tt.name)
	}
}

// TestClosedSets: the values that Check takes for possible are those of the packages that
// make them.
func TestClosedSets(t *testing.T) {
	sets := closedSets()
	for key, values := range sets {
		assert.NotEmpty(t, values, key)
		assert.NotContains(t, values, "", key)
	}
	assert.Contains(t, sets["client[].kind"], "malware")
	assert.Len(t, sets["settled"], 6)
	assert.Equal(t, event.SettledPassed.String(), sets["settled"][5])
	assert.Error(t, new(event.Settled).UnmarshalText([]byte("other")))
}

// TestCheckDeep: a condition that is as deep as one may be is checked soon.
func TestCheckDeep(t *testing.T) {
	deep := "sni == 'x'"
	for range 30 {
		deep = "(" + deep + ") == (sni == 'y')"
	}
	loops := "sni == 'x'"
	for range 12 {
		loops = "client.exists(c, " + loops + ")"
	}
	for _, when := range []string{deep, loops, strings.Repeat("sni == 'x' || ", 2000) + "true"} {
		p, err := Load(files("policy.yaml", oneRule("name: a", `when: "`+when+`"`, "do: deny")), "policy.yaml", LoadOptions{})
		require.NoError(t, err)
		assert.LessOrEqual(t, len(p.Check()), 1)
	}
}
