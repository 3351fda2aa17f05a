package server_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAPIIsSmall bounds what embedders have to know, and has each name in an
// example.
func TestAPIIsSmall(t *testing.T) {
	fset := token.NewFileSet()
	exported := make(map[string]bool)
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	add := func(id *ast.Ident) {
		if id.IsExported() {
			exported[id.Name] = true
		}
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		require.NoError(t, err)
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					add(d.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						add(s.Name)
					case *ast.ValueSpec:
						for _, id := range s.Names {
							add(id)
						}
					}
				}
			}
		}
	}
	assert.NotEmpty(t, exported)
	assert.LessOrEqual(t, len(exported), 26)

	shown := make(map[string]bool)
	f, err := parser.ParseFile(fset, "example_test.go", nil, 0)
	require.NoError(t, err)
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Example") {
			ast.Inspect(fn, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "server" {
						shown[s.Sel.Name] = true
					}
				}
				return true
			})
		}
	}
	for name := range exported {
		assert.True(t, shown[name], "%s is in no example", name)
	}
}
