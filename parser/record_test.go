package parser

import (
	"bufio"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readHellos returns the messages of testdata/hellos.txt by name, parsed.
func readHellos(t testing.TB) map[string]*ClientHello {
	f, err := os.Open("../testdata/hellos.txt")
	require.NoError(t, err)
	defer f.Close()
	hellos := make(map[string]*ClientHello)
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		line := strings.Fields(s.Text())
		require.Len(t, line, 3)
		msg, err := hex.DecodeString(line[2])
		require.NoError(t, err, line[0])
		transport, ok := map[string]Transport{"tls": TLS, "quic": QUIC, "dtls": DTLS}[line[1]]
		require.True(t, ok, line[1])
		h := &ClientHello{Transport: transport}
		require.NoError(t, h.Unmarshal(msg), line[0])
		hellos[line[0]] = h
	}
	require.NoError(t, s.Err())
	require.NotEmpty(t, hellos)
	return hellos
}

// records cuts msg over records of n bytes at the most.
func records(msg []byte, n int) []byte {
	var b []byte
	for len(msg) > 0 {
		m := msg[:min(n, len(msg))]
		b = append(b, recordHandshake, 3, 1, byte(len(m)>>8), byte(len(m)))
		b = append(b, m...)
		msg = msg[len(m):]
	}
	return b
}

func TestRecordAssemblerEveryCut(t *testing.T) {
	for name, h := range readHellos(t) {
		want := h.Raw
		for _, size := range []int{1, 2, 3, 4, 5, 100, 16384} {
			stream := append(records(want, size), recordHandshake, 3, 3)
			for _, step := range []int{1, 7, 1448, len(stream)} {
				var a RecordAssembler
				var msg []byte
				used := 0
				for i := 0; i < len(stream) && msg == nil; i += step {
					var n int
					var err error
					msg, n, err = a.Next(stream[i:min(i+step, len(stream))])
					require.NoError(t, err)
					used += n
				}
				require.Equal(t, want, msg, name)
				require.Equal(t, len(stream)-3, used)
				require.Equal(t, (len(want)+size-1)/size, a.Records())
			}
		}
	}
}

func TestParseReadsRealHellos(t *testing.T) {
	for name, h := range readHellos(t) {
		assert.NotEmpty(t, h.CipherSuites, name)
		for _, e := range h.Extensions {
			assert.Nil(t, e.Err, "%s: %s", name, e.Type)
		}
	}
}
