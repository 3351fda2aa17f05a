//go:build browser || peers

package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/sitetest"
)

// What a browser says of the page that it shows.
const pageScript = `JSON.stringify({
	status: performance.getEntriesByType("navigation")[0].responseStatus,
	protocol: performance.getEntriesByType("navigation")[0].nextHopProtocol,
	text: document.body.innerText,
})`

type shown struct {
	Status   int
	Protocol string
	Text     string
}

// A browser runs until the end of the test.
type browser struct {
	open func(url string) error // until the page is there; an error without an answer
	run  func(script string) (text string, err error)
}

// show opens a page, and says what it shows.
func (b *browser) show(url string) (p shown, err error) {
	if err := b.open(url); err != nil {
		return p, err
	}
	text, err := b.run(pageScript)
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal([]byte(text), &p)
}

// openChromium starts Chromium, and steers it with its own protocol.
func openChromium(t *testing.T, s *sitetest.Site, protocol, agent string) *browser {
	key := sha256.Sum256(s.Leaf.RawSubjectPublicKeyInfo)
	options := []chromedp.ExecAllocatorOption{
		chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.IgnoreCertErrors,
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("host-resolver-rules", "MAP * 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(key[:])),
		chromedp.UserDataDir(t.TempDir()),
	}
	switch protocol {
	case "http/1.1":
		options = append(options, chromedp.Flag("disable-http2", true), chromedp.Flag("disable-quic", true))
	case "h2":
		options = append(options, chromedp.Flag("disable-quic", true))
	case "h3":
		options = append(options, chromedp.Flag("origin-to-force-quic-on", sitetest.Name+":"+s.Port))
	}
	if agent != "" {
		options = append(options, chromedp.UserAgent(agent))
	}
	allocator, cancelAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	ctx, cancelTimeout := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(func() { cancelTimeout(); cancel(); cancelAllocator() })
	return &browser{
		open: func(url string) error { return chromedp.Do(ctx, chromedp.Navigate(url)) },
		run:  func(script string) (string, error) { return chromedp.Run(ctx, chromedp.Evaluate[string](script)) },
	}
}

// openFirefox starts Firefox, and steers it with its own protocol, Marionette.
func openFirefox(t *testing.T, s *sitetest.Site, protocol, agent string) *browser {
	profile := t.TempDir()
	for _, args := range [][]string{
		{"-N", "--empty-password"}, {"-A", "-n", "site", "-t", "C,,", "-i", s.CA},
	} {
		out, err := exec.Command("certutil", append(args, "-d", "sql:"+profile)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	prefs := map[string]any{
		"network.dns.localDomains":                                sitetest.Name,
		"network.http.http2.enabled":                              protocol != "http/1.1",
		"network.http.http3.enable":                               protocol == "h3",
		"network.http.http3.disable_when_third_party_roots_found": false,
		"marionette.port":                                         0, // any
		"network.captive-portal-service.enabled":                  false,
		"network.connectivity-service.enabled":                    false,
		"app.update.enabled":                                      false,
		"datareporting.policy.dataSubmissionEnabled":              false,
	}
	if protocol == "h3" {
		prefs["network.http.http3.alt-svc-mapping-for-testing"] = sitetest.Name + ";h3=:" + s.Port
	}
	if agent != "" {
		prefs["general.useragent.override"] = agent
	}
	var text strings.Builder
	for name, value := range prefs {
		b, err := json.Marshal(value)
		require.NoError(t, err)
		fmt.Fprintf(&text, "user_pref(%q, %s);\n", name, b)
	}
	require.NoError(t, os.WriteFile(filepath.Join(profile, "user.js"), []byte(text.String()), 0o600))

	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	cmd := exec.CommandContext(ctx, "firefox-esr", "--headless", "--no-remote", "--marionette", "--profile", profile)
	cmd.Env = append(os.Environ(), "HOME="+profile, "MOZ_DISABLE_AUTO_SAFE_MODE=1")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cancel(); cmd.Wait() })
	var port []byte
	require.Eventually(t, func() bool {
		port, _ = os.ReadFile(filepath.Join(profile, "MarionetteActivePort"))
		return len(port) > 0
	}, time.Minute, 50*time.Millisecond)
	conn, err := net.Dial("tcp", "127.0.0.1:"+strings.TrimSpace(string(port)))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	m := &marionette{conn: conn, r: bufio.NewReader(conn)}
	_, err = m.read()
	require.NoError(t, err)
	var none any
	require.NoError(t, m.call("WebDriver:NewSession", map[string]any{}, &none))
	return &browser{
		open: func(url string) error { return m.call("WebDriver:Navigate", map[string]any{"url": url}, &none) },
		run: func(script string) (string, error) {
			var result struct{ Value string }
			err := m.call("WebDriver:ExecuteScript", map[string]any{"script": "return " + script, "args": []any{}}, &result)
			return result.Value, err
		},
	}
}

// A marionette speaks Firefox's protocol: messages in JSON behind their length and a colon.
type marionette struct {
	conn net.Conn
	r    *bufio.Reader
	id   int
}

func (m *marionette) read() ([]byte, error) {
	length, err := m.r.ReadString(':')
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(length, ":"))
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	_, err = io.ReadFull(m.r, b)
	return b, err
}

func (m *marionette) call(command string, params, result any) error {
	m.id++
	b, err := json.Marshal([]any{0, m.id, command, params})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(m.conn, "%d:%s", len(b), b); err != nil {
		return err
	}
	if b, err = m.read(); err != nil {
		return err
	}
	var failed any
	message := []any{nil, nil, &failed, result}
	if err := json.Unmarshal(b, &message); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("%s: %v", command, failed)
	}
	return nil
}
