package policy

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// loadError returns the error of a policy.
func loadError(t *testing.T, source string) string {
	_, err := Load(fstest.MapFS{"policy.yaml": {Data: []byte(source)}}, "policy.yaml", LoadOptions{})
	require.Error(t, err, source)
	return err.Error()
}

// TestUnquotedConditions: what YAML makes of a condition without quotes is an error that
// says so, with the line, and what is to be written instead loads.
func TestUnquotedConditions(t *testing.T) {
	for _, when := range []string{
		`!(sni == "x")`, `! (sni == "x")`, `!client.exists(c, c.name == "x")`, `!has(event.sni)`, `!(sni == "a: b")`, `&y ! (sni == "x")`,
		`"h2" in alpn`, `"h2" in alpn && sni == "x"`, `"h2" in alpn && sni == "it's"`, `"a" == sni # why`, `'h2' in alpn`,
		`sni.contains(": ")`, `sni == "x" ? true : false`, `[sni][0] == "x"`, `{"x": sni}["x"] == "y"`, `- src_port == -443`,
	} {
		got := loadError(t, "rules:\n  - name: a\n    when: "+when+"\n    do: deny\n")
		assert.True(t, strings.HasPrefix(got, "policy.yaml:3:11: "), "%s: %s", when, got)
		assert.Contains(t, got, " must be quoted", when)
		assert.Contains(t, got, "\n  when: "+when+"\n        ^", when)
		_, fix, ok := strings.Cut(got, "write when: ")
		require.True(t, ok, got)
		fix, _, _ = strings.Cut(fix, "\n")
		if strings.HasPrefix(when, "&") || strings.HasPrefix(when, "-") {
			continue // which no quotes make an expression of a condition
		}
		_, err := Load(fstest.MapFS{"policy.yaml": {Data: []byte("rules:\n  - name: a\n    when: " + fix + "\n    do: deny\n")}}, "policy.yaml", LoadOptions{})
		assert.NoError(t, err, fix)
	}
	for source, want := range map[string]string{
		"rules:\n  - {name: a, when: \"h2\" in alpn, do: deny}\n":                      "2:21: is not YAML: a condition that begins with \" must be quoted\n  - {name: a, when: \"h2\" in alpn, do: deny}\n                    ^",
		"rules:\n  - {name: a, when: ! (sni == 'x'), do: deny}\n":                      "2:21: rule a: when: a condition that begins with ! must be quoted\n",
		"rules:\n  - name: a\n    when:\n      ! (sni == 'x')\n    do: deny\n":         "4:7: rule a: when: a condition that begins with ! must be quoted\n",
		"rules:\n  - name: a\n    when: request.path == \"/ #x\"\n    do: deny\n":      "3:27: rule a: when: the text that begins here is not closed: YAML ends the value at \" #\": quote the condition\n  when: request.path == \"/ #x\"\n                        ^",
		"rules:\n  - name: a\n    when: sni == 'x' || # or\n    do: deny\n":            "the expression ends too early: YAML ends the value at \" #\": quote the condition\n",
		"rules:\n  - {name: a, when: sni.replace(sni, ja4) == '', do: deny}\n":         "rule a: when: the ( here is not closed: between { and } YAML ends the value at ,: quote the condition\n",
		"rules:\n  - name: a\n    when: (sni == 'x'\n    do: deny\n":                   "3:11: rule a: when: the ( here is not closed\n  when: (sni == 'x'\n        ^",
		"rules:\n  - name: a\n    when: \"sni == \\\"\\d\\\"\"\n    do: deny\n":        "3:5: is not YAML: in double quotes \\ begins an escape, and this is none: write the value in single quotes\n  when: \"sni == \\\"\\d\\\"\"\n  ^",
		"rules:\n  - name: a\n   when: true\n    do: deny\n":                           "3:4: is not YAML: the line is indented like none before it: keys of one object begin in the same column\n  when: true\n  ^",
		"rules:\n  - name: a\n    when: true\n\tdo: deny\n":                            "4:2: is not YAML: a tab cannot indent: write spaces\n  do: deny\n  ^",
		"rules:\n  - name: a\n    when:true\n    do: deny\n":                           "3:5: is not YAML: there should be a key here, with a colon and a space after it\n  when:true\n  ^",
		"rules:\r\n  - name: a\r\n    when: \"h2\" in alpn\r\n    do: deny\r\n":        "3:11: is not YAML: a condition that begins with \" must be quoted: write when: '\"h2\" in alpn'\n  when: \"h2\" in alpn\n        ^",
		"rules:\n  - name: a\n    when: sni == \"ü\" && [sni][0] == \"a: b\"\n    do:": "3:11: is not YAML: a condition with \": \" must be quoted",
	} {
		assert.Contains(t, loadError(t, source), want, source)
	}
}

// TestTypesAreNoNegations: types and anchors of YAML may stand before a condition.
func TestTypesAreNoNegations(t *testing.T) {
	source := "rules:\n  - {name: a, when: &x !!str true, do: tag}\n  - {name: b, when: *x, do: tag}\n  - {name: c, when: !!bool true, do: tag}\n" +
		"  - {name: d, when: '! (sni == \"x\")', do: tag}\n  - {name: e, when: \"!(sni == 'x')\", do: tag}\n"
	p, err := Load(fstest.MapFS{"policy.yaml": {Data: []byte(source)}}, "policy.yaml", LoadOptions{})
	require.NoError(t, err)
	assert.Len(t, p.rules, 5)
}
