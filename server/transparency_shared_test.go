//go:build shared

package server_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// TestTransparencyOfHostileStreams sends the TLS streams in TLSPEEK_SHARED, at
// once, and 1 and 7 bytes at a time.
func TestTransparencyOfHostileStreams(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(os.Getenv("TLSPEEK_SHARED"), "hellos", "corpus.tar.zst")
	out, err := exec.Command("tar", "--zstd", "-xf", archive, "-C", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	files, err := filepath.Glob(filepath.Join(dir, "raw", "tls", "*"))
	require.NoError(t, err)
	require.Len(t, files, 19918)
	config := servertest.Config(t)
	for _, file := range files {
		stream, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, chunk := range []int{1, 7, 1 << 20} {
			assertTransparent(t, config, stream, chunk, filepath.Base(file))
		}
	}
	assert.False(t, t.Failed())
}

// TestLiveEqualsCaptured sends the hellos of the captures in TLSPEEK_SHARED to a
// Listener, and compares with what other tools found in the captures.
func TestLiveEqualsCaptured(t *testing.T) {
	type row struct {
		File, Proto, JA3, JA4 string
		N                     int
		Hex                   string `json:"handshake_hex"`
	}
	rows := func(name string) (all []row) {
		f, err := os.Open(filepath.Join(os.Getenv("TLSPEEK_SHARED"), "clients", name))
		require.NoError(t, err)
		defer f.Close()
		for d := json.NewDecoder(f); d.More(); {
			var r row
			require.NoError(t, d.Decode(&r))
			all = append(all, r)
		}
		return all
	}
	want := make(map[string]row)
	for _, r := range rows("expected.jsonl") {
		want[fmt.Sprint(r.File, r.N)] = r
	}
	compared := 0
	for _, r := range rows("hellos.jsonl") {
		if r.Proto != "tls" {
			continue
		}
		message, err := hex.DecodeString(r.Hex)
		require.NoError(t, err)
		l := &server.Listener{Listener: one{&script{stream: records(message, 1000, 0x0301), chunk: 700}}}
		conn, err := l.Accept()
		require.NoError(t, err)
		_, err = io.ReadAll(conn)
		require.NoError(t, err)
		e, ok := conn.(*server.Conn).Event(event.Full)
		require.True(t, ok)
		expected := want[fmt.Sprint(r.File, r.N)]
		assert.Equal(t, expected.JA3, e.JA3(), r.File)
		assert.Equal(t, expected.JA4, e.JA4(), r.File)
		compared++
	}
	assert.Greater(t, compared, 500)
}
