package page

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestRegisteredFields names a field whose values have names and that is not in
// registered, and one in registered that no hello here has.
func TestRegisteredFields(t *testing.T) {
	named := map[string]bool{}
	var add func(f *parser.Field)
	add = func(f *parser.Field) {
		if f.ValueName != "" {
			named[f.Name] = true
		}
		for i := range f.Children {
			add(&f.Children[i])
		}
	}
	hellos := hellotest.Real(t)
	for name, v := range hellotest.Vectors(t) {
		hellos["vector "+name] = v.Parse(t)
	}
	hellos["rare extensions"] = hellotest.Hello(
		hellotest.Extension(parser.ExtHeartbeat, []byte{1}),
		hellotest.Extension(parser.ExtClientCertificateType, []byte{1, 2}))
	for _, h := range hellos {
		root := parser.Dissect(h)
		add(&root)
	}
	for _, name := range []string{
		"msg_type", "type", // whose other values cannot be read
		"version", "chosen_version", // of QUIC, of which many are private
		"cipher_spec", // of SSLv2, which has no registry
	} {
		assert.True(t, named[name], name)
		assert.False(t, registered[name], name)
		delete(named, name)
	}
	for name := range named {
		assert.True(t, registered[name], "values of %s have names, but registered lacks it", name)
	}
	for name := range registered {
		assert.True(t, named[name], "no value of %s has a name", name)
	}
}
