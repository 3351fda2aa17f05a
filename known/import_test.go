package known

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	someJA4 = "t13d1516h2_8daaf6152771_02713d6af862"
	someJA3 = "0149f47eabf9a20d0893e2a44e5a6323"
)

func TestImport(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []Entry
	}{
		"FoxIO's mapping": {
			"Application,Library,Device,OS,ja4,ja4s,ja4h,ja4x,ja4t,ja4tscan,Notes\n" +
				"Chromium Browser,,,," + someJA4 + ",,,,,,\n" +
				",Python,,," + someJA4 + ",,,,,,\n" +
				"\"Sliver, Agent\",,,,,t130200_1301_234ea6891581,,,,,no hello\n",
			[]Entry{{Name: "Chromium Browser", JA4: someJA4, Source: "list"}, {Name: "Python", Library: "Python", JA4: someJA4, Source: "list"}},
		},
		"SSLBL": {
			"################\n# abuse.ch SSLBL JA3 #\n################\n#\n# ja3_md5,Firstseen,Lastseen,Listingreason\n" +
				someJA3 + ",2017-07-14 18:08:15,2019-07-27 20:42:54,Adware\n# END\n",
			[]Entry{{Name: "Adware", JA3: someJA3, Date: "2019-07-27 20:42:54", Source: "list"}},
		},
		"ja4db": {
			"\xef\xbb\xbf [{\"application\":null,\"library\":\"Go\",\"device\":null,\"os\":\"Linux\",\"user_agent_string\":\"x\",\"certificate_authority\":null," +
				"\"observation_count\":1,\"verified\":true,\"notes\":\"\",\"ja4_fingerprint\":\"" + someJA4 + "\",\"ja4s_fingerprint\":null}," +
				"{\"application\":\"no hello\",\"ja4_fingerprint\":null},{\"library\":\"Go\",\"ja4_fingerprint\":\"" + someJA4 + "\"}]",
			[]Entry{{Name: "Go", Library: "Go", JA4: someJA4, Source: "list"}},
		},
		"mercury": {
			`{"str_repr":"tls/1/(0303)(1301)[(0000)]","process_info":[{"process":"a","count":3},{"process":"b"}],"total_count":4}` + "\n" +
				`{"str_repr":"tls/1/(0303)(1302)[]","process_info":[{"process":"a"}]}`,
			[]Entry{
				{Name: "a", NPF: "tls/1/(0303)(1301)[(0000)]", Source: "list"},
				{Name: "b", NPF: "tls/1/(0303)(1301)[(0000)]", Source: "list"},
				{Name: "a", NPF: "tls/1/(0303)(1302)[]", Source: "list"},
			},
		},
		"a clients file": {
			`{"name":"mine","version":"1","kind":"tool","ja4":"` + someJA4 + `","source":"me"}` + "\n",
			[]Entry{{Name: "mine", Version: "1", Kind: KindTool, JA4: someJA4, Source: "me"}},
		},
		"control characters": {
			"name,ja3,kind\n\"a\x1b[31m\"," + strings.ToUpper(someJA3) + ",Browser\n",
			[]Entry{{Name: `a\x1b[31m`, JA3: someJA3, Kind: KindBrowser, Source: "list"}},
		},
	} {
		got, err := Import(strings.NewReader(c.text), "list")
		require.NoError(t, err, name)
		assert.Equal(t, c.want, got, name)
	}
}

func TestImportErrors(t *testing.T) {
	for text, want := range map[string]string{
		" \n":                                    "an empty list",
		"{":                                      "line 1: unexpected EOF",
		"\n[{\"name\":\"a\"}\n,\n":               "line 3: unexpected EOF",
		"[\n":                                    "line 1: unexpected EOF",
		"[{\"name\"":                             "line 1: unexpected EOF",
		"[{\"name\":\"a\"},\n\n":                 "line 2: unexpected EOF",
		"\n{\"name\":\"a\"}\n{\"name\":}\n":      "line 3: invalid character '}' looking for beginning of value",
		"[{},\n{\"application\":7}]":             "line 2: json: cannot unmarshal number",
		"{}\n\n{\"name\":\"a\",\"hello\":\"0\"}": "line 3: hello of a: encoding/hex: odd length hex string",
		"# x\nname,ja4\n\na,\"b\nc\n":            `line 4: extraneous or missing " in quoted-field`,
		"a,b\n1,2\n":                             "neither JSON nor CSV with a header that names a column ja3, ja3_md5, ja4, ja4_fingerprint or npf",
		`{"application":"none"}`:                 "no client with a fingerprint of its hello: JA3, JA4 or NPF, or a hello",
	} {
		_, err := Import(strings.NewReader(text), "")
		require.Error(t, err, text)
		if strings.Contains(want, "cannot unmarshal") { // the rest is encoding/json's to say
			assert.ErrorContains(t, err, want, text)
			continue
		}
		assert.EqualError(t, err, want, text)
	}
}

// Malformed clients are skipped and reported.
func TestImportMalformed(t *testing.T) {
	got, err := Import(strings.NewReader("# a list\nname,ja3,ja4\na,"+someJA3+",\nb,0x,\nc,,"+someJA4+"\nd,,t13d\ne,0x,"+someJA4+"\n"), "list")
	var bad *MalformedError
	require.ErrorAs(t, err, &bad)
	assert.Equal(t, 3, bad.N)
	assert.EqualError(t, err, `line 4: "0x" is no ja3, and 2 more`)
	assert.EqualError(t, bad.First, `line 4: "0x" is no ja3`)
	assert.Equal(t, []Entry{{Name: "a", JA3: someJA3, Source: "list"}, {Name: "c", JA4: someJA4, Source: "list"},
		{Name: "e", JA4: someJA4, Source: "list"}}, got)

	got, err = Import(strings.NewReader("[{\"application\":\"a\",\n\"ja4_fingerprint\":\"t13d\"}]"), "list")
	assert.EqualError(t, err, `line 1: "t13d" is no ja4`)
	assert.Empty(t, got)
}

func TestReadEntriesErrors(t *testing.T) {
	for text, want := range map[string]string{
		"\n# comment\n{\n":           "line 3: unexpected end of JSON input",
		`{"version":"1"}`:            "line 1: client without a name",
		`[]`:                         "line 1: a JSON array, not an object",
		`{"name":"a","signature":5}`: "line 1: signature: a JSON number, not a string",
		`{"name":"a","learned":"x"}`: "line 1: learned: a JSON string, not a bool",
		strings.Repeat("x", 1<<18+1): "line 1: over 262144 bytes",
	} {
		_, err := ReadEntries(strings.NewReader(text))
		assert.EqualError(t, err, want)
	}
	for text, want := range map[string]string{
		`{"name":"a"}`:                                    "line 1: client a has neither hello nor fingerprint",
		`{"name":"a","hello":"0x"}`:                       "line 1: hello of a: encoding/hex: invalid byte: U+0078 'x'",
		`{"name":"a","hello":"01"}`:                       "line 1: hello of a: parser: length: truncated at byte 1",
		`{"name":"a","hello":"01","transport":"carrier"}`: `line 1: transport "carrier" of a is none of tls, quic, dtls`,
	} {
		entries, err := ReadEntries(strings.NewReader(text))
		require.NoError(t, err)
		_, err = NewDatabase(entries)
		assert.EqualError(t, err, want)
	}
}

// Of many lines, that which is wrong is named.
func TestNewDatabaseNamesTheLine(t *testing.T) {
	for line, want := range map[string]string{
		`{"name":"a","signature":"0301 0303 99999|1301|00|0000"}`:     `hello of a: signature: head "0301 0303 99999": "99999": value out of range`,
		`{"name":"a","signature":"0301 0303 32|1301|00|zzzz="}`:       `hello of a: signature: extension "zzzz=": "zzzz": invalid syntax`,
		`{"name":"a","signature":"|"}`:                                `hello of a: signature "|": 2 parts, not 4`,
		`{"name":"a","learned":true,"signature":"|"}`:                 `hello of a: signature "|": 2 parts, not 4`,
		`{"name":"a","learned":true,"ja4":"` + someJA4 + `"}`:         "client a is learned, but has no hello",
		`{"name":"a","hello":"01","version":"1","date":"2026-07-29"}`: "hello of a: parser: length: truncated at byte 1",
		`{"name":"\u0061","hello":"01","seen":{"hellos":1}, "os":""}`: "hello of a: parser: length: truncated at byte 1",
	} {
		entries, err := ReadEntries(strings.NewReader(`{"name":"a","ja4":"` + someJA4 + `"}` + "\n\n# comment\n" + line + "\n"))
		require.NoError(t, err)
		_, err = NewDatabase(entries)
		assert.EqualError(t, err, "line 4: "+want)
		if strings.Contains(line, "truncated") || strings.Contains(line, "signature") {
			assert.EqualError(t, entries[1].Fingerprint(), "line 4: "+want)
		}
	}
	_, err := ReadEntries(strings.NewReader(`{"name":"a"}` + "\n" + strings.Repeat("x", 1<<18+1)))
	assert.EqualError(t, err, "line 2: over 262144 bytes")
}

func FuzzImport(f *testing.F) {
	f.Add("name,ja3\na," + someJA3)
	f.Add(`[{"application":"a","ja4_fingerprint":"` + someJA4 + `"}]`)
	f.Add(`{"str_repr":"tls/1/(0303)(1301)[]","process_info":[{"process":"a"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		entries, err := Import(strings.NewReader(text), "list")
		var bad *MalformedError
		if err != nil && !errors.As(err, &bad) {
			return
		}
		require.True(t, len(entries) > 0 || bad != nil)
		var file []byte
		for i := range entries {
			file, err = entries[i].AppendLine(file)
			require.NoError(t, err)
		}
		// Entries that are written are read back, except for text that JSON cannot hold.
		back, err := ReadEntries(strings.NewReader(string(file)))
		require.NoError(t, err)
		assert.Len(t, back, len(entries))
	})
}
