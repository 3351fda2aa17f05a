package policy

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/signals"
)

const testedRules = `
default: deny
rules:
  - {name: office, when: src_ip == "192.0.2.1", do: allow}
  - {name: tagged, when: sni == "a.example", do: tag, tags: [a, b]}
  - {name: old, when: version == "1.2", do: close}
  - {name: counted, when: sni == "b.example", do: close, mode: count}
  - {name: flood, when: agg(ja4).addresses > 1000, do: limit, rate: 2/h, by: ja4}
  - {name: agent, when: user_agent.contains("bot"), do: deny}
  - {name: page, when: request.path == "/" && request.method == "GET" && request.host == sni, do: allow}
  - {name: tag2, when: '"a" in tags', do: tag, stage: request}
tests:
`

func TestTests(t *testing.T) {
	tests := []struct{ test, want string }{
		{`{event: {src_ip: 192.0.2.1}, expect: {rule: office, do: allow, tags: []}}`, "ok"},
		{`{event: {src_ip: 192.0.2.2, sni: a.example}, request: {path: /x}, expect: {rule: default, do: deny, tags: [a]}}`, "ok"},
		{`{event: {sni: a.example}, expect: {rule: page, do: allow, tags: [b]}}`, "ok"},
		{`{event: {sni: a.example}, stage: hello, expect: {rule: tagged, do: tag, tags: [a, b]}}`, "ok"},
		{`{event: {sni: a.example}, stage: request, expect: {rule: page, tags: []}}`, "ok"},
		{`{event: {sni: b.example}, expect: {rule: counted, do: count, tags: would-close}}`, "ok"},
		{`{event: {version: "1.2"}, expect: {rule: old, do: close}}`, "ok"},
		{`{event: {sni: c}, request: {headers: {User-Agent: mybot}}, expect: {rule: agent}}`, "ok"},
		{`{event: {ja4: x}, agg: {x: {addresses: 2000}}, times: 3, expect: {rule: flood, do: limit}}`, "ok"},
		{`{event: {ja4: x}, agg: {x: {addresses: 2000}}, times: 2, expect: {rule: default}}`, "rule is page, expected default"},
		{`{event: {ja4: x}, times: 3, stage: hello, expect: {rule: "", do: allow}}`, "ok"},
		{`{event: {sni: a.example}, expect: {rule: old, do: close, tags: [b, c]}}`, "rule is page, expected old; do is allow, expected close; tags are a, b, expected c, too"},
		{`{event: {sni: a.example}, expect: {tags: []}}`, "tags are a, b, expected none"},
		{`{event: {sni: d}, stage: hello, expect: {rule: page, tags: x}}`, "rule is none, expected page; tags are none, expected x, too"},
		{`{event: e.json, expect: {rule: old}}`, "ok"},
		{`{event: {capture: c.pcap, packet: 17}, expect: {rule: old}}`, "ok"},
		{`{event: "c.pcap:17", expect: {rule: old}}`, "ok"},
		{`{event: {capture: c.pcap, packet: 18}, expect: {rule: old}}`, "c.pcap, packet 18: there is no hello"},
	}
	o := LoadOptions{
		DryRun: true,
		Agg:    func(string) (signals.Values, bool) { return signals.Values{Addresses: 5000}, true },
		Capture: func(r io.Reader, packet int64) (*event.Event, error) {
			data, err := io.ReadAll(r)
			if err != nil || string(data) != "a capture" || packet != 17 {
				return nil, errors.New("there is no hello")
			}
			return &event.Event{Version: "1.2"}, nil
		},
	}
	for _, tt := range tests {
		dir := files("policy.yaml", testedRules+"  - "+tt.test, "e.json", `{"version":"1.2","sni":"x"}`+"\n", "c.pcap", "a capture")
		p, err := Load(dir, "policy.yaml", o)
		require.NoError(t, err, tt.test)
		results, err := p.Test()
		require.NoError(t, err)
		require.Len(t, results, 1)
		assert.Equal(t, "test 1: "+tt.want, results[0].String(), tt.test)
		assert.Equal(t, tt.want == "ok", results[0].Passed())
		err = p.TestErr()
		if tt.want == "ok" {
			assert.NoError(t, err)
		} else {
			assert.EqualError(t, err, "1 of 1 tests failed:\npolicy.yaml:13: test 1: "+tt.want)
		}
		for r := range p.Rules() {
			assert.Zero(t, r.Counts(), "a test does not count")
		}
		assert.Zero(t, p.Default().Counts())
	}
}

func TestTestErrors(t *testing.T) {
	tests := []struct {
		test string
		want []string
	}{
		{`{expect: {rule: old}}`, []string{`policy.yaml:13:5: test 1 has no event`}},
		{`{name: x, event: {}}`, []string{`policy.yaml:13:5: x expects nothing: add expect`}},
		{`{event: {}, expect: {}}`, []string{`policy.yaml:13:25: expect has no keys: add rule, do or tags`}},
		{`{event: {}, expect: {rule: odl, do: denied, tag: x}}`, []string{
			`policy.yaml:13:32: there is no rule "odl": did you mean old?`,
			`policy.yaml:13:41: do cannot be "denied": write allow, deny, close, tag, limit, tarpit, config, count`,
			`policy.yaml:13:49: expect has no key "tag": did you mean tags?`,
		}},
		{`{event: {snii: x}, expect: {do: deny}}`, []string{`policy.yaml:13:14: there is no key snii: did you mean sni?`}},
		{`{event: {client: [{nmae: x}]}, expect: {do: deny}}`, []string{`policy.yaml:13:14: there is no key client[0].nmae: did you mean name?`}},
		{`{event: {version: 1.3}, expect: {do: deny}}`, []string{`policy.yaml:13:14: version must be a text, and is a number: write it in quotes`}},
		{`{event: {alpn: h2}, expect: {do: deny}}`, []string{`policy.yaml:13:14: alpn must be a list, and is a text: write it in square brackets`}},
		{`{event: {client: {name: x}}, expect: {do: deny}}`, []string{`policy.yaml:13:14: client must be a list, and is an object: write - before each of its objects, or square brackets around them`}},
		{`{event: {src_port: [1]}, expect: {do: deny}}`, []string{`policy.yaml:13:14: src_port must be a number, and is a list`}},
		{`{event: {src_port: -1}, expect: {do: deny}}`, []string{`policy.yaml:13:14: src_port cannot be -1`}},
		{`{event: {claim: inconsistent}, expect: {do: deny}}`, []string{`policy.yaml:13:14: claim must be an object, and is a text`}},
		{`{event: {address_verified: "yes"}, expect: {do: deny}}`, []string{`policy.yaml:13:14: address_verified must be true or false, and is a text`}},
		{`{event: {src_ip: 300.1.1.1}, expect: {do: deny}}`, []string{`policy.yaml:13:13: ParseAddr("300.1.1.1"): IPv4 field has value >255`}},
		{`{event: [], expect: {do: deny}}`, []string{`policy.yaml:13:13: event must be a text, and is a list`}},
		{`{event: {}, times: 0, expect: {do: deny}}`, []string{`policy.yaml:13:24: times must be a whole number from 1 to 10000`}},
		{`{event: {}, agg: {x: {adresses: 1}}, expect: {do: deny}}`, []string{`policy.yaml:13:27: there is no key adresses: did you mean addresses?`}},
		{`{event: {}, request: {pth: /, headers: [a]}, expect: {do: deny}}`, []string{
			`policy.yaml:13:27: a request has no key "pth": did you mean path?`,
			`policy.yaml:13:44: headers must have keys, such as name:, and is a list`,
		}},
		{`{event: none.json, expect: {do: deny}}`, []string{`policy.yaml:13:13: reading the event: open none.json: file does not exist`}},
		{`{event: two.json, expect: {do: deny}}`, []string{`policy.yaml:13:13: two.json: has more than one Event: a test is of one`}},
		{`{event: empty.json, expect: {do: deny}}`, []string{`policy.yaml:13:13: empty.json: has no Event`}},
		{`{event: list.json, expect: {do: deny}}`, []string{`policy.yaml:13:13: list.json: is no Event: a JSON object`}},
		{`{event: key.json, expect: {do: deny}}`, []string{`policy.yaml:13:13: key.json: an Event has no key ja5: did you mean ja3 or ja4?`}},
		{`{event: {capture: c.pcap}, expect: {do: deny}}`, []string{
			`policy.yaml:13:13: a capture has no packet: the number of the one that completed the hello`,
			`policy.yaml:13:23: captures cannot be read here`,
			`policy.yaml:13:23: reading the capture: open c.pcap: file does not exist`,
		}},
		{`{event: "none.pcap:17", expect: {do: deny}}`, []string{
			`policy.yaml:13:13: captures cannot be read here`,
			`policy.yaml:13:13: reading the capture: open none.pcap: file does not exist`,
		}},
		{`{event: "c.pcap:x", expect: {do: deny}}`, []string{`policy.yaml:13:13: reading the event: open c.pcap:x: file does not exist`}},
		{`{event: {hello: ` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}, expect: {do: deny}}`, []string{`policy.yaml:13:85: is nested more than 64 deep`}},
	}
	for _, tt := range tests {
		dir := files("policy.yaml", testedRules+"  - "+tt.test, "two.json", "{}\n{}", "empty.json", "\n", "list.json", "[]", "key.json", `{"ja5":""}`)
		_, err := Load(dir, "policy.yaml", LoadOptions{})
		require.Error(t, err, tt.test)
		assert.ElementsMatch(t, tt.want, strings.Split(err.Error(), "\n"), tt.test)
	}
}

// TestAliasesInEvents: aliases may not stand for more than anyone reads.
func TestAliasesInEvents(t *testing.T) {
	var text strings.Builder
	text.WriteString("rules: []\ntests:\n  - event:\n      alpn: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 9 {
		text.WriteString("      b" + string(rune('0'+i)) + ": &a" + string(rune('1'+i)) + " [" + strings.Repeat("*a"+string(rune('0'+i))+", ", 9) + "]\n")
	}
	text.WriteString("    expect: {do: deny}\n")
	_, err := Load(files("policy.yaml", text.String()), "policy.yaml", LoadOptions{})
	assert.ErrorContains(t, err, "the file has too many values: aliases repeat them")

	p := loadText(t, "rules: []\ntests:\n- {event: &e {sni: x}, expect: {rule: ''}}\n- {event: *e, expect: {do: allow}}")
	assert.NoError(t, p.TestErr())
	_, err = Load(files("policy.yaml", "rules: []\ntests:\n- {event: &e {hello: *e}, expect: {do: deny}}"), "policy.yaml", LoadOptions{})
	assert.ErrorContains(t, err, "is nested more than 64 deep")
}

// TestWholeEvents: a test may have an Event as scan prints it, with all keys, in the
// policy and in a file.
func TestWholeEvents(t *testing.T) {
	hello := hellotest.Real(t)["chromium-156"]
	require.NotNil(t, hello)
	var ob event.Observer
	line, err := ob.AppendJSON(nil, &event.Observation{Hello: hello, Time: noon}, event.Detail)
	require.NoError(t, err)
	require.Contains(t, string(line), `"hello":{`)
	text := "rules:\n  - {name: a, when: 'size(cipher_suites) > 5 && size(raw) > 100 && time.getFullYear() == 2026', do: tag}\ntests:\n"
	p := loadText(t, text+"  - {event: "+string(line)+", expect: {rule: a}}\n  - {event: e.json, expect: {rule: a}}\n", "e.json", string(line)+"\n")
	assert.NoError(t, p.TestErr())
}

func TestVerdictAnd(t *testing.T) {
	tests := []struct {
		hello, request Verdict
		rule           string
		tags           []string
	}{
		{Verdict{}, Verdict{}, "", nil},
		{Verdict{Rule: "a", Action: Tag, Tags: []string{"x"}}, Verdict{}, "a", []string{"x"}},
		{Verdict{Rule: "a", Action: Tag, Tags: []string{"x"}}, Verdict{Rule: "b", Action: Tag, Tags: []string{"y", "x"}}, "b", []string{"x", "y"}},
		{Verdict{Rule: "a", Action: Config}, Verdict{Rule: "b", Action: Tag, Tags: []string{"y"}}, "a", []string{"y"}},
		{Verdict{Rule: "a", Action: Config}, Verdict{Rule: "b", Action: Deny}, "b", nil},
		{Verdict{Rule: "a", Action: Deny, DryRun: true}, Verdict{Rule: "b", Action: Allow}, "a", nil},
		{Verdict{Rule: "a", Action: Allow}, Verdict{Rule: "b", Action: Deny, DryRun: true}, "b", nil},
	}
	for _, tt := range tests {
		v := tt.hello.And(tt.request)
		assert.Equal(t, tt.rule, v.Rule)
		assert.Equal(t, tt.tags, v.Tags)
	}
}
