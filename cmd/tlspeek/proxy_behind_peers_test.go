//go:build peers

package main

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/peertest"
)

// TestProxyBehind runs nginx with docs/examples/proxy/nginx-behind.conf: it logs the client's
// address and fingerprint, and not what the client says of them, and refuses one.
func TestProxyBehind(t *testing.T) {
	dir, app := t.TempDir(), peertest.FreeAddr(t)
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(at("index.html"), []byte("the shop"), 0o644))
	text, err := os.ReadFile("../../docs/examples/proxy/nginx-behind.conf")
	require.NoError(t, err)

	p := peertest.Start(t, buildProxy(t), "--to", "http://"+app)
	get := func(newest uint16) (status int, body string) {
		client := &http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "shop.example", MaxVersion: newest},
			DialContext:     (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}).DialContext,
		}}
		defer client.CloseIdleConnections()
		r, err := http.NewRequest("GET", "https://"+p.Addr+"/", nil)
		require.NoError(t, err)
		for name, value := range map[string]string{"X-Forwarded-For": "192.0.2.66", "X-JA4-Fingerprint": "forged", "X_JA4_Fingerprint": "forged"} {
			r.Header.Set(name, value)
		}
		res, err := client.Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(b)
	}
	status, _ := get(tls.VersionTLS12)
	require.Equal(t, 502, status, "nginx does not run yet")
	var found []string
	require.Eventually(t, func() bool {
		found = regexp.MustCompile(` ja4=(t12d\w+) `).FindStringSubmatch(p.String())
		return found != nil
	}, time.Minute, 10*time.Millisecond)
	ja4 := found[1]

	config := strings.NewReplacer("127.0.0.1:8080", app, "/var/log/nginx/shop.log", at("shop.log"), "/var/www/shop", dir,
		"t13d190900_9dc949149365_97f8aa674fd9", ja4).Replace(string(text))
	temp := ""
	for _, of := range []string{"client_body", "proxy", "fastcgi", "scgi", "uwsgi"} {
		temp += of + "_temp_path " + at(of) + "; "
	}
	require.NoError(t, os.WriteFile(at("shop.conf"), []byte(config), 0o644))
	require.NoError(t, os.WriteFile(at("main.conf"), []byte("daemon off; master_process off; pid "+at("pid")+"; error_log stderr; events {} http { "+
		temp+"include "+at("shop.conf")+"; }"), 0o644))
	runPeer(t, exec.Command("nginx", "-c", at("main.conf")))
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", app)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, time.Minute, 10*time.Millisecond)

	status, _ = get(tls.VersionTLS12)
	assert.Equal(t, 403, status, "the fingerprint is refused")
	status, body := get(tls.VersionTLS13)
	assert.Equal(t, 200, status)
	assert.Equal(t, "the shop", body)
	lines, err := os.ReadFile(at("shop.log"))
	require.NoError(t, err)
	all := strings.Split(strings.TrimSpace(string(lines)), "\n")
	require.Len(t, all, 2)
	assert.Contains(t, all[0], " 403 ")
	assert.Contains(t, all[0], `"`+ja4+`"`)
	assert.Regexp(t, `^127\.0\.0\.9 .*"GET / HTTP/1\.1" 200 8 "t13d\w+_\w+_\w+" "[^"]*\bGo\b`, all[1])
	for _, forged := range []string{"forged", "192.0.2.66"} {
		assert.NotContains(t, string(lines), forged)
	}
}
