package known

import (
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

const (
	// What Safari 17 sends.
	safariSignature = "0301 0303 32|GREASE 1301 1302 1303 c02c c02b cca9 c030 c02f cca8 c00a c009 c014 c013 009d 009c 0035 002f c008 c012 000a|00|" +
		"GREASE=,0000,0017=,ff01=00,000a=000agggg001d001700180019,000b=0100,0010=000c02683208687474702f312e31,0005=0100000000," +
		"000d=001604030804040105030203080508050501080606010201,0012=,0033:GREASE/1 001d/32,002d=0101,002b=0agggg0304030303020301,001b=020001,GREASE=00,0015*"

	// What Firefox 144 sends.
	firefoxSignature = "0301 0303 32|1301 1303 1302 c02b c02f cca9 cca8 c02c c030 c00a c009 c013 c014 009c 009d 002f 0035|00|" +
		"0000,0017=,ff01=00,000a=000e11ec001d00170018001901000101,000b=0100,0023=,0010=000c02683208687474702f312e31,0005=0100000000," +
		"0022=00080403050306030203,0012=,0033:11ec/1216 001d/32 0017/65,002b=0403040303,000d=001604030503060308040805080604010501060102030201," +
		"002d=0101,001c=4001,001b=06000100020003,fe0d"
)

func TestModelHello(t *testing.T) {
	e := Entry{Name: "Safari", Family: "Safari", Signature: safariSignature}
	h, err := e.ParseHello()
	require.NoError(t, err)
	assert.Nil(t, h, "nobody sent it")
	h, err = e.ModelHello()
	require.NoError(t, err)
	assert.Len(t, h.Raw, 512, "with padding")
	assert.Equal(t, "t13d2014h2_a09f3c656075_14788d8d241b", fingerprint.JA4(h))
	assert.Equal(t, "773906b0efdefa24a7f2b8eb6985bf37", fingerprint.JA3(h))
	assert.True(t, parser.IsGREASE(h.SupportedGroups[0]))
	assert.Equal(t, h.SupportedGroups[0], h.KeyShares[0].Group)
	assert.Equal(t, safari, browserShapeOf(h))
	assert.Empty(t, AppendTells(nil, &Observation{Hello: h, RecordVersion: parser.VersionTLS10}))

	e.Signature = firefoxSignature
	h, err = e.ModelHello()
	require.NoError(t, err)
	assert.Equal(t, "t13d1717h2_5b57614c22b0_3cbfd9057e0d", fingerprint.JA4(h))
	assert.Equal(t, firefox, browserShapeOf(h))
	assert.Empty(t, AppendTells(nil, &Observation{Hello: h, RecordVersion: parser.VersionTLS10}))

	e.Signature = "0301 0301 0|0004|00|"
	h, err = e.ModelHello()
	require.NoError(t, err)
	assert.Len(t, h.Raw, 4+2+32+1+2+2+1+1, "no extensions")

	e.Signature = "0301 0303 0|1301|00|002b=020304,0029"
	h, err = e.ModelHello()
	require.NoError(t, err)
	assert.Equal(t, fingerprint.SessionPSK, fingerprint.SessionOf(h))
	_, malformed := h.Extension(parser.ExtPreSharedKey)
	assert.True(t, malformed)
	for i := range h.Extensions {
		assert.Nil(t, h.Extensions[i].Err)
	}
}

func TestMalformedSignature(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 `signature "": 1 parts, not 4`,
		"0301 0303 0|1301|00":              `signature "0301 0303 0|1301|00": 3 parts, not 4`,
		"0303 0|1301|00|":                  `signature: head "0303 0": not three values`,
		"x 0303 0|1301|00|":                `signature: head "x 0303 0": "x": invalid syntax`,
		"0301 13033 0|1301|00|":            `signature: head "0301 13033 0": "13033": value out of range`,
		"0301 0303 256|1301|00|":           `signature: head "0301 0303 256": "256": value out of range`,
		"0301 0303 0|13 01 x|00|":          `signature: cipher suites: "x": invalid syntax`,
		"0301 0303 0|1301|0|":              `signature: compression methods "0"`,
		"0301 0303 0|1301|00|,":            `signature: extension "": "": invalid syntax`,
		"0301 0303 0|1301|00|0023":         `signature: extension "0023": no body is known for this type`,
		"0301 0303 0|1301|00|0015*=":       `signature: extension "0015*=": no body is known for this type`,
		"0301 0303 0|1301|00|000b=010":     `signature: extension "000b=010": encoding/hex: odd length hex string`,
		"0301 0303 0|1301|00|000a:001d/1":  `signature: extension "000a:001d/1": no body is known for this type`,
		"0301 0303 0|1301|00|0033:001d":    `signature: extension "0033:001d": "": invalid syntax`,
		"0301 0303 0|1301|00|0033:x/1":     `signature: extension "0033:x/1": "x": invalid syntax`,
		"0301 0303 0|1301|00|0033:1/65536": `signature: extension "0033:1/65536": "65536": value out of range`,
		"0301 0303 0|1301|00|0033:1/65535": `signature: extension "0033:1/65535": more than 65536 bytes`,
		"0301 0303 0|1301|00|" + strings.Repeat("0033:1/60000,", 9) + "0033:1/60000": `signature: extension "0033:1/60000": more than 65536 bytes`,
		"0301 0303 0|" + strings.Repeat("1301 ", 40_000) + "|00|":                    `signature: cipher suites: more than 65536 bytes`,
	} {
		_, err := appendModel(nil, text)
		require.EqualError(t, err, want, "%.40q", text)
		e := Entry{Name: "x", Signature: text}
		_, err = e.ModelHello()
		if text == "" {
			assert.NoError(t, err)
		} else {
			assert.Error(t, err, text)
		}
	}
	_, err := NewDatabase([]Entry{{Name: "x", Signature: "|"}})
	assert.EqualError(t, err, `hello of x: signature "|": 2 parts, not 4`)
}

// A client is recorded as long as nobody here has a hello of it, of that shape.
func TestRecorded(t *testing.T) {
	recorded := Entry{Name: "Safari", Version: "17.0", Family: "Safari", Kind: KindBrowser, Signature: safariSignature}
	h, err := recorded.ModelHello()
	require.NoError(t, err)
	find := func(entries ...Entry) Candidate {
		db, err := NewDatabase(entries)
		require.NoError(t, err)
		m := Matcher{Database: db}
		got := m.AppendCandidates(nil, &Observation{Hello: h})
		require.Len(t, got, 1)
		assert.Zero(t, got[0].Distance)
		return got[0]
	}
	c := find(recorded)
	assert.True(t, c.Recorded)
	text, err := json.Marshal(c)
	require.NoError(t, err)
	assert.Equal(t, string(text), string(c.AppendJSON(nil)))
	assert.Contains(t, string(text), `"recorded":true`)

	captured := recorded
	captured.Signature, captured.Hello = "", hex.EncodeToString(h.Raw)
	assert.False(t, captured.IsRecorded())
	assert.False(t, find(captured).Recorded)
	captured.Version = "17.1"
	assert.False(t, find(recorded, captured).Recorded)
	other := recorded
	other.Version = "17.2"
	assert.True(t, find(recorded, other).Recorded)
}

// FuzzSignature: what a signature says is in the hello that is made of it.
func FuzzSignature(f *testing.F) {
	f.Add(safariSignature)
	f.Add(firefoxSignature)
	f.Add("0301 0301 0|0004 0005|0100|")
	f.Add("0300 0303 32|GREASE 1301|00|GREASE=,GREASE=00,0029,0015*")
	f.Fuzz(func(t *testing.T, text string) {
		msg, err := appendModel(nil, text)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(msg), maxModel+4)
		var h parser.ClientHello
		if h.Unmarshal(msg) != nil {
			return
		}
		parts := strings.Split(text, "|")
		assert.Len(t, h.CipherSuites, len(strings.Fields(parts[1])))
		n := len(strings.Split(parts[3], ","))
		if parts[3] == "" {
			n = 0
		}
		assert.LessOrEqual(t, len(h.Extensions), n, "padding may be missing")
		assert.GreaterOrEqual(t, len(h.Extensions), n-strings.Count(parts[3], "*"))
		for i, word := range strings.Fields(parts[1]) {
			if word == "GREASE" {
				assert.True(t, parser.IsGREASE(h.CipherSuites[i]))
			}
		}
	})
}
