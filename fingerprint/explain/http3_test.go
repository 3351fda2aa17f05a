package explain_test

import (
	"crypto/md5"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/fingerprint/explain"
)

const (
	chromium3 = "1:65536;6:262144;7:100;51:1;GREASE|m,a,s,p"
	firefox3  = "1:65536;7:20;8:1;51:1;16765559:1;727725890:0|m,s,a,p"
)

func partNames(e explain.Explanation) (names []string) {
	for _, p := range e.Parts {
		names = append(names, p.Name)
	}
	return names
}

func TestHTTP3Texts(t *testing.T) {
	for text, c := range map[string]struct {
		parts []string
		note  string
	}{
		chromium3: {[]string{"settings", "pseudo_headers"}, "Its MD5, which others print, is e1d11ee6f2f4c7b1f11bfaaf4dbbc211."},
		firefox3:  {[]string{"settings", "pseudo_headers"}, "Its MD5, which others print, is 32b52289d7beca6748608aadb7b91846."},
		"1:65536;6:262144;7:100;51:1;GREASE|GREASE|984832|m,a,s,p": {[]string{"settings", "frames", "pseudo_headers"}, "Its MD5, which others print, is ba909fc3dc419ea5c5b26c6323ac1879."},
		"1:65536;6:262144;7:100;51:1;GREASE|m,a,s,p|GREASE;1:30000;15:AUTO|0,8": {[]string{"settings", "pseudo_headers", "transport_parameters", "connection_id_lengths"},
			"With the settings in the order of their ids and nothing else of the connection it is " + chromium3 + ", with the MD5 e1d11ee6f2f4c7b1f11bfaaf4dbbc211."},
		"1:65536;6:262144;7:100;51:1;126585778853:7|m,a,s,p": {[]string{"settings", "pseudo_headers"},
			"With the settings in the order of their ids and nothing else of the connection it is " + chromium3 + ", with the MD5 e1d11ee6f2f4c7b1f11bfaaf4dbbc211."},
		"51:1;6:1|13|m":   {[]string{"settings", "frames", "pseudo_headers"}, "With the settings in the order of their ids and nothing else of the connection it is 6:1;51:1|m, with the MD5 0a6cf3960e2fe2925cb52d5100433dcf."},
		"|m,a,s,p":        {[]string{"settings", "pseudo_headers"}, "Its MD5, which others print, is c089f6a90da27dee08ed98c1af5c44d7."},
		"6:1|3|13|12|m,p": {[]string{"settings", "frames", "pseudo_headers"}, ""},
	} {
		e, err := explain.Text(text)
		require.NoError(t, err, text)
		assert.Equal(t, "http3", e.Name, text)
		assert.Equal(t, c.parts, partNames(e), text)
		if c.note != "" {
			assert.Contains(t, e.Notes, c.note, text)
		}
	}
	e, err := explain.Text("1:65536;9:1;33:4;GREASE|GREASE|984832|5000|m,p")
	require.NoError(t, err)
	assert.Equal(t, []explain.Value{{Text: "1:65536", Name: "QPACK_MAX_TABLE_CAPACITY"}, {Text: "9:1", Name: "unknown"}, {Text: "33:4", Name: "GREASE"}, {Text: "GREASE"}}, e.Parts[0].Values)
	assert.Equal(t, "4 settings, 2 of them GREASE", e.Parts[0].Meaning)
	assert.Equal(t, []explain.Value{{Text: "GREASE"}, {Text: "984832", Name: "PRIORITY_UPDATE of a request"}, {Text: "5000", Name: "unknown"}}, e.Parts[1].Values)
}

// TestHTTP3IsNotHTTP2: the texts of HTTP/2 are still read as such.
func TestHTTP3IsNotHTTP2(t *testing.T) {
	for _, text := range []string{
		"1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p", "|00|0|m,a,s,p", "3:100;4:65535|00|3:0:0:201,5:0:0:101|m,p",
		"1:65536;2:0;4:6291456;6:262144;GREASE|15663105|0|m,a,s,p", "1:65536;GREASE|15663105|3:0:0:201|m,a,s,p",
		"1:65536;2:0;4:6291456;6:262144;:3814263365|15663105|0|m,a,s,p", "1:65536;GREASE|15663105|0",
		"1:65536;3:1000;4:6291456|15663105|0", "1:65536|00|0|masp", "1:65536|00|0|",
	} {
		e, err := explain.Text(text)
		require.NoError(t, err, text)
		assert.Equal(t, "http2", e.Name, text)
	}
	_, err := explain.DiffTexts(chromium3, "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p")
	assert.EqualError(t, err, "fingerprint: http3 and http2 cannot be compared: give two of one kind")
}

func TestHTTP3Malformed(t *testing.T) {
	for text, want := range map[string]string{
		"1;GREASE|m":           `the setting "1" is neither an id and a value nor GREASE`,
		"1:x|m":                `the setting "1:x" is neither an id and a value nor GREASE`,
		"1:1|GREASE|x":         `no pseudo-header fields such as m,a,s,p`,
		"1:1|GREASE|x|m":       `"x" is neither the type of a frame nor an order of pseudo-header fields`,
		"1:1|mm":               `the pseudo-header field "mm" is none of m, a, s and p`,
		"1:1;GREASE|m|1:2|3|4": `3 fields between bars behind the pseudo-header fields`,
	} {
		_, err := explain.Text(text)
		require.Error(t, err, text)
		assert.Contains(t, err.Error(), want, text)
		assert.Contains(t, err.Error(), "(one looks like "+chromium3+")", text)
	}
}

func TestHTTP3Samples(t *testing.T) {
	wire := "1:65536;6:262144;7:100;51:1;GREASE|GREASE|984832|m,a,s,p"
	samples := []explain.Sample{
		{Client: "Firefox", Input: fingerprint.Input{HTTP3: firefox3}},
		{Client: "Chromium", Input: fingerprint.Input{HTTP3: chromium3, HTTP3Wire: wire}},
	}
	hash := func(s string) string { sum := md5.Sum([]byte(s)); return hex.EncodeToString(sum[:]) }
	for text, c := range map[string]struct{ name, client string }{
		chromium3:                          {"http3", "Chromium"},
		wire:                               {"http3", "Chromium"},
		firefox3:                           {"http3", "Firefox"},
		hash(chromium3):                    {"http3_hash", "Chromium"},
		hash(wire):                         {"http3_hash", "Chromium"},
		hash(firefox3):                     {"http3_hash", "Firefox"},
		chromium3 + "|15:AUTO;1:30000|8,8": {"http3", "Chromium"},
	} {
		e, err := explain.Text(text)
		require.NoError(t, err, text)
		e.AddSamples(slices.Values(samples))
		assert.Equal(t, c.name, e.Name, text)
		require.Len(t, e.Clients, 1, text)
		assert.Equal(t, c.client, e.Clients[0].Name, text)
	}
}

func TestHTTP3Diff(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want []string
	}{
		{chromium3, "1:65536;6:262144;7:100;33:1;51:1|m,a,s,p", []string{"settings: moved 51:1 H3_DATAGRAM, from 4 to 5"}},
		{chromium3, "51:1;1:65536;GREASE;7:100;6:262144|GREASE|m,a,s,p", []string{}},
		{chromium3, "1:65536;6:262144;7:100;51:1;GREASE|m,a,p,s", []string{"pseudo_headers: moved s :scheme, from 3 to 4"}},
		{"1:0|13|m", "1:0|984832|m", []string{"frames: removed 13 MAX_PUSH_ID, place 1", "frames: added 984832 PRIORITY_UPDATE of a request, place 1"}},
		{"6:1|m", "6:2|m", []string{"settings: removed 6:1 MAX_FIELD_SECTION_SIZE, place 1", "settings: added 6:2 MAX_FIELD_SECTION_SIZE, place 1"}},
	} {
		d, err := explain.DiffTexts(c.a, c.b)
		require.NoError(t, err)
		got := []string{}
		for _, change := range d.Changes {
			got = append(got, change.String())
		}
		assert.Equal(t, c.want, got, "%s and %s", c.a, c.b)
	}
}
