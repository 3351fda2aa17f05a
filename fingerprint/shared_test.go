//go:build shared

package fingerprint_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// TestClients checks every hello of the captures in TLSPEEK_SHARED against
// the values of independent tools.
func TestClients(t *testing.T) {
	type row struct {
		File     string
		N        int
		Proto    string
		Hex      string `json:"handshake_hex"`
		JA3Full  string `json:"ja3_full"`
		JA3, JA4 string
		JA4R     string `json:"ja4_r"`
		JA4O     string `json:"ja4_o"`
		JA4RO    string `json:"ja4_ro"`
	}
	type key struct {
		file string
		n    int
	}
	read := func(name string) map[key]row {
		f, err := os.Open(filepath.Join(os.Getenv("TLSPEEK_SHARED"), "clients", name))
		require.NoError(t, err)
		defer f.Close()
		rows := map[key]row{}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var r row
			require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
			rows[key{r.File, r.N}] = r
		}
		require.NoError(t, lines.Err())
		return rows
	}
	hellos, expected := read("hellos.jsonl"), read("expected.jsonl")
	require.NotEmpty(t, hellos)
	checked := 0
	for k, want := range expected {
		r, ok := hellos[k]
		if !ok {
			continue
		}
		msg, err := hex.DecodeString(r.Hex)
		require.NoError(t, err)
		transport, ok := parser.ParseTransport(r.Proto)
		require.True(t, ok, r.Proto)
		h := &parser.ClientHello{Transport: transport}
		require.NoError(t, h.Unmarshal(msg), "%v", k)
		if h.SSLv2 {
			continue
		}
		checked++
		assert.Equal(t, want.JA3Full, fingerprint.JA3Full(h), "%v", k)
		assert.Equal(t, want.JA3, fingerprint.JA3(h), "%v", k)
		assert.Equal(t, want.JA4, fingerprint.JA4(h), "%v", k)
		assert.Equal(t, want.JA4R, fingerprint.JA4R(h), "%v", k)
		assert.Equal(t, want.JA4O, fingerprint.JA4O(h), "%v", k)
		assert.Equal(t, want.JA4RO, fingerprint.JA4RO(h), "%v", k)
	}
	assert.Equal(t, len(hellos), checked)
}

// TestStableClients checks that each capture of one client has one stable
// value, however often the client resumed, except for programs that vary on purpose.
func TestStableClients(t *testing.T) {
	f, err := os.Open(filepath.Join(os.Getenv("TLSPEEK_SHARED"), "clients", "hellos.jsonl"))
	require.NoError(t, err)
	defer f.Close()
	stable, ja4 := map[string]map[string]bool{}, map[string]map[string]bool{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r struct {
			File, Proto string
			Hex         string `json:"handshake_hex"`
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
		msg, err := hex.DecodeString(r.Hex)
		require.NoError(t, err)
		transport, ok := parser.ParseTransport(r.Proto)
		require.True(t, ok, r.Proto)
		h := &parser.ClientHello{Transport: transport}
		require.NoError(t, h.Unmarshal(msg))
		client := r.File + " " + r.Proto
		if stable[client] == nil {
			stable[client], ja4[client] = map[string]bool{}, map[string]bool{}
		}
		stable[client][fingerprint.Stable(h)] = true
		ja4[client][fingerprint.JA4(h)] = true
	}
	require.NoError(t, lines.Err())
	split, splitStable := 0, 0
	for client := range stable {
		if len(ja4[client]) > 1 {
			split++
		}
		if len(stable[client]) > 1 {
			splitStable++
			// Scanners send many hellos, and got-scraping sends two.
			assert.Regexp(t, "^pcap/(scan-|got-scraping)", client)
		}
	}
	t.Logf("of %d captures %d have several JA4, %d several stable values", len(stable), split, splitStable)
}
