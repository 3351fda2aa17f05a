package policy

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	c.AssertVocabs()
	require.NoError(t, c.AddResource(SchemaID, doc))
	s, err := c.Compile(SchemaID)
	require.NoError(t, err)
	return s
}

// validate returns the error of a policy by the schema.
func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var v any
	require.NoError(t, yaml.Unmarshal([]byte(text), &v), text)
	return s.Validate(v)
}

// TestSchemaFile: the file in docs is what Schema returns.
func TestSchemaFile(t *testing.T) {
	const name = "../docs/policy.schema.json"
	if os.Getenv("UPDATE") != "" {
		require.NoError(t, os.WriteFile(name, Schema(), 0o644))
	}
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, string(Schema()), string(text), "UPDATE=1 go test ./policy writes it")
}

// TestSchemaKeys: the schema has the keys that Load accepts, and no others.
func TestSchemaKeys(t *testing.T) {
	root := schemaRoot()
	defs := root["$defs"].(schemaObject)
	objects := map[string]schemaObject{
		"the policy": root, "a list": defs["list"].(schemaObject), "a certificate": defs["certificate"].(schemaObject), "a rule": defs["rule"].(schemaObject),
		"a test": defs["test"].(schemaObject), "a capture": defs["capture"].(schemaObject), "a request": defs["request"].(schemaObject), "expect": defs["expect"].(schemaObject),
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(objectKeys)), slices.Collect(maps.Keys(objects)))
	for name, keys := range objectKeys {
		require.NotNil(t, objects[name], name)
		assert.ElementsMatch(t, keys, slices.Collect(maps.Keys(objects[name]["properties"].(schemaObject))), name)
		assert.Equal(t, false, objects[name]["additionalProperties"], name)
	}
}

// TestSchemaAccepts: what Load accepts is valid.
func TestSchemaAccepts(t *testing.T) {
	s := compileSchema(t)
	examples, err := filepath.Glob("../docs/examples/*.yaml")
	require.NoError(t, err)
	texts := []string{
		wholePolicy, "rules: []", "default: close\nlists:\ncertificates:\ntests:\nrules: []", reloaded,
		oneRule("name: a/b.c:d", "when: true", "do: limit", "rate: 1/m", "by: request.path", "tags: x", "mode: count", "stage: request"),
		oneRule("name: a", "when: 'true'", "do: tarpit", "hold: 1m30s"),
		testedRules + `
  - {name: x, event: {sni: a, client: [{name: x}]}, request: {path: 1, headers: {a: b, c: [d, e]}}, stage: hello, times: 5, agg: {x: {addresses: 1}}, expect: {rule: "", do: count, tags: []}}
  - {event: "c.pcap:4", expect: {tags: x}}
  - {event: {capture: c.pcap, packet: 4}, expect: {rule: default}}
`,
		"lists: {a: {values: [1.3, true, x], type: auto}}\nrules: []",
	}
	for _, name := range examples {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		texts = append(texts, string(text))
	}
	for _, text := range texts {
		assert.NoError(t, validate(t, s, text), text)
	}
}

// TestSchemaRefuses: the mistakes that an editor can show are not valid. Load refuses
// them, too.
func TestSchemaRefuses(t *testing.T) {
	s := compileSchema(t)
	for _, text := range []string{
		"", "[]", "default: deny", "rules:", "rules: {}", "rules: [1]", "ruels: []\nrules: []", "default: tag\nrules: []",
		"lists: {a: {}}\nrules: []", "lists: {a: {file: x, values: []}}\nrules: []", "lists: {a: {file: ''}}\nrules: []", "lists: {a b: {file: x}}\nrules: []",
		"lists: {a: {values: [], type: ips}}\nrules: []", "certificates: {a: {cert: x}}\nrules: []",
		oneRule("name: a", "when: true"), oneRule("name: a", "do: deny"), oneRule("when: true", "do: deny"),
		oneRule("name: default", "when: true", "do: deny"), oneRule("name: a b", "when: true", "do: deny"), oneRule("name: 1", "when: true", "do: deny"),
		oneRule("name: a", "when: [true]", "do: deny"), oneRule("name: a", "when: true", "do: block"),
		oneRule("name: a", "when: true", "do: deny", "stage: helo"), oneRule("name: a", "when: true", "do: deny", "mode: dry"),
		oneRule("name: a", "when: true", "do: deny", "rate: 1/s"), oneRule("name: a", "when: true", "do: deny", "by: sni"),
		oneRule("name: a", "when: true", "do: deny", "hold: 1s"), oneRule("name: a", "when: true", "do: deny", "certificate: x"),
		oneRule("name: a", "when: true", "do: limit"), oneRule("name: a", "when: true", "do: config"),
		oneRule("name: a", "when: true", "do: limit", "rate: 0"), oneRule("name: a", "when: true", "do: limit", "rate: none"), oneRule("name: a", "when: true", "do: limit", "rate: 50"),
		oneRule("name: a", "when: true", "do: limit", "rate: 1/s", "by: []"), oneRule("name: a", "when: true", "do: limit", "rate: 1/s", "by: ja5"),
		oneRule("name: a", "when: true", "do: limit", "rate: 1/s", "by: [sni, sni]"), oneRule("name: a", "when: true", "do: limit", "rate: 1/s", "by: id"),
		oneRule("name: a", "when: true", "do: tarpit", "hold: 10"), oneRule("name: a", "when: true", "do: tag", "tags: [{}]"), oneRule("name: a", "when: true", "do: tag", "tags: [a b]"),
		"rules: []\ntests: [{event: {}}]", "rules: []\ntests: [{expect: {do: deny}}]", "rules: []\ntests: [{event: {}, expect: {}}]",
		"rules: []\ntests: [{event: {snii: x}, expect: {do: deny}}]", "rules: []\ntests: [{event: {capture: x}, expect: {do: deny}}]",
		"rules: []\ntests: [{event: {}, times: 0, expect: {do: deny}}]", "rules: []\ntests: [{event: {}, request: {pth: x}, expect: {do: deny}}]",
	} {
		assert.Error(t, validate(t, s, text), text)
		_, err := Load(files("policy.yaml", text, "x", ""), "policy.yaml", LoadOptions{})
		assert.Error(t, err, text)
	}
}

// TestSchemaDescribes: each key of the file says what it is for.
func TestSchemaDescribes(t *testing.T) {
	for name, def := range schemaRoot()["$defs"].(schemaObject) {
		for key, p := range def.(schemaObject)["properties"].(schemaObject) {
			if o, ok := p.(schemaObject); ok && o["$ref"] == nil {
				text, _ := o["description"].(string)
				assert.True(t, strings.HasSuffix(text, "."), "%s of %s", key, name)
			}
		}
	}
}
