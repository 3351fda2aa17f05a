//go:build browser

package page

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	devnet "github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/listen"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/echo"
)

// These tests run the endpoint and Debian's Chromium. AXE is the path of
// axe.min.js, of the npm package axe-core; SHOTS, if set, is a folder for
// screenshots.

// startPage runs an endpoint with the page, and returns its address.
func startPage(t *testing.T) (address string) {
	t.Helper()
	address, _ = startPageWith(t)
	return address
}

// startPageWith returns the certificate as well.
func startPageWith(t *testing.T) (address string, cert *x509.Certificate) {
	t.Helper()
	certFile, keyFile, err := listen.SelfSigned(t.TempDir())
	require.NoError(t, err)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(t, err)
	ln, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	port := ln.Addr().(*net.TCPAddr).Port
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	require.NoError(t, err)
	p := &Page{Live: &Live{Addresses: true}, Read: readHex}
	h := &echo.Handler{Page: p}
	srv := &server.Server{
		Handler:   h,
		UDP:       []*net.UDPConn{udp},
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
	}
	served := make(chan error)
	go func() {
		served <- srv.Serve(&server.Listener{Listener: ln, Observe: func(o *event.Observation) { observeLive(p.Live, o) }})
	}()
	t.Cleanup(func() {
		p.Live.Stop()
		assert.NoError(t, srv.Close())
		assert.ErrorIs(t, <-served, http.ErrServerClosed)
	})
	return "https://localhost:" + strconv.Itoa(port), pair.Leaf
}

// readHex is for Page.Read: one hello in hex.
func readHex(_ context.Context, input []byte) ([]event.Observation, error) {
	msg, err := hex.DecodeString(strings.TrimSpace(string(input)))
	if err != nil {
		return nil, err
	}
	return []event.Observation{observeMessage(msg, parser.TLS)}, nil
}

// A tab is a tab of a browser, and a record of what happened in it.
type tab struct {
	ctx      context.Context
	mu       sync.Mutex
	console  []string // messages
	requests []string // their addresses
}

func openTab(t *testing.T, flags ...chromedp.ExecAllocatorOption) *tab {
	t.Helper()
	options := append([]chromedp.ExecAllocatorOption{
		chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.IgnoreCertErrors,
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("host-resolver-rules", "MAP localhost 127.0.0.1"),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(1400, 1040),
	}, flags...)
	allocator, cancelAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	ctx, cancelTimeout := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(func() { cancelTimeout(); cancel(); cancelAllocator() })
	b := &tab{ctx: ctx}
	require.NoError(t, chromedp.Do(ctx))
	require.NoError(t, chromedp.Listen(ctx, b.listen))
	call(t, b, log.Enable, cdp.Empty{})
	call(t, b, devnet.Enable, devnet.EnableParams{})
	return b
}

func (b *tab) listen(e any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := e.(type) {
	case *runtime.EventConsoleAPICalled:
		b.console = append(b.console, "console: "+string(e.Type))
	case *runtime.EventExceptionThrown:
		b.console = append(b.console, "exception: "+e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		b.console = append(b.console, e.Entry.Text+" "+e.Entry.URL)
	case *devnet.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

func (b *tab) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	require.NoError(t, chromedp.Do(b.ctx, steps...))
}

func (b *tab) text(t *testing.T, selector chromedp.CSS) string {
	t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Text(selector))
	require.NoError(t, err, selector)
	return text
}

func call[P, R any](t *testing.T, b *tab, command cdp.Command[P, R], params P) {
	t.Helper()
	_, err := chromedp.Call(b.ctx, command, params)
	require.NoError(t, err)
}

// script runs statements.
func (b *tab) script(t *testing.T, statements string) {
	t.Helper()
	b.do(t, chromedp.Evaluate[chromedp.Void](statements+"; 0"))
}

// eval decodes the value of an expression, which may be a promise, into out.
func (b *tab) eval(t *testing.T, expression string, out any) {
	t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](
		"(async () => JSON.stringify(await ("+expression+")))()", chromedp.EvalAwaitPromise))
	require.NoError(t, err, expression)
	require.NoError(t, json.Unmarshal([]byte(text), out), text)
}

// assertQuiet asserts that the console has no messages and no request went to
// another host.
func (b *tab) assertQuiet(t *testing.T, address string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	assert.Empty(t, b.console)
	require.NotEmpty(t, b.requests)
	for _, u := range b.requests {
		assert.True(t, strings.HasPrefix(u, address+"/") || strings.HasPrefix(u, "data:"), u)
	}
}

// shoot saves a screenshot of the whole page, if SHOTS is set.
func (b *tab) shoot(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("SHOTS")
	if dir == "" {
		return
	}
	b.do(t, chromedp.Sleep(300*time.Millisecond))
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644))
}

// shootScreen saves a screenshot of the visible part.
func (b *tab) shootScreen(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("SHOTS")
	if dir == "" {
		return
	}
	b.do(t, chromedp.Sleep(300*time.Millisecond))
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644))
}

// audit runs axe on the page, and asserts that it finds no violations.
func (b *tab) audit(t *testing.T) {
	t.Helper()
	script, err := os.ReadFile(os.Getenv("AXE"))
	require.NoError(t, err, "AXE must be the path of axe.min.js")
	b.script(t, string(script))
	var found []struct {
		ID, Impact, Help string
		Nodes            []struct{ HTML string }
	}
	b.eval(t, `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(v =>
		({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 4).map(n => ({html: n.html.slice(0, 300)}))})))`, &found)
	for _, v := range found {
		assert.Fail(t, v.Impact+": "+v.ID+": "+v.Help, "%+v", v.Nodes)
	}
}

// fill puts text into the form. Typing would take long.
func (b *tab) fill(t *testing.T, text string) {
	t.Helper()
	quoted, err := json.Marshal(text)
	require.NoError(t, err)
	b.script(t, `document.getElementById("hello-text").value = `+string(quoted))
}

func (b *tab) submit(t *testing.T) {
	t.Helper()
	b.navigate(t, chromedp.Click(chromedp.CSS("form.other button.main")))
}

// navigate does a step that leads to another page, and waits for the page.
func (b *tab) navigate(t *testing.T, step chromedp.Action[chromedp.Void]) {
	t.Helper()
	_, err := chromedp.RunResponse(b.ctx, step)
	require.NoError(t, err)
}
