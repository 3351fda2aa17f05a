package known

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// A hello of a few kilobytes may have more small fields than a client sends suites. As
// of any list, no more of them are compared than the table of positions has room for.
func TestManySmallFields(t *testing.T) {
	schemes := func(from int) []byte {
		list := make([]parser.SignatureScheme, maxValues)
		for i := range list {
			list[i] = parser.SignatureScheme(from + i)
		}
		return hellotest.Vector16(hellotest.Uint16s(list))
	}
	var names []string
	for i := range maxValues {
		names = append(names, string([]byte{byte(i)}))
	}
	h := new(parser.ClientHello)
	require.NoError(t, h.Unmarshal(hellotest.Message(parser.VersionTLS12, []parser.CipherSuite{0x1301},
		hellotest.Extension(parser.ExtSupportedGroups, hellotest.Vector16(hellotest.Uint16s([]parser.NamedGroup{29, 23}))),
		hellotest.Extension(parser.ExtSignatureAlgorithmsCert, schemes(0x4000)),
		hellotest.Extension(parser.ExtDelegatedCredential, schemes(0x5000)),
		hellotest.Extension(parser.ExtApplicationSettings, hellotest.ALPN(names...)))))
	require.Len(t, h.ApplicationSettings, maxValues)
	var s shape
	s.read(h)
	for f := range s.lists {
		assert.LessOrEqual(t, len(s.lists[f]), maxValues, f)
	}
	assert.Len(t, s.lists[smallFields], maxValues)
	var m Matcher
	assert.Empty(t, m.AppendCandidates(nil, &Observation{Hello: h}), "nothing is near")
}
