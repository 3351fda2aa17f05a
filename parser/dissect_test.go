package parser

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// requireGolden fails unless got equals a file of testdata.
func requireGolden(t *testing.T, name string, got []byte) {
	if *update {
		require.NoError(t, os.WriteFile(name, got, 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

// rawOf returns the bytes of the leaves of a tree in JSON, in order of offset.
// It fails if an object has two members of one name.
func rawOf(t testing.TB, text []byte) []byte {
	type object = map[string]json.RawMessage
	raw := make(map[int][]byte)
	var walk func(json.RawMessage)
	walk = func(text json.RawMessage) {
		var o object
		require.NoError(t, json.Unmarshal(text, &o))
		requireNoDuplicateKey(t, text, len(o))
		var list []json.RawMessage
		if o["list"] != nil {
			require.NoError(t, json.Unmarshal(o["list"], &list))
		}
		for key, v := range o {
			if v[0] == '{' {
				require.NotEqual(t, "list", key)
				list = append(list, v)
			}
		}
		for _, v := range list {
			walk(v)
		}
		if o["raw"] != nil {
			var offset int
			var digits string
			require.NoError(t, json.Unmarshal(o["offset"], &offset))
			require.NoError(t, json.Unmarshal(o["raw"], &digits))
			b, err := hex.DecodeString(digits)
			require.NoError(t, err)
			raw[offset] = append(raw[offset], b...)
		}
	}
	walk(text)
	var all []byte
	for len(raw) > 0 && len(raw[len(all)]) > 0 {
		all = append(all, raw[len(all)]...)
	}
	return all
}

// requireNoDuplicateKey fails unless the object has n members.
func requireNoDuplicateKey(t testing.TB, text []byte, n int) {
	d := json.NewDecoder(bytes.NewReader(text))
	_, err := d.Token()
	require.NoError(t, err)
	members := 0
	for d.More() {
		_, err := d.Token()
		require.NoError(t, err)
		var v json.RawMessage
		require.NoError(t, d.Decode(&v))
		members++
	}
	require.Equal(t, n, members, "duplicate name in %s", text)
}

func TestDissectRealHellos(t *testing.T) {
	for name, h := range readHellos(t) {
		root := Dissect(h)
		requireTiles(t, root, h.Raw)
		requireSameErrors(t, h, root)
		text, err := json.Marshal(root)
		require.NoError(t, err, name)
		assert.Equal(t, h.Raw, rawOf(t, text), name)
	}
}

func TestDissectJSON(t *testing.T) {
	for name, msg := range map[string][]byte{
		"hello": hello(bytes.Join([][]byte{
			fromHex("0000 000e 000c 00 0009 61 220a5c ff e282ac 00"), // server_name, hostile
			fromHex("000a 0006 0004 1a1a 001d"),
			fromHex("000a 0005 0003 001d 00"), // duplicate, of odd length
			fromHex("0017 0001 aa"),
			fromHex("fefe 0000"),
		}, nil)),
		"sslv2": sslv2Hello,
	} {
		h, err := Parse(msg)
		require.NoError(t, err)
		root := Dissect(h)
		text := root.AppendJSON(nil)
		assert.Equal(t, msg, rawOf(t, text))
		var indented bytes.Buffer
		require.NoError(t, json.Indent(&indented, text, "", "  "))
		requireGolden(t, "testdata/"+name+".json", append(indented.Bytes(), '\n'))
	}
}
