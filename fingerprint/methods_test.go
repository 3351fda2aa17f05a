package fingerprint_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// TestMethodsAreComplete reports what a row of the table lacks.
func TestMethodsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for i := range fingerprint.Methods {
		m := &fingerprint.Methods[i]
		assert.Regexp(t, "^[a-z][a-z0-9]*(_[a-z0-9]+)*$", m.Key, "key of row %d", i)
		assert.False(t, seen[m.Key], "two rows have the key %s", m.Key)
		seen[m.Key] = true
		assert.NotEmpty(t, m.Title, "title of %s", m.Key)
		assert.NotEmpty(t, m.Summary, "summary of %s", m.Key)
		assert.Regexp(t, `^[^.].{20,}\.$`, m.About, "about of %s is one sentence", m.Key)
		assert.NotNil(t, m.Append, "Append of %s", m.Key)
		for _, v := range m.Variants {
			assert.NotEmpty(t, v.Form, "form of a variant of %s", m.Key)
			assert.NotNil(t, v.Append, "Append of a variant of %s", m.Key)
		}
	}
	for i := range fingerprint.Methods {
		m := &fingerprint.Methods[i]
		for name, key := range map[string]string{"digest": m.Digest, "form": m.Form} {
			if key != "" {
				assert.True(t, seen[key], "the %s of %s, %q, is no key", name, m.Key, key)
				assert.NotEqual(t, m.Key, key, "the %s of %s", name, m.Key)
			}
		}
	}
}

// TestMethodsAreDocumented finds each key in the documents that list them all.
func TestMethodsAreDocumented(t *testing.T) {
	for _, name := range []string{"docs/event.md", "docs/fingerprints.md"} {
		text, err := os.ReadFile(filepath.Join("..", name))
		require.NoError(t, err)
		for i := range fingerprint.Methods {
			key := fingerprint.Methods[i].Key
			assert.True(t, strings.Contains(string(text), "`"+key+"`"), "%s does not list `%s`", name, key)
		}
	}
}

// TestEveryMethodHasARow finds each variable that defines a method in the table.
func TestEveryMethodHasARow(t *testing.T) {
	var defined, rows []string
	for _, f := range sources(t) {
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) == 0 {
				return true
			}
			switch name := v.Names[0].Name; {
			case strings.HasPrefix(name, "method"):
				defined = append(defined, name)
			case name == "Methods":
				for _, row := range v.Values[0].(*ast.CompositeLit).Elts {
					rows = append(rows, row.(*ast.Ident).Name)
				}
			}
			return false
		})
	}
	require.Len(t, rows, len(fingerprint.Methods))
	for _, name := range defined {
		assert.True(t, slices.Contains(rows, name), "Methods has no row for %s", name)
	}
	for _, name := range rows {
		assert.True(t, slices.Contains(defined, name), "the variable of the row %s does not begin with method", name)
	}
}

// helpers are the Append functions that need no row.
var helpers = []string{
	"HTTP2.AppendFingerprint", // its text is an Input
	"AppendHTTP3",             // likewise
	"AppendHTTP3Wire",
}

// TestEveryAppendHasARow finds each exported Append function in the definition of
// a method.
func TestEveryAppendHasARow(t *testing.T) {
	var appends, used []string
	for _, f := range sources(t) {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if strings.HasPrefix(d.Name.Name, "Append") {
					appends = append(appends, receiver(d)+d.Name.Name)
				}
			case *ast.GenDecl:
				ast.Inspect(d, func(n ast.Node) bool {
					if id, ok := n.(*ast.Ident); ok {
						used = append(used, id.Name)
					}
					return true
				})
			}
		}
	}
	require.Greater(t, len(appends), len(fingerprint.Methods))
	for _, name := range appends {
		assert.True(t, slices.Contains(used, name) || slices.Contains(helpers, name), "no row of Methods has %s", name)
	}
	for _, name := range helpers {
		assert.Contains(t, appends, name)
	}
}

// sources returns the files of the package.
func sources(t *testing.T) (files []*ast.File) {
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range names {
		if !strings.HasSuffix(name, "_test.go") {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			require.NoError(t, err)
			files = append(files, f)
		}
	}
	require.NotEmpty(t, files)
	return files
}

// receiver returns the type of a method's receiver and a dot.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	t := d.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	return t.(*ast.Ident).Name + "."
}

// TestEveryMethodHasAVector finds each method in testdata/vectors and in the
// oracle of slow_test.go. The tests that compare values leave out a method that
// this one misses, so that one test names it.
func TestEveryMethodHasAVector(t *testing.T) {
	expected, slow := vectorKeys(hellotest.Vectors(t)), slowKeys()
	keys := func(m *fingerprint.Method) []string {
		if m.Key == "npf" { // has a name of its own for each transport there
			return []string{"npf_1", "npf_quic"}
		}
		return []string{m.Key}
	}
	for i := range fingerprint.Methods {
		m := &fingerprint.Methods[i]
		if m.Live {
			continue // no hello has it
		}
		for _, key := range keys(m) {
			assert.True(t, slow[key], "slow_test.go: slowValues lacks %s", key)
			assert.True(t, expected[key], "no vector has %s: once slowValues has it, go test ./fingerprint -run TestVectors -update adds it", key)
		}
	}
}

// TestOrdered checks Ordered with hellos whose extensions are in another order.
func TestOrdered(t *testing.T) {
	differs := map[string]bool{}
	for _, h := range hellotest.Real(t) {
		extensions := slices.Clone(h.Extensions)
		slices.Reverse(extensions)
		c := hellotest.Rebuild(t, h, h.CipherSuites, extensions)
		for i := range fingerprint.Methods {
			m := &fingerprint.Methods[i]
			before := m.Of(&fingerprint.Input{Hello: h, QUIC: initialOf(h)})
			after := m.Of(&fingerprint.Input{Hello: c, QUIC: initialOf(c)})
			differs[m.Key] = differs[m.Key] || before != after
		}
	}
	for i := range fingerprint.Methods {
		m := &fingerprint.Methods[i]
		assert.Equal(t, m.Ordered, differs[m.Key], m.Key)
	}
}

func TestMethodsInOrder(t *testing.T) {
	var keys []string
	for _, m := range fingerprint.MethodsInOrder("stable", "ja4", "nothing", "stable") {
		keys = append(keys, m.Key)
	}
	assert.Equal(t, []string{"stable", "ja4", "ja3", "ja3_full"}, keys[:4])
	assert.Len(t, keys, len(fingerprint.Methods))
	assert.Len(t, slices.Compact(slices.Sorted(slices.Values(keys))), len(fingerprint.Methods))
}

// TestMethodsOfSSLv2: a hello in SSLv2 format has no fingerprint.
func TestMethodsOfSSLv2(t *testing.T) {
	v := hellotest.Vectors(t)["sslv2"]
	in := &fingerprint.Input{Hello: v.Parse(t), QUIC: defaultInitial}
	for i := range fingerprint.Methods {
		m := &fingerprint.Methods[i]
		assert.Empty(t, m.Of(in), m.Key)
		for j := range m.Variants {
			assert.Empty(t, m.Variants[j].Of(in), m.Variants[j].Form)
		}
	}
}
