package known

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryTellHasARow finds each find function, which is named tell and returns
// tells, in the table.
func TestEveryTellHasARow(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var functions, rows []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := goparser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && strings.HasPrefix(d.Name.Name, "tell") && returnsTells(d) {
					functions = append(functions, d.Name.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					if v, ok := s.(*ast.ValueSpec); ok && v.Names[0].Name == "tells" {
						ast.Inspect(v.Values[0], func(n ast.Node) bool {
							if id, ok := n.(*ast.Ident); ok {
								rows = append(rows, id.Name)
							}
							return true
						})
					}
				}
			}
		}
	}
	require.NotEmpty(t, rows)
	require.GreaterOrEqual(t, len(functions), len(tells))
	for _, name := range functions {
		assert.True(t, slices.Contains(rows, name), "tells has no row for %s", name)
	}
}

// returnsTells reports whether a function returns a list of tells and nothing else.
func returnsTells(d *ast.FuncDecl) bool {
	results := d.Type.Results
	if results == nil || len(results.List) != 1 {
		return false
	}
	list, ok := results.List[0].Type.(*ast.ArrayType)
	if !ok {
		return false
	}
	id, ok := list.Elt.(*ast.Ident)
	return ok && id.Name == "Tell"
}

// TestTellsAreDocumented finds each kind of tell in the table of docs/clients.md,
// and no other there.
func TestTellsAreDocumented(t *testing.T) {
	docs, err := os.ReadFile("../docs/clients.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(docs), "| tell | what is found | in a later version |\n|---|---|---|\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	documented := strings.Split(table, "\n")
	var rows []string
	for _, kind := range TellKinds() {
		later := "is a tell"
		if kind.Novelty {
			later = "no evidence"
		}
		if kind.Lead {
			later = "a lead"
		}
		row := "| `" + kind.Name + "` | " + kind.Doc + " | " + later + " |"
		assert.False(t, slices.Contains(rows, row), "%s has two rows", kind.Name)
		assert.True(t, slices.Contains(documented, row), "docs/clients.md lacks the line %s", row)
		rows = append(rows, row)
	}
	for _, line := range documented {
		assert.True(t, slices.Contains(rows, line), "docs/clients.md has a line that no row of tells has: %s", line)
	}
}
