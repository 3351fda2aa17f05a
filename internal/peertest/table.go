package peertest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/sitetest"
)

// A Table is one of docs/proxy.md: what passes.
type Table struct {
	columns []string
	rows    [][]string
}

// NewTable returns a table with a first column, and one for each check.
func NewTable(first string, checks ...string) *Table {
	return &Table{columns: append([]string{first}, checks...)}
}

// Add adds a row.
func (t *Table) Add(cells ...string) { t.rows = append(t.rows, cells) }

// String returns the table in Markdown.
func (t *Table) String() string {
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	line(t.columns)
	b.WriteString(strings.Repeat("|---", len(t.columns)) + "|\n")
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

// Compare prints the table, and asserts that docs/proxy.md has it.
func (t *Table) Compare(tb testing.TB) {
	tb.Helper()
	tb.Logf("what passed:\n%s", t)
	text, err := os.ReadFile(filepath.Join(sitetest.Root(tb), "docs", "proxy.md"))
	require.NoError(tb, err)
	assert.Contains(tb, string(text), t.String())
}
