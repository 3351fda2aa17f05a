package nearest

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "ac", 1}, {"abc", "acb", 1},
		{"kitten", "sitting", 3}, {"ca", "abc", 3}, {"ü", "u", 1}, {"sni", "nsi", 1},
	} {
		assert.Equal(t, test.want, Distance(test.a, test.b), "%q %q", test.a, test.b)
		assert.Equal(t, test.want, Distance(test.b, test.a), "%q %q", test.b, test.a)
	}
}

func TestHint(t *testing.T) {
	names := []string{"ja3", "ja4", "ja3n", "sni", "client", "claim"}
	for name, want := range map[string]string{
		"ja5":     "did you mean ja3 or ja4?",
		"SNI":     "did you mean sni?",
		"cleint":  "did you mean client?",
		"quic":    "",
		"":        "",
		"clients": "did you mean client?",
	} {
		assert.Equal(t, want, Hint(name, names), name)
	}
	for name, names := range map[string][]string{"Golang": {"Erlang"}, "curl": {"Apple"}, "block": {"allow"}, "http": {"smtp"}} {
		assert.Empty(t, Hint(name, names), name)
	}
	for name, want := range map[string]string{"lceint": "client", "nsi": "sni", "hertz": "herz", "lient": "client", "Golnag": "golang"} {
		assert.Equal(t, []string{want}, Names(name, []string{want}), name)
	}
	assert.Len(t, Names("x", []string{"a", "b", "c", "d", "e"}), maxNames)
	assert.Nil(t, Names("abcdef", nil))
	assert.Equal(t, []string{"aaa"}, Names("aab", []string{"aaa", "aaa"}))
}
