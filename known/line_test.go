package known

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// plainLines are lines that readPlain reads, and otherLines are left to
// encoding/json.
var (
	plainLines = []string{
		`{"name":"curl"}`,
		`{"name":"curl","version":"8.5.0","family":"OpenSSL","library":"OpenSSL 3.0.13","kind":"tool","transport":"quic","permutes":true,"scanner":false,"learned":true,` +
			`"flags":"-k","http2":"1:2","source":"a","date":"2026-07-29","ja3":"b","ja4":"c","npf":"d","hello":"0100"}`,
		`{"name":"a","os":"iOS 18","grade":"recorded","evidence":"b","doubt":"c","signature":"0301 0303 0||00|"}`,
		`{ "name" : "a" , "scanner" : true }`,
		"{\t\"name\": \"a\", \"kind\": \"no kind\"}",
		`{"name":"first","name":"last"}`,
		`{"name":"žluťoučký kůň"}`,
	}
	otherLines = []string{
		``, `{`, `{}`, `[]`, `null`, `{"name"}`, `{"name":}`, `{"name":"a"`, `{"name":"a",}`, `{"name":"a"}}`, `{"name":"a"}x`,
		`{"name":"a\"b"}`, `{"name":"\u00e9"}`, "{\"name\":\"a\tb\"}", "{\"name\":\"a\xff\"}", `{"name":"a}`,
		`{"Name":"a"}`, `{"name":"a","note":"b"}`, `{"name":"a","port":1}`, `{"name":null}`, `{"name":1}`, `{"name":"a","permutes":"true"}`,
		`{"name":"a","permutes":truely}`, `{"name":"a","kind":false}`, `{"name":"a" "kind":"tool"}`, `{,"name":"a"}`, `{"hello":["a"]}`,
	}
)

// TestReadPlain: a line is read as encoding/json reads it, or not at all.
func TestReadPlain(t *testing.T) {
	for _, line := range plainLines {
		var got, want Entry
		require.True(t, got.readPlain([]byte(line)), line)
		require.NoError(t, json.Unmarshal([]byte(line), &want), line)
		assert.Equal(t, want, got, line)
	}
	for _, line := range otherLines {
		assert.False(t, new(Entry).readPlain([]byte(line)), line)
	}
	lines := strings.Split(strings.TrimSpace(builtinText), "\n")
	require.NotEmpty(t, lines)
	for _, line := range lines {
		var got, want Entry
		require.NoError(t, json.Unmarshal([]byte(line), &want))
		plain := got.readPlain([]byte(line))
		assert.Equal(t, !strings.Contains(line, `\`), plain, line)
		if plain {
			assert.Equal(t, want, got)
		}
	}
}

func FuzzReadPlain(f *testing.F) {
	for _, line := range append(plainLines, otherLines...) {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var got, want Entry
		if got.readPlain(line) {
			require.NoError(t, json.Unmarshal(line, &want))
			assert.Equal(t, want, got)
		}
	})
}
