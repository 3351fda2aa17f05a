package output

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

// TestBestColumns: the parts of a client are counted by the best candidate, and every
// other column by what it shows.
func TestBestColumns(t *testing.T) {
	best := known.Candidate{Name: "curl", Version: "8.5", Family: "OpenSSL", Library: "OpenSSL 3.0", Kind: known.KindTool,
		Learned: true, Distance: 7, Differs: known.FieldALPN, Recorded: true}
	list := []known.Candidate{best, {Name: "pip", Family: "OpenSSL", Distance: 7}}
	far := []known.Candidate{{Name: "far", Family: "F", Distance: 100}}
	parts := 0
	for i := range Columns {
		name := Columns[i].Name
		column, err := BestColumnOf(name)
		require.NoError(t, err)
		assert.Equal(t, name, column.Name)
		assert.Equal(t, Columns[i].Size, column.Size)
		if !strings.HasPrefix(name, "client.") {
			for _, o := range observations(t) {
				e := new(event.Observer).Event(o, event.Detail)
				assert.Equal(t, Columns[i].Text(&e), column.Text(&e), name)
			}
			continue
		}
		parts++
		assert.Equal(t, Columns[i].Text(&event.Event{Client: list[:1]}), column.Text(&event.Event{Client: list}), name)
		assert.NotEmpty(t, column.Text(&event.Event{Client: list}), name)
		want := ""
		if name == "client.name" || name == "client.family" || name == "client.kind" {
			want = "unknown"
		}
		assert.Equal(t, want, column.Text(&event.Event{Client: far}), name)
		assert.Equal(t, want, column.Text(&event.Event{}), name)
		assert.Empty(t, column.Text(&event.Event{Error: "truncated"}), name)
	}
	assert.Equal(t, len(clientParts), parts)
	_, err := BestColumnOf("client.nme")
	assert.Error(t, err)
}

// TestBestColumnAllocates: counting by the best client takes no memory.
func TestBestColumnAllocates(t *testing.T) {
	column, err := BestColumnOf("client.name")
	require.NoError(t, err)
	e := event.Event{Client: []known.Candidate{{Name: "curl"}}}
	buf := make([]byte, 0, 64)
	assert.Zero(t, testing.AllocsPerRun(100, func() { buf = column.Append(buf[:0], &e) }))
	assert.Equal(t, "curl", string(buf))
}
