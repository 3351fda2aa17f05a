package known

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"go/format"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write clients.jsonl, clients_gen.go and releases_gen.go anew")

// TestGenerated checks that the fingerprints in clients.jsonl are those of its hellos,
// that the file is sorted, and that clients_gen.go is generated from it. With -update
// it writes both files.
func TestGenerated(t *testing.T) {
	text, err := os.ReadFile("clients.jsonl")
	require.NoError(t, err)
	entries, err := ReadEntries(bytes.NewReader(text))
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), compareVersions(a.Version, b.Version), cmp.Compare(a.Transport, b.Transport))
	})
	var sorted []byte
	for i := range entries {
		require.NoError(t, entries[i].Fingerprint())
		sorted, err = entries[i].AppendLine(sorted)
		require.NoError(t, err)
	}
	db, err := NewDatabase(entries)
	require.NoError(t, err)
	source, err := format.Source(appendSource(nil, db))
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile("clients.jsonl", sorted, 0o644))
		require.NoError(t, os.WriteFile("clients_gen.go", source, 0o644))
		return
	}
	assert.Equal(t, string(sorted), string(text), "run make generate")
	generated, err := os.ReadFile("clients_gen.go")
	require.NoError(t, err)
	assert.Equal(t, string(source), string(generated), "run make generate")
}

// appendSource appends db as Go source.
func appendSource(dst []byte, db *Database) []byte {
	b := bytes.NewBuffer(dst)
	b.WriteString("// Code generated from clients.jsonl by make generate. DO NOT EDIT.\n\npackage known\n\n")
	b.WriteString("var builtin = Database{\n\tshapes: []entry{\n")
	for _, e := range db.shapes {
		fmt.Fprintf(b, "{%#016x, %d, %d, %t, %t, %t, [numFields]uint32{", e.key, e.transport, e.optionals, e.scanner, e.imitation, e.permutes)
		for i, l := range e.lists {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprint(b, l)
		}
		fmt.Fprintf(b, "}, %d, %d, %d, %#x},\n", e.first, e.n, e.family, e.generic)
	}
	b.WriteString("},\n\tlists: [numFields][][]uint16{\n")
	for _, lists := range db.lists {
		b.WriteString("{\n")
		for _, list := range lists {
			b.WriteString("{")
			for i, v := range list {
				if i > 0 {
					b.WriteString(", ")
				}
				fmt.Fprintf(b, "%#04x", v)
			}
			b.WriteString("},\n")
		}
		b.WriteString("},\n")
	}
	b.WriteString("},\n\tclients: []Candidate{\n")
	for _, c := range db.clients {
		fmt.Fprintf(b, "{Name: %q, Version: %q, Family: %q, Library: %q, Kind: %d", c.Name, c.Version, c.Family, c.Library, c.Kind)
		if c.Distance != 0 {
			fmt.Fprintf(b, ", Distance: %d, Differs: %d", c.Distance, c.Differs)
		}
		if c.Recorded {
			b.WriteString(", Recorded: true")
		}
		b.WriteString("},\n")
	}
	fmt.Fprintf(b, "},\n\tnewest: %#v,\n\tfamilies: %d,\n}\n", db.newest, db.families)
	return b.Bytes()
}
