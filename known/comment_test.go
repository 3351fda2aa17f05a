package known

import (
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestImportComments: lines that begin with # are left out of a clients file wherever they
// are, and those of a CSV may hold its header.
func TestImportComments(t *testing.T) {
	const ja4 = `"ja4":"t13d1516h2_8daaf6152771_e5627efa2ab1"`
	text := "# one\n\n  # two {\n" + `{"name":"a#b",` + ja4 + "}\n#{\n" + `{"name":"c",` + "\n#\n" + ja4 + "}\n# end"
	for _, read := range []func(string) ([]Entry, error){
		func(s string) ([]Entry, error) { return Import(strings.NewReader(s), "list") },
		func(s string) ([]Entry, error) { return Import(iotest.OneByteReader(strings.NewReader(s)), "list") },
	} {
		entries, err := read(text)
		require.NoError(t, err)
		require.Len(t, entries, 2)
		assert.Equal(t, "a#b", entries[0].Name)
		assert.Equal(t, "c", entries[1].Name)
		_, err = read(text + "\n#\n{")
		assert.EqualError(t, err, "line 11: unexpected EOF")
		_, err = read("# comment\n" + `{"name":"","learned":true,` + ja4 + `}`)
		assert.EqualError(t, err, "line 2: a learned client without a name: name it, or delete the line")
		entries, err = read("# ja3_md5,Listingreason\n0149f47eabf9a20d0893e2a44e5a6323,Malware\n")
		require.NoError(t, err)
		assert.Equal(t, "Malware", entries[0].Name)
		_, err = read("# only a comment\n")
		assert.Error(t, err)
	}
}
