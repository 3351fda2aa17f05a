package fingerprint_test

import (
	"bufio"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

var transports = map[string]parser.Transport{"tls": parser.TLS, "quic": parser.QUIC, "dtls": parser.DTLS}

// hellos returns the hellos of real clients by name.
func hellos(t testing.TB) map[string]*parser.ClientHello {
	f, err := os.Open("../testdata/hellos.txt")
	require.NoError(t, err)
	defer f.Close()
	all := map[string]*parser.ClientHello{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		require.Len(t, fields, 3)
		msg, err := hex.DecodeString(fields[2])
		require.NoError(t, err)
		h := &parser.ClientHello{Transport: transports[fields[1]]}
		require.NoError(t, h.Unmarshal(msg))
		all[fields[0]] = h
	}
	require.NoError(t, lines.Err())
	require.NotEmpty(t, all)
	return all
}

// The values of tshark 4.4 for the same captures.
func TestRealClients(t *testing.T) {
	want := map[string][2]string{
		"chromium-156":     {"", "t13d1517h2_8daaf6152771_cb7bf5808d99"},
		"chromium-117":     {"", "t13d1516h2_8daaf6152771_e5627efa2ab1"},
		"firefox-153":      {"", "t13d1617h2_86a278354501_3cbfd9057e0d"},
		"go-1.26":          {"", "t13d1312h2_f57a46bbacb6_ab7e3b40a677"},
		"curl-openssl-3.0": {"0149f47eabf9a20d0893e2a44e5a6323", "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6"},
	}
	all := hellos(t)
	for name, w := range want {
		require.Contains(t, all, name)
		assert.Equal(t, w[1], fingerprint.JA4(all[name]), name)
		if w[0] != "" {
			assert.Equal(t, w[0], fingerprint.JA3(all[name]), name)
		}
	}
}
