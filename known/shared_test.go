//go:build shared

package known_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// TestGenuineBrowsers checks for the captures in TLSPEEK_SHARED that no tell fires on a
// genuine browser, that none of its claims is refuted, and that it is a candidate.
func TestGenuineBrowsers(t *testing.T) {
	type row struct {
		File, Client, Kind, Proto string
		N                         int
		HTTP2                     string `json:"h2_akamai"`
		UserAgent                 string `json:"user_agent"`
		RecordVersion             string `json:"record_version"`
		Second                    bool   `json:"hrr_second"`
		Hex                       string `json:"handshake_hex"`
	}
	read := func(name string) (rows []row) {
		f, err := os.Open(filepath.Join(os.Getenv("TLSPEEK_SHARED"), "clients", name))
		require.NoError(t, err)
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var r row
			require.NoError(t, json.Unmarshal(lines.Bytes(), &r))
			rows = append(rows, r)
		}
		require.NoError(t, lines.Err())
		require.NotEmpty(t, rows)
		return rows
	}
	id := func(r *row) string { return r.File + ":" + strconv.Itoa(r.N) }
	captures, expected := make(map[string]row), make(map[string]row)
	for _, r := range read("manifest.jsonl") {
		captures[r.File] = r
	}
	for _, r := range read("expected.jsonl") {
		expected[id(&r)] = r
	}
	families := map[string]string{"Chromium": "Chromium", "Firefox": "Firefox", "WebKitGTK": "GnuTLS", "qutebrowser": "Chromium"}
	var m known.Matcher
	browsers := 0
	var genuine []known.Observation // as though behind one address
	for _, r := range read("hellos.jsonl") {
		c, e := captures[r.File], expected[id(&r)]
		if c.Kind != "browser" {
			continue
		}
		browsers++
		msg, err := hex.DecodeString(r.Hex)
		require.NoError(t, err)
		h := &parser.ClientHello{Transport: map[string]parser.Transport{"quic": parser.QUIC, "dtls": parser.DTLS}[r.Proto]}
		require.NoError(t, h.Unmarshal(msg))
		o := known.Observation{Hello: h, Index: 1, HTTP2: c.HTTP2, Request: known.Request{UserAgent: c.UserAgent}}
		if e.Second {
			o.Index = 2
		}
		if v, err := strconv.ParseUint(e.RecordVersion, 16, 16); err == nil {
			o.RecordVersion = parser.Version(v)
		}
		genuine = append(genuine, o)
		candidates := m.AppendCandidates(nil, &o)
		assert.Empty(t, known.AppendTells(nil, &o), id(&r))
		claim := known.CheckClaim(&o, candidates)
		assert.NotEqual(t, known.VerdictInconsistent, claim.Verdict, "%s: %v", id(&r), claim.Reasons)
		name, _, _ := strings.Cut(c.Client, " ")
		if assert.NotEmpty(t, candidates, id(&r)) {
			assert.Equal(t, families[name], candidates[0].Family, id(&r))
		}
	}
	assert.Greater(t, browsers, 100)
	var mixed known.Tracker
	for i := range genuine {
		assert.Empty(t, mixed.AppendTells(nil, &genuine[i]))
		for j := range i {
			var pair known.Tracker
			pair.AppendTells(nil, &genuine[j])
			assert.Empty(t, pair.AppendTells(nil, &genuine[i]))
		}
	}
}
