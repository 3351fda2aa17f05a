package jsonw

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMembers(t *testing.T) {
	dst := append([]byte("kept"), '{')
	dst = KeyOf("empty").Quoted(dst, "")
	dst = KeyOf("text").Quoted(dst, `a "b"`)
	dst = append(KeyOf("number").Begin(dst), "-1"...)
	dst = KeyOf("strings").Strings(dst, []string{"a", "[", "b"})
	dst = KeyOf("none").Strings(dst, nil)
	dst = List(dst, KeyOf("objects"), []string{"x", "y"}, func(s *string, dst []byte) []byte {
		return append(KeyOf("name").Quoted(append(dst, '{'), *s), '}')
	})
	dst = append(dst, '}')
	assert.Equal(t, `kept{"empty":"","text":"a \"b\"","number":-1,`+
		`"strings":["a","[","b"],"none":[],"objects":[{"name":"x"},{"name":"y"}]}`, string(dst))
}

func TestAllocs(t *testing.T) {
	buf := make([]byte, 0, 256)
	list := []string{"a", "b"}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		dst := append(buf, '{')
		dst = KeyOf("text").Quoted(dst, "a\n")
		dst = append(KeyOf("number").Begin(dst), "-1"...)
		_ = KeyOf("list").Strings(dst, list)
	}))
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "plain", `a "quoted" \ text`, "line\nbreak\x00\x1f\x7f", "ü 漢", `"`, `\`} {
		got := AppendString([]byte("["), s)
		var back []string
		require.NoError(t, json.Unmarshal(append(got, ']'), &back), "%q", s)
		assert.Equal(t, []string{s}, back)
	}
}

// TestAppendStringEverywhere: a byte that needs an escape is found at any position.
func TestAppendStringEverywhere(t *testing.T) {
	for n := range 40 {
		for i := range n {
			for _, c := range []byte{0, 31, '"', '\\'} {
				b := bytes.Repeat([]byte{' ', '~', 0x7f, '!', '#', '[', ']', 0xc3, 0xa9}, 5)[:n]
				b[i] = c
				s := strings.ToValidUTF8(string(b), "é")
				var back string
				require.NoError(t, json.Unmarshal(AppendString(nil, s), &back), "%q", s)
				require.Equal(t, s, back)
			}
		}
	}
}

// FuzzAppendString compares with encoding/json.
func FuzzAppendString(f *testing.F) {
	f.Add("a.test")
	f.Add("a\"b\\c\x00\x1f\x7f\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			s = strings.ToValidUTF8(s, "?")
		}
		var back string
		require.NoError(t, json.Unmarshal(AppendString(nil, s), &back))
		require.Equal(t, s, back)
	})
}
