package policy

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// FuzzLoad: whatever a file has, Load ends soon, with errors that say where, or with a
// policy that is valid by the schema, and that can be checked, tested and asked.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{wholePolicy, testedRules, reloaded, "rules: []", "rules: &a [*a]", "a: b: c", "\xff", "rules: [{name: a, when: \"\\x00\", do: limit, rate: 1/s}]"} {
		f.Add(text)
	}
	f.Add(oneRule("name: a", "when: |\n  sni == '' &&\n    ja5", "do: deny"))
	f.Add(oneRule("name: a", `when: "sni == \"\\u00e9\" && ja5"`, "do: deny"))
	f.Add(testedRules + `  - {event: {sni: a, client: [{kind: tool}], time: 2026-11-30T00:00:00Z}, times: 5, expect: {tags: []}}`)
	if text, err := os.ReadFile(filepath.Join("..", "docs", "examples", "shop.yaml")); err == nil {
		f.Add(string(text))
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	require.NoError(f, err)
	c := jsonschema.NewCompiler()
	require.NoError(f, c.AddResource(SchemaID, doc))
	schema, err := c.Compile(SchemaID)
	require.NoError(f, err)
	placed := regexp.MustCompile(`^(policy\.yaml:[0-9]+:[0-9]+|bad\.txt:[0-9]+|names\.txt:[0-9]+|policy\.yaml: and [0-9]+ more errors|reading the policy)`)

	f.Fuzz(func(t *testing.T, text string) {
		p, err := Load(files("policy.yaml", text, "bad.txt", chromeJA4, "names.txt", "a.example"), "policy.yaml", LoadOptions{Slots: 2})
		if err != nil {
			require.NotEmpty(t, err.Error())
			for _, e := range joined(err) {
				require.Regexp(t, placed, e.Error())
			}
			return
		}
		p.Check()
		if _, err := p.Test(); err != nil {
			t.Fatal(err)
		}
		p.Decide(AtHello, ask(named("a"), nil), noon)
		p.Decide(AtRequest, ask(named("a"), &Request{Path: "/"}), noon)
		var v any
		if yaml.Unmarshal([]byte(text), &v) != nil || !isPlainJSON(v) {
			return // an object with other keys than texts, or merged ones
		}
		if err := schema.Validate(v); err != nil {
			t.Fatal(err)
		}
	})
}

// joined returns the errors that err joins.
func joined(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range j.Unwrap() {
			all = append(all, joined(e)...)
		}
		return all
	}
	return []error{err}
}

// isPlainJSON reports whether v has nothing but what JSON has.
func isPlainJSON(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			if !isPlainJSON(e) {
				return false
			}
		}
		return true
	case []any:
		for _, e := range v {
			if !isPlainJSON(e) {
				return false
			}
		}
		return true
	case map[any]any, time.Time:
		return false
	}
	_, err := json.Marshal(v)
	return err == nil
}

// FuzzReadList: a list is what its lines say, whatever its type.
func FuzzReadList(f *testing.F) {
	for _, text := range []string{"10.0.0.0/8\n2001:db8::/32", "*.example\n.own.example", "a # b\r\n#c\nd", "::ffff:1.2.3.4", chromeJA4, "\ufeffx", "b\u00fccher.example", "1.2.3.4/33"} {
		f.Add(text, uint8(0))
		f.Add(text, uint8(3))
	}
	f.Fuzz(func(t *testing.T, text string, listType uint8) {
		l, err := ReadList(strings.NewReader(text), "a.txt", ListType(listType%4))
		if err != nil {
			require.Contains(t, err.Error(), "a.txt")
			return
		}
		for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
			entry := withoutComment(strings.TrimSuffix(line, "\n"))
			switch l.Type() {
			case ListValues:
				require.Equal(t, entry != "", l.Contains(entry))
			case ListAddresses:
				if r, err := parseRange(entry); entry != "" {
					require.NoError(t, err)
					require.True(t, l.Contains(r.from.String()) && l.Contains(r.to.String()), entry)
				}
			case ListNames:
				if name, kind, err := parseName(entry); entry != "" {
					require.NoError(t, err)
					require.True(t, kind&exactName == 0 || l.Contains(strings.ToUpper(name)), entry)
					require.True(t, kind&namesUnder == 0 || len(name) > 250 || l.Contains("a."+name), entry)
				}
			}
		}
	})
}
