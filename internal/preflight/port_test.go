package preflight

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHolder reads tables that Linux wrote on x86-64.
func TestHolder(t *testing.T) {
	proc := t.TempDir()
	for name, text := range map[string]string{
		"net/tcp": `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:20FB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9001 1 0000000000000000 100 0 0 10 0
   1: 0100007F:20FC 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 9002 1 0000000000000000 20 4 30 10 -1
`,
		"net/tcp6": `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9003 1 0000000000000000 100 0 0 10 0
   1: 00000000000000000000000001000000:01BC 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9004 1 0000000000000000 100 0 0 10 0
`,
		"net/udp": `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  443: 00000000:01BB 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 9005 2 0000000000000000 0
`,
		"11/comm": "nginx\n", "12/comm": "httpd\n", "13/comm": "caddy\n", "14/comm": "dnsd\n",
	} {
		path := filepath.Join(proc, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	for fd, socket := range map[string]string{"11/fd": "9001", "12/fd": "9003", "13/fd": "9004", "14/fd": "9005"} {
		require.NoError(t, os.Mkdir(filepath.Join(proc, fd), 0o700))
		require.NoError(t, os.Symlink("socket:["+socket+"]", filepath.Join(proc, fd, "3")))
	}
	for _, c := range []struct {
		network, addr string
		want          holder
	}{
		{"tcp", "127.0.0.1:8443", holder{11, "nginx"}},
		{"tcp", "[::]:8443", holder{11, "nginx"}},
		{"tcp", "127.0.0.2:8443", holder{}},
		{"tcp", "127.0.0.1:8444", holder{}}, // a connection
		{"tcp4", "127.0.0.1:443", holder{12, "httpd"}},
		{"tcp", "[::1]:444", holder{13, "caddy"}},
		{"udp", "127.0.0.1:443", holder{14, "dnsd"}},
		{"udp", "127.0.0.1:8443", holder{}},
	} {
		got, found := holderOf(proc, c.network, netip.MustParseAddrPort(c.addr))
		assert.Equal(t, c.want, got, c.addr)
		assert.Equal(t, c.want.pid != 0, found, c.addr)
	}
}
