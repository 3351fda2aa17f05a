//go:build shared

package parser

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/tlsrecord"
)

// TestHostileStreams reads the streams of $TLSPEEK_SHARED/hellos, which may not
// be copied into the project: fuzz corpora of several TLS libraries, and
// recordings of conformance suites.
func TestHostileStreams(t *testing.T) {
	dir := t.TempDir()
	archive := filepath.Join(os.Getenv("TLSPEEK_SHARED"), "hellos", "corpus.tar.zst")
	out, err := exec.Command("tar", "--zstd", "-xf", archive, "-C", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)

	accepted := acceptedByCryptoTLS(t, filepath.Join(dir, "gotls.jsonl"))
	require.NotEmpty(t, accepted)
	files, err := filepath.Glob(filepath.Join(dir, "raw", "*", "*"))
	require.NoError(t, err)
	assert.Len(t, files, 24940)
	compared, hellos, fragments := 0, 0, 0
	for _, name := range files {
		stream, err := os.ReadFile(name)
		require.NoError(t, err)
		base := filepath.Base(name)
		switch filepath.Base(filepath.Dir(name)) {
		case "tls":
			whole := assemble(stream, nil)
			require.Equal(t, whole, assemble(stream, []byte{0}), base)
			for _, msg := range whole.msgs {
				hellos++
				readAny(t, msg, TLS)
			}
			info, _ := serverView(stream)
			require.Equal(t, accepted[base], info != nil, "%s: accepted by crypto/tls", base)
			if info == nil {
				continue
			}
			compared++
			require.NotEmpty(t, whole.msgs, base)
			h, err := Parse(whole.msgs[0])
			require.NoError(t, err, base)
			requireSameAsCryptoTLS(t, info, h)
		case "dtls":
			var a DTLSAssembler
			for at := 0; at < len(stream); at++ { // some files have a prefix, or several datagrams
				if at > 0 && (stream[at] != tlsrecord.Handshake || at+2 < len(stream) && stream[at+1] != 0xfe) {
					continue
				}
				if msg, _ := a.Next(stream[at:]); msg != nil {
					fragments++
					readAny(t, msg, DTLS)
				}
			}
		default:
			readAny(t, stream, TLS)
			readAny(t, stream, DTLS)
			readAny(t, stream, QUIC)
		}
	}
	t.Logf("%d hellos over TLS, of which %d are first in their stream and accepted by crypto/tls; %d over DTLS", hellos, compared, fragments)
}

// acceptedByCryptoTLS returns whether crypto/tls accepted the hello of each
// stream.
func acceptedByCryptoTLS(t *testing.T, name string) map[string]bool {
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	accepted := make(map[string]bool)
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<22)
	for s.Scan() {
		var v struct {
			File  string
			Hello bool
		}
		require.NoError(t, json.Unmarshal(s.Bytes(), &v))
		accepted[v.File] = v.Hello
	}
	require.NoError(t, s.Err())
	return accepted
}

// readAny reads msg, which may be any bytes.
func readAny(t *testing.T, msg []byte, transport Transport) {
	h := ClientHello{Transport: transport}
	err := h.Unmarshal(msg)
	root := Dissect(&h)
	requireTiles(t, root, msg)
	require.True(t, json.Valid(root.AppendJSON(nil)))
	if err == nil && !h.SSLv2 {
		requireSameErrors(t, &h, root)
	}
	var e *Error
	require.True(t, err == nil || errors.As(err, &e) && e.Offset <= len(msg))
}
