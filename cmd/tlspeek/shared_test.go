//go:build shared

package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/fingerprint/explain"
)

// TestDeviations compares what explain says that other tools print with what
// they printed, over the labelled captures in TLSPEEK_SHARED.
func TestDeviations(t *testing.T) {
	dir := filepath.Join(os.Getenv("TLSPEEK_SHARED"), "corpus")
	type key struct{ file, hello string }
	found := map[key][]explain.Deviation{}
	rows := expectedRows(t, filepath.Join(dir, "expected.jsonl"))
	read := map[string]bool{}
	for _, row := range rows {
		if read[row.File] {
			continue
		}
		read[row.File] = true
		f, err := os.Open(filepath.Join(dir, "pcaps", row.File))
		require.NoError(t, err)
		_, _ = capture.Read(context.Background(), f, func(h *capture.Hello) error {
			sum := sha256.Sum256(h.ClientHello.Raw)
			found[key{row.File, hex.EncodeToString(sum[:])}] = explain.JA4Deviations(h.ClientHello)
			return nil
		}) // a capture that is damaged gives what is before the damage
		f.Close()
	}

	for tool, oracle := range map[string]string{"nDPI": "ndpi4.11-built:ja4", "Suricata": "suricata7.0.10:ja4", "tshark 4.4": "tshark4.4:ja4"} {
		predicted, missed, agreed := 0, 0, 0
		for _, row := range rows {
			deviations, ok := found[key{row.File, row.Hello}]
			if !ok {
				continue
			}
			said := map[string]bool{}
			for _, d := range deviations {
				if strings.Contains(d.Tools, tool) {
					said[d.Text] = true
				}
			}
			printed, disagrees := row.Disagree[oracle]
			switch {
			case disagrees && said[printed]:
				predicted++
			case disagrees && printed == row.JA4[1:]: // in OpenVPN, which the hello does not show
			case disagrees:
				missed++
				t.Logf("%s prints %q, not %q: %s", tool, printed, row.JA4, row.File)
			case strings.Contains(strings.Join(row.Oracles, " "), oracle):
				agreed++
				assert.Empty(t, said, "%s prints the same for %s", tool, row.File)
			}
		}
		t.Logf("%s: of %d other values %d were foretold; %d values are the same", tool, predicted+missed, predicted, agreed)
		assert.Less(t, missed*20, predicted+missed+20)
	}
}

type expectedRow struct {
	File     string
	Hello    string `json:"hello_sha256"`
	JA4      string
	Oracles  []string
	Disagree map[string]string
}

func expectedRows(t *testing.T, name string) (rows []expectedRow) {
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row expectedRow
		require.NoError(t, json.Unmarshal(lines.Bytes(), &row))
		rows = append(rows, row)
	}
	require.NoError(t, lines.Err())
	require.NotEmpty(t, rows)
	return rows
}
