package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
)

// files returns a file system of names and texts.
func files(namesAndTexts ...string) fs.FS {
	m := make(fstest.MapFS)
	for i := 0; i < len(namesAndTexts); i += 2 {
		m[namesAndTexts[i]] = &fstest.MapFile{Data: []byte(namesAndTexts[i+1])}
	}
	return m
}

func loadText(t testing.TB, text string, more ...string) *Policy {
	t.Helper()
	p, err := Load(files(append(more, "policy.yaml", text)...), "policy.yaml", LoadOptions{})
	require.NoError(t, err)
	return p
}

const wholePolicy = `# A comment
lists:
  bad: {file: bad.txt}
  office:
    values: [192.0.2.0/24, "2001:db8::/32"]
    type: addresses
certificates:
  old: {cert: old.pem, key: /etc/old.key}
default: deny
rules:
  - name: office
    when: inList("office", src_ip)
    do: allow
  - name: bad
    when: inList("bad", ja4)
    do: tag
    tags: [listed, bad]
  - {name: old-tls, when: 'version == "1.2"', do: config, certificate: old}
  - name: flood
    when: |
      sni == "busy.example" &&
        transport == "tls"
    do: limit
    by: [ja4, src_ip]
    rate: 2/s burst 3
  - name: slow
    when: client.exists(c, c.family == "Go")
    do: tarpit
    hold: 30s
    mode: count
  - name: liars
    when: claim.verdict == "inconsistent"
    do: deny
  - name: guests
    when: request.path == "/"
    do: allow
`

func TestLoad(t *testing.T) {
	p := loadText(t, wholePolicy, "bad.txt", chromeJA4+"\n")
	var got []string
	for r := range p.Rules() {
		got = append(got, fmt.Sprintf("%d %s %s %s %s", r.Line, r.Name, r.Do, r.Mode, r.StageText()))
	}
	assert.Equal(t, []string{
		"11 office allow enforce hello and request",
		"14 bad tag enforce hello",
		"18 old-tls config enforce hello",
		"19 flood limit enforce hello",
		"26 slow tarpit count hello",
		"31 liars deny enforce request",
		"34 guests allow enforce request",
	}, got)
	for r := range p.Rules() {
		if r.Name == "flood" {
			assert.Equal(t, []string{"ja4", "sni", "src_ip", "transport"}, r.Keys())
		}
	}
	assert.Equal(t, []string{"policy.yaml", "bad.txt", "old.pem", "/etc/old.key"}, p.Files())
	assert.Equal(t, []Certificate{{Name: "old", Cert: "old.pem", Key: "/etc/old.key", Line: 8}}, p.Certificates())
	assert.Equal(t, Deny, p.Default().Do)
	assert.True(t, p.Has(AtHello) && p.Has(AtRequest))
	assert.True(t, p.NeedsClients(AtHello) && p.NeedsClients(AtRequest))
	assert.Equal(t, event.Compact, p.Size(AtHello))

	p = loadText(t, "rules: []")
	assert.False(t, p.Has(AtHello) || p.Has(AtRequest) || p.NeedsClients(AtHello))
	assert.Nil(t, p.Default())

	p = loadText(t, "rules:\n- {name: a, when: 'true', do: limit, rate: 1/s, by: stable}\n- {name: b, when: true, do: tag, stage: request}")
	assert.Equal(t, event.Full, p.Size(AtHello))
	assert.Equal(t, event.Compact, p.Size(AtRequest))
	p = loadText(t, "rules:\n- {name: a, when: 'true', do: limit, rate: 1/s, by: user_agent}\n- {name: b, when: true, do: limit, rate: 1/s, by: request.host}")
	assert.False(t, p.Has(AtHello), "the keys of a limit have a stage, too")
	p = loadText(t, "default: close\nrules: []")
	assert.True(t, p.Has(AtHello))
	assert.False(t, p.Has(AtRequest))
}

// TestLoadPaths: names are relative to the policy's folder.
func TestLoadPaths(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755))
	write := func(name, text string) string {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	up, absolute := write("up.txt", "10.0.0.1"), write("a/abs.txt", "10.0.0.2")
	name := write("a/b/policy.yaml", "lists:\n  one: {file: ../../up.txt}\n  two: {file: '"+absolute+"'}\nrules: []\n")
	p, err := Load(OS(), name, LoadOptions{})
	require.NoError(t, err)
	assert.Equal(t, []string{name, filepath.ToSlash(up), absolute}, p.Files())
	assert.True(t, p.lists["one"].Contains("10.0.0.1") && p.lists["two"].Contains("10.0.0.2"))

	_, err = Load(OS(), dir, LoadOptions{})
	assert.EqualError(t, err, "reading the policy: "+dir+" is a folder")
	_, err = Load(OS(), filepath.Join(dir, "none.yaml"), LoadOptions{})
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// rule returns a policy of one rule with the given lines.
func oneRule(lines ...string) string { return "rules:\n  - " + strings.Join(lines, "\n    ") + "\n" }

func TestLoadErrors(t *testing.T) {
	tests := []struct {
		text string
		want []string // whole errors
	}{
		{"", []string{"policy.yaml:1:1: the file is empty: write rules: [] for a policy without rules"}},
		{"# nothing\n---\n", []string{"policy.yaml:1:1: the file is empty: write rules: [] for a policy without rules"}},
		{"rules:\n", []string{"policy.yaml:1:7: rules is empty: write rules: [] if that is meant"}},
		{"default: deny\n", []string{"policy.yaml:1:1: the policy has no rules: write rules: [] if that is meant"}},
		{"- a\n", []string{"policy.yaml:1:1: the policy must have keys, such as lists:, and is a list"}},
		{"hello", []string{"policy.yaml:1:1: the policy must have keys, such as lists:, and is a text"}},
		{"rules: []\nruels: []\nx: 1\n", []string{
			`policy.yaml:2:1: the policy has no key "ruels": did you mean rules?`,
			`policy.yaml:3:1: the policy has no key "x": it has lists, certificates, default, rules, tests`,
		}},
		{"rules: []\nrules: []\n", []string{"policy.yaml:2:1: rules is set twice, first in line 1"}},
		{"rules: []\n---\nrules: []\n", []string{"policy.yaml:2:1: the file has a second document: a policy is one"}},
		{"rules: {a: b}\n", []string{"policy.yaml:1:8: rules must be a list, and is an object"}},
		{"rules: [1]\n", []string{"policy.yaml:1:9: a rule must have keys, such as name:, and is a number"}},
		{"rules:\n  - a: b: c\n", []string{"policy.yaml:2:3: is not YAML: a colon and a space can stand here only after a key: is the line indented like those before it, and are values with \": \" quoted?\n  - a: b: c\n  ^"}},
		{"rules:\n  - name: a\n    when: true\n   do: deny\n  - name: b\n", []string{"policy.yaml:4:4: is not YAML: the line is indented like none before it: keys of one object begin in the same column\n  do: deny\n  ^"}},
		{"rules:\n  - {name: a, when: sni == '', do: [}\n", []string{"policy.yaml:2:3: is not YAML: a value or a closing bracket is missing\n  - {name: a, when: sni == '', do: [}\n  ^"}},
		{"rules: []\ntests:\n\t- x\n", []string{"policy.yaml:3:2: is not YAML: a tab cannot indent: write spaces\n  - x\n  ^"}},
		{"rules: []\n---\na: [\n", []string{"policy.yaml:3:1: is not YAML: a value or a closing bracket is missing\n  a: [\n  ^"}},
		{"rules: *x\n", []string{"policy.yaml:1:1: is not YAML: * begins an alias, and there is no anchor x: quote a value that begins so\n  rules: *x\n  ^"}},
		{"rules: \"\xff\"\n", []string{"policy.yaml:1:1: is not YAML: invalid leading UTF-8 octet\n  rules: \"\ufffd\"\n  ^"}},
		{"? [a]\n: b\nrules: []\n", []string{"policy.yaml:1:3: a key must be a word, and is a list"}},
		{"default: tag\nrules: []", []string{`policy.yaml:1:10: default cannot be "tag": write allow, deny, close`}},
		{"default: dney\nrules: []", []string{`policy.yaml:1:10: default cannot be "dney": did you mean deny?`}},
		{oneRule("when: sni == ''"), []string{"policy.yaml:2:5: a rule has no name", "policy.yaml:2:5: a rule has no do: write one of allow, deny, close, tag, limit, tarpit, config"}},
		{oneRule("name: a"), []string{"policy.yaml:2:5: rule a has no do: write one of allow, deny, close, tag, limit, tarpit, config", "policy.yaml:2:5: rule a has no when: write true for all"}},
		{oneRule("name: 12", "when: true", "do: deny"), []string{"policy.yaml:2:11: name must be a text, and is a number: write it in quotes"}},
		{oneRule("name:", "when: true", "do: deny"), []string{"policy.yaml:2:10: name must be a text, and is empty"}},
		{oneRule("name: a b", "when: true", "do: deny"), []string{"policy.yaml:2:11: the name of a rule has ' ': letters, digits and - _ . : / may be in it"}},
		{oneRule("name: default", "when: true", "do: deny"), []string{"policy.yaml:2:11: a rule cannot be called default: that is what decides if no rule does"}},
		{oneRule("name: "+strings.Repeat("a", 65), "when: true", "do: deny"), []string{"policy.yaml:2:11: the name of a rule has 65 characters, and may have 64"}},
		{"rules:\n  - {name: a, when: true, do: deny}\n  - {name: b, when: true, do: deny}\n  - {name: a, when: true, do: deny}\n",
			[]string{"policy.yaml:4:12: there is a rule a already, in line 2"}},
		{oneRule("name: a", "when: true", "do: block"), []string{`policy.yaml:4:9: do cannot be "block": write allow, deny, close, tag, limit, tarpit, config`}},
		{oneRule("name: a", "when: true", "do: alow", "mode: counts", "stage: helo"), []string{
			`policy.yaml:4:9: do cannot be "alow": did you mean allow?`,
			`policy.yaml:5:11: mode cannot be "counts": did you mean count?`,
			`policy.yaml:6:12: stage cannot be "helo": did you mean hello?`,
		}},
		{oneRule("name: a", "whne: true", "do: deny"), []string{"policy.yaml:2:5: rule a has no when: write true for all", `policy.yaml:3:5: a rule has no key "whne": did you mean when?`}},
		{oneRule("name: a", "when:", "  - sni", "do: deny"), []string{"policy.yaml:4:7: when must be a text, and is a list"}},
		{oneRule("name: a", "when: true", "do: limit"), []string{"policy.yaml:4:9: rule a has no rate, such as 50/s burst 100"}},
		{oneRule("name: a", "when: true", "do: limit", "rate: 0"), []string{`policy.yaml:5:11: rule a: "0" is no limit: to refuse all, write do: deny`}},
		{oneRule("name: a", "when: true", "do: limit", "rate: none"), []string{`policy.yaml:5:11: rule a: "none" is no limit: leave out the rule, or write a rate such as 50/s burst 100`}},
		{oneRule("name: a", "when: true", "do: limit", "rate: 0/s"), []string{`policy.yaml:5:11: rule a: "0/s" is no rate: to refuse all, write do: deny`}},
		{oneRule("name: a", "when: true", "do: limit", "rate: 50"), []string{`policy.yaml:5:11: rule a: rate "50": "50" has no time, such as /s; write it like "50/s burst 100"`}},
		{oneRule("name: a", "when: true", "do: limit", "rate: 1/s", "by: [ja5, id, sni, sni, request.pth]"), []string{
			"policy.yaml:6:10: by: there is no key ja5: did you mean ja3 or ja4?",
			"policy.yaml:6:15: by: id differs from one to the next, so that no rate would be reached",
			"policy.yaml:6:24: by: sni is there twice",
			"policy.yaml:6:29: by: there is no key request.pth: did you mean request.path?",
		}},
		{oneRule("name: a", "when: true", "do: limit", "rate: 1/s", "by: []"), []string{"policy.yaml:6:9: by has no keys: leave it out for one rate in all"}},
		{oneRule("name: a", "when: true", "do: limit", "rate: 1/s", "by: {a: b}"), []string{"policy.yaml:6:9: by must be a list, and is an object"}},
		{oneRule("name: a", "when: true", "do: limit", "rate: 1/s", "by: user_agent", "stage: hello"), []string{"policy.yaml:6:9: by: user_agent is not known at the stage hello: write stage: request"}},
		{oneRule("name: a", "when: true", "do: deny", "rate: 1/s", "hold: 10s"), []string{
			"policy.yaml:5:5: rule a: rate is for do: limit", "policy.yaml:6:5: rule a: hold is for do: tarpit",
		}},
		{oneRule("name: a", "when: true", "do: tarpit", "hold: 0s"), []string{"policy.yaml:5:11: hold must be a time such as 30s, of at most 10m0s"}},
		{oneRule("name: a", "when: true", "do: tarpit", "hold: 10"), []string{"policy.yaml:5:11: hold must be a time such as 30s, of at most 10m0s"}},
		{oneRule("name: a", "when: true", "do: tag", "tags: [x, 'y z', {}]"), []string{
			"policy.yaml:5:15: the tag \"y z\" has ' ': letters, digits and - _ . : / may be in it",
			"policy.yaml:5:22: an element of tags must be a text, and is an object",
		}},
		{oneRule("name: a", "when: true", "do: config"), []string{"policy.yaml:4:9: rule a has no certificate: its name"}},
		{"certificates: {old: {cert: a, key: b}}\n" + oneRule("name: a", "when: true", "do: config", "certificate: odl"), []string{`policy.yaml:6:18: there is no certificate "odl": did you mean old?`}},
		{"certificates: {old: {crt: a}}\nrules: []", []string{
			"policy.yaml:1:16: the certificate old has no cert", "policy.yaml:1:16: the certificate old has no key",
			`policy.yaml:1:22: a certificate has no key "crt": did you mean cert?`,
		}},
		{"certificates: {old: {cert: a, key: b}}\n" + oneRule("name: a", "when: user_agent == ''", "do: config", "certificate: old"),
			[]string{"policy.yaml:5:9: rule a: a certificate is chosen at the stage hello, before there is a request"}},

		{"lists: {a: {}}\nrules: []", []string{"policy.yaml:1:9: the list a has neither a file nor values"}},
		{"lists: {a: b}\nrules: []", []string{"policy.yaml:1:12: a list must have keys, such as file:, and is a text"}},
		{"lists: [a]\nrules: []", []string{"policy.yaml:1:8: lists must have keys, such as name:, and is a list"}},
		{"lists: {a: {file: x, values: []}}\nrules: []", []string{"policy.yaml:1:22: the list a has a file and values: one of the two"}},
		{"lists: {a: {file: none.txt}}\nrules: []", []string{"policy.yaml:1:19: reading the list: open none.txt: file does not exist"}},
		{"lists: {a: {values: [1.3], type: ips}}\nrules: []", []string{`policy.yaml:1:34: type cannot be "ips": write auto, values, addresses, names`}},
		{"lists:\n  a:\n    values:\n    - 10.0.0.0/8\n    - 10.0.0.0/33\n    - []\nrules: []", []string{
			`policy.yaml:5:7: "10.0.0.0/33": /33 is no length of a prefix: it is 0 to 32`,
			"policy.yaml:6:7: a value of the list must be a text, and is a list",
		}},
		{"lists: {bad: {file: bad.txt}}\nrules: []", []string{`bad.txt:2: "300.1.1.1": is neither an IP address nor a prefix such as 192.0.2.0/24`}},
		{"lists: {bda: {values: [a]}}\n" + oneRule(`name: a`, `when: inList("bad", ja4)`, `do: deny`),
			[]string{"policy.yaml:4:18: rule a: when: there is no list \"bad\": did you mean bda?\n  when: inList(\"bad\", ja4)\n               ^"}},

		{"rules: &r [*r]\n", []string{"policy.yaml:1:8: a rule must have keys, such as name:, and is a list"}},
		{oneRule("name: !x a", "when: true", "do: deny"), []string{"policy.yaml:2:11: name must be a text, and is of the tag !x: write it in quotes"}},
		{oneRule("name: a", "when: ''", "do: deny"), []string{"policy.yaml:3:12: rule a: when: is empty: write true for a condition that is always met\n  when: ''\n         ^"}},
	}
	for _, tt := range tests {
		_, err := Load(files("policy.yaml", tt.text, "bad.txt", "10.0.0.1\n300.1.1.1"), "policy.yaml", LoadOptions{})
		require.Error(t, err, tt.text)
		assert.Equal(t, strings.Join(tt.want, "\n"), err.Error(), tt.text)
	}
}

// TestExprPlaces: errors of a condition are told where it stands in the file.
func TestExprPlaces(t *testing.T) {
	tests := []struct{ when, want string }{
		{`when: ja4 == "x" && ja5 == "y"`, "3:25: rule a: when: there is no key ja5: did you mean ja3 or ja4?\n  when: ja4 == \"x\" && ja5 == \"y\"\n                      ^"},
		{`when: "ja4 == \"x\" && ja5 == \"\u0078\""`, "3:28: rule a: when: there is no key ja5: did you mean ja3 or ja4?\n  when: \"ja4 == \\\"x\\\" && ja5 == \\\"\\u0078\\\"\"\n                         ^"},
		{`when: "sni == \"\u00e9\x41\" && \t ja5 == \"\""`, "3:40: "},
		{"when: \"sni ==\\\n      \\ '' &&\\n\n      ja5 == ''\"", "5:7: "},
		{`when: 'sni == ''x'' && ja5'`, "3:28: "},
		{`when: &x !!str 'sni == "" && ja5'`, "3:34: "},
		{"when: |\n      sni == '' &&\n        ja5 == ''", "5:9: rule a: when: there is no key ja5: did you mean ja3 or ja4?\n  ja5 == ''\n  ^"},
		{"when: |2-  # two\n\n        sni == '' &&\n          ja5 == ''", "6:11: "},
		{"when: >-\n      sni == '' &&\n      ja5 == ''", "5:7: "},
		{"when: >\n\n      sni == '' &&\n      transport == ''\n\n      && ja5 == ''", "8:10: "},
		{"when: sni == '' &&\n      ja5 == ''", "4:7: "},
		{"when:\n      sni == '\u00e9\u00e9' && ja5 == ''", "4:22: "},
		{"when: sni == '' &&", "3:23: rule a: when: the expression ends too early\n  when: sni == '' &&\n                    ^"},
		{"when: sni", "3:11: rule a: when: is of type string; a condition is true or false: compare it, as in ja4 == \"...\"\n  when: sni\n        ^"},
		{"when: |\n      client.exists(c,\n        c.knid == \"x\")", "5:10: rule a: when: there is no field knid: did you mean kind?\n  c.knid == \"x\")\n   ^"},
		{"when: user_agent == ''\n    stage: hello", "3:11: rule a: when: user_agent is not known at the stage hello: write stage: request\n  when: user_agent == ''\n        ^"},
	}
	for _, tt := range tests {
		for _, eol := range []string{"\n", "\r\n"} {
			text := strings.ReplaceAll(oneRule("name: a", tt.when, "do: deny"), "\n", eol)
			_, err := Load(files("policy.yaml", text), "policy.yaml", LoadOptions{})
			require.Error(t, err, tt.when)
			assert.True(t, strings.HasPrefix(err.Error(), "policy.yaml:"+tt.want), "%s\n%v", tt.when, err)
		}
	}
}

// TestLoadBounds: a file that is too much for anyone ends in an error, soon.
func TestLoadBounds(t *testing.T) {
	var aliases strings.Builder
	aliases.WriteString("a: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := range 9 {
		fmt.Fprintf(&aliases, "b%d: &a%d [%s*a%d]\n", i, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), i)
	}
	var manyLimits strings.Builder
	manyLimits.WriteString("rules:\n")
	for i := range 300 {
		fmt.Fprintf(&manyLimits, "  - {name: a%d, when: true, do: limit, rate: 1/s}\n", i)
	}
	tests := []struct{ name, text, want string }{
		{"an expression of 1 MB", oneRule("name: a", "when: sni == '"+strings.Repeat("x", 1<<20)+"'", "do: deny"),
			"policy.yaml:3:11: rule a: when: has 1048585 bytes; an expression may have 65536: for many values, use a list and inList\n"},
		{"a deep expression", oneRule("name: a", "when: "+strings.Repeat("(", 20_000)+"true"+strings.Repeat(")", 20_000), "do: deny"), "policy.yaml:3:"},
		{"a large file", "rules: []\n#" + strings.Repeat("x", MaxFileSize), "reading the policy: policy.yaml has more than 8388608 bytes"},
		{"a deep list", "rules: " + strings.Repeat("[", 100_000), "policy.yaml:1:1: is not YAML: exceeded max depth of 10000"},
		{"a deep object", "rules:\n" + strings.Repeat("- ", 100_000), "policy.yaml:"},
		{"aliases", aliases.String() + "rules: *a9\n", `policy.yaml:1:1: the policy has no key "a"`},
		{"aliases in an event", aliases.String() + "rules: []\ntests: [{event: {alpn: *a9}, expect: {}}]\n", `policy.yaml:1:1: the policy has no key "a"`},
		{"many limits", manyLimits.String(), "policy.yaml:258:34: a policy may have 256 limits: give one more keys in by"},
		{"many errors", "rules:\n" + strings.Repeat("  - {}\n", 100_000), "policy.yaml: and 299950 more errors"},
		{"many expressions", "rules:\n" + strings.Repeat("  - {name: a, when: ja5, do: x}\n", 2000), "policy.yaml: and 5949 more errors"},
	}
	for _, tt := range tests {
		_, err := Load(files("policy.yaml", tt.text), "policy.yaml", LoadOptions{Slots: 2})
		require.Error(t, err, tt.name)
		assert.Contains(t, err.Error(), tt.want, tt.name)
		assert.Less(t, len(err.Error()), 25_000, tt.name)
	}
}

func TestFileErrorType(t *testing.T) {
	_, err := Load(files("policy.yaml", "rules: 1"), "policy.yaml", LoadOptions{})
	var at *FileError
	require.True(t, errors.As(err, &at))
	assert.Equal(t, []any{"policy.yaml", 1, 8}, []any{at.File, at.Line, at.Column})
}
