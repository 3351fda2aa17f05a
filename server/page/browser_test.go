//go:build browser

package page

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/answers"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func TestBrowserOverEachProtocol(t *testing.T) {
	address, cert := startPageWith(t)
	key := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	for _, c := range []struct {
		name, protocol, ja4 string
		flags               []chromedp.ExecAllocatorOption
	}{
		{"HTTP/1.1", "http/1.1", "t13d", []chromedp.ExecAllocatorOption{chromedp.Flag("disable-http2", true)}},
		{"HTTP/2", "h2", "t13d", nil},
		{"HTTP/3", "h3", "q13d", []chromedp.ExecAllocatorOption{
			chromedp.Flag("origin-to-force-quic-on", strings.TrimPrefix(address, "https://")),
			// ignore-certificate-errors does not apply to QUIC.
			chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(key[:])),
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := openTab(t, c.flags...)
			var protocol string
			b.do(t, chromedp.Navigate(address))
			b.eval(t, `performance.getEntriesByType("navigation")[0].nextHopProtocol`, &protocol)
			assert.Equal(t, c.protocol, protocol)
			assert.Contains(t, b.text(t, "#who"), "Chromium 1")
			assert.Contains(t, b.text(t, "[data-print=ja4]"), c.ja4)
			assert.Contains(t, b.text(t, ".ladder"), "ms after its hello")
			b.assertQuiet(t, address)
			b.shoot(t, "over-"+c.protocol[len(c.protocol)-2:])
		})
	}
}

// A pageField is a leaf in the browser.
type pageField struct {
	Name   string
	Offset int
	Length int
}

func TestBrowserShowsWhatJSONSays(t *testing.T) {
	address := startPage(t)
	b := openTab(t)
	b.do(t, chromedp.Navigate(address))
	var told struct {
		JA3, JA4, JA3N, Stable string
		Raw                    []byte
	}
	b.eval(t, `fetch("/json?detail=1").then(r => r.json())`, &told)
	require.NotEmpty(t, told.Raw)

	prints := make(map[string]string)
	b.eval(t, `Object.fromEntries([...document.querySelectorAll("[data-print]")].map(e => [e.dataset.print, e.textContent]))`, &prints)
	for name, want := range map[string]string{"ja4": told.JA4, "ja3": told.JA3, "ja3n": told.JA3N, "stable": told.Stable} {
		assert.NotEmpty(t, want, name)
		assert.Equal(t, want, prints[name], name)
	}

	var dumped string
	b.eval(t, `[...document.querySelectorAll("#dump .x a, #dump pre")].map(e => e.textContent).join(" ").replace(/\s/g, "")`, &dumped)
	assert.Equal(t, hex.EncodeToString(told.Raw), dumped)

	var got []pageField
	b.eval(t, `[...document.querySelectorAll("#tree .leaf .f")].map(f =>
		({name: f.querySelector(".n").textContent, offset: +f.dataset.o, length: +f.dataset.n}))`, &got)
	root := parser.Dissect(&parser.ClientHello{Raw: told.Raw})
	assert.Equal(t, leavesOf(&root, nil), got)
	b.assertQuiet(t, address)
	b.audit(t)
	b.shoot(t, "desktop")
	b.script(t, `for (const d of document.querySelectorAll("details")) d.open = true`)
	b.audit(t)
	b.shoot(t, "open")
}

func leavesOf(f *parser.Field, list []pageField) []pageField {
	if len(f.Children) == 0 {
		return append(list, pageField{f.Name, f.Offset, len(f.Bytes)})
	}
	for i := range f.Children {
		list = leavesOf(&f.Children[i], list)
	}
	return list
}

// lit returns the lit bytes and the name of the lit field.
func (b *tab) lit(t *testing.T) (bytes, field string) {
	t.Helper()
	b.eval(t, `[...document.querySelectorAll("#dump .x .lit, #dump pre.lit")].map(e => e.textContent).join("").replace(/\s/g, "")`, &bytes)
	b.eval(t, `document.querySelector("#tree .lit .n")?.textContent || ""`, &field)
	return bytes, field
}

func TestBrowserLightsFieldsAndBytes(t *testing.T) {
	address := startPage(t)
	b := openTab(t)
	b.do(t, chromedp.Navigate(address))
	var told struct{ Raw []byte }
	b.eval(t, `fetch("/json?detail=1").then(r => r.json())`, &told)
	h, err := parser.Parse(told.Raw)
	require.NoError(t, err)

	point := func(selector string) {
		t.Helper()
		var at struct{ X, Y float64 }
		b.eval(t, `(() => { const e = `+selector+`; e.scrollIntoView({block: "center", behavior: "instant"}); const r = e.getClientRects()[0]; return {x: r.x + 4, y: r.y + r.height / 2} })()`, &at)
		b.do(t, chromedp.MouseEvent(chromedp.MouseMoved, at.X, at.Y))
	}

	// A field lights its bytes: the whole extension, while it is closed.
	for i := range h.Extensions {
		e := &h.Extensions[i]
		point(`[...document.querySelectorAll("#tree summary.f")].find(f => f.dataset.o === "` + strconv.Itoa(e.Offset) + `" && f.dataset.n === "` + strconv.Itoa(4+len(e.Data)) + `")`)
		bytes, _ := b.lit(t)
		assert.Equal(t, hex.EncodeToString(told.Raw[e.Offset:e.Offset+4+len(e.Data)]), bytes, e.Type)
	}
	b.shoot(t, "lit")
	b.script(t, `document.getElementById("annotated").scrollIntoView({behavior: "instant"})`)
	b.do(t, chromedp.MouseEvent(chromedp.MouseMoved, 1, 1))
	b.script(t, `document.querySelector("#tree .f").focus({preventScroll: true});
		[...document.querySelectorAll("#tree summary.f")].find(f => f.querySelector(".n").textContent === "supported_groups").focus({preventScroll: true})`)
	b.shootScreen(t, "page-hello")

	// Bytes light their field, and a click opens it.
	random := `document.querySelector("#dump .x a[data-l='3']")`
	point(random)
	bytes, field := b.lit(t)
	assert.Equal(t, "random", field)
	assert.Equal(t, hex.EncodeToString(h.Random), bytes)
	b.script(t, `document.querySelector("#dump .x a[data-l='8']").click()`)
	_, field = b.lit(t)
	assert.Equal(t, "cipher_suite", field)

	// The keyboard reaches the fields.
	b.script(t, `document.querySelector("#tree .f").focus()`)
	b.do(t, chromedp.KeyEvent(kb.ArrowDown))
	bytes, field = b.lit(t)
	assert.Equal(t, "length", field)
	assert.Equal(t, hex.EncodeToString(told.Raw[1:4]), bytes)
	b.assertQuiet(t, address)
}

func TestBrowserCopies(t *testing.T) {
	address := startPage(t)
	b := openTab(t)
	b.do(t, chromedp.Navigate(address))
	var copied, labels []string
	b.eval(t, `(async () => {
		window.copied = [];
		navigator.clipboard.writeText = async text => { window.copied.push(text) };
		const buttons = [...document.querySelectorAll(".copy")];
		for (const b of buttons) b.click();
		await new Promise(done => setTimeout(done));
		return buttons.map(b => b.textContent);
	})()`, &labels)
	assert.Equal(t, slices.Repeat([]string{"Copied"}, len(labels)), labels)
	b.eval(t, `window.copied`, &copied)
	var ja4, link, dump string
	b.eval(t, `document.querySelector("[data-print=ja4]").textContent`, &ja4)
	b.eval(t, `document.querySelector(".tools a").getAttribute("href")`, &link)
	b.eval(t, `[...document.querySelectorAll("#dump .x a, #dump pre")].map(e => e.textContent).join("").replace(/\s/g, "")`, &dump)
	require.Greater(t, len(copied), 6)
	assert.Equal(t, ja4, copied[0])
	assert.Equal(t, []string{dump, address + link}, copied[len(copied)-2:])
	b.do(t, chromedp.Poll[chromedp.Void](`document.querySelector(".copy").textContent === "Copy JA4"`))
	b.assertQuiet(t, address)
}

// On a small screen the bytes stay above the fields, and do not cover the field
// that has the focus.
func TestBrowserKeepsBytesInSight(t *testing.T) {
	address := startPage(t)
	b := openTab(t)
	call(t, b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: 390, Height: 844, DeviceScaleFactor: 1, Mobile: true,
	})
	call(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	b.do(t, chromedp.Navigate(address))
	b.script(t, `for (const d of document.querySelectorAll("#tree details")) d.open = true;
		document.querySelector("#tree .f").focus()`)
	for _, key := range []string{kb.End, kb.ArrowUp, kb.ArrowUp, kb.ArrowUp, kb.ArrowUp, kb.ArrowUp, kb.ArrowUp, kb.ArrowUp} {
		b.do(t, chromedp.KeyEvent(key))
		var seen struct{ Box, Run, Field bool }
		b.eval(t, `(() => {
			const at = e => e.getBoundingClientRect(), box = at(document.querySelector(".dumpbox"));
			const run = at(document.querySelector("#dump .lit")), field = at(document.activeElement);
			return {
				box: box.top >= 0 && box.bottom < innerHeight / 2,
				run: run.top >= box.top && run.top < box.bottom,
				field: field.top >= box.bottom && field.bottom <= innerHeight,
			};
		})()`, &seen)
		assert.True(t, seen.Box && seen.Run && seen.Field, "%+v", seen)
	}
	b.shootScreen(t, "phone-fields")
	b.assertQuiet(t, address)
}

func TestBrowserCompares(t *testing.T) {
	address := startPage(t)
	real := hellotest.Real(t)
	b := openTab(t)
	b.do(t, chromedp.Navigate(address+"/compare"))
	b.audit(t)
	b.fill(t, hex.EncodeToString(real["chromium-117"].Raw))
	b.submit(t)
	assert.Equal(t, "The pasted hello, against your hello", b.text(t, "#difference"))
	assert.Contains(t, b.text(t, ".changes"), "trust_anchors")
	b.audit(t)
	b.shoot(t, "diff")
	b.shootScreen(t, "page-compare")

	// A file.
	file := filepath.Join(t.TempDir(), "hello.hex")
	require.NoError(t, os.WriteFile(file, []byte(hex.EncodeToString(real["curl-openssl-3.0"].Raw)), 0o600))
	b.do(t, chromedp.Navigate(address+"/compare"), chromedp.SetUploadFiles(chromedp.CSS("#hello-file"), []string{file}))
	b.submit(t)
	assert.Equal(t, "The hello of the file, against your hello", b.text(t, "#difference"))

	// The same, dropped on the page. Dropped text stays where it was dropped.
	b.do(t, chromedp.Navigate(address))
	var taken bool
	drop := `dispatchEvent(new DragEvent("drop", {dataTransfer: data, cancelable: true}))`
	b.eval(t, `(() => { const data = new DataTransfer(); data.setData("text/plain", "00"); return !`+drop+` })()`, &taken)
	assert.False(t, taken)
	b.navigate(t, chromedp.Evaluate[chromedp.Void](`{ const data = new DataTransfer(); data.items.add(new File(["`+
		hex.EncodeToString(real["node-24"].Raw)+`"], "hello.hex")); `+drop+` }; 0`))
	assert.Equal(t, "The hello of the file, against your hello", b.text(t, "#difference"))

	// A broken one shows its error at its byte.
	raw := real["curl-openssl-3.0"].Raw
	b.do(t, chromedp.Navigate(address+"/compare"))
	b.fill(t, hex.EncodeToString(raw[:120]))
	b.submit(t)
	assert.Contains(t, b.text(t, ".broken"), "Broken at byte")
	var wrong string
	b.eval(t, `document.querySelector("#dump .x .wrong").id`, &wrong)
	var link string
	b.eval(t, `document.querySelector(".broken a").getAttribute("href")`, &link)
	assert.Equal(t, "#"+wrong, link)
	b.audit(t)
	b.shoot(t, "error")
	b.assertQuiet(t, address)
}

func TestBrowserKeepsPermalinks(t *testing.T) {
	address := startPage(t)
	b := openTab(t)
	raw := hellotest.Real(t)["chromium-156-quic"].Raw
	fragment := "quic." + base64.RawURLEncoding.EncodeToString(raw)
	b.do(t, chromedp.Navigate(address+"/compare#"+fragment))
	box, err := chromedp.Run(b.ctx, chromedp.Value(chromedp.CSS("#hello-text")))
	require.NoError(t, err)
	assert.Equal(t, fragment, box)
	b.assertQuiet(t, address)
	b.script(t, `document.getElementById("hello-with").value = ""`)
	b.submit(t)
	var link string
	b.eval(t, `document.querySelector("a.button[href*='#']").getAttribute("href")`, &link)
	assert.Equal(t, "/compare#"+fragment, link)
	b.assertQuiet(t, address)
	b.audit(t)
	b.shoot(t, "quic")
}

func TestBrowserWithoutScript(t *testing.T) {
	address := startPage(t)
	b := openTab(t)
	call(t, b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.do(t, chromedp.Navigate(address))
	assert.Contains(t, b.text(t, "#who"), "You look like")
	assert.Contains(t, b.text(t, ".prints"), "JA4")
	assert.Contains(t, b.text(t, "#tree"), "supported_groups")
	assert.Contains(t, b.text(t, "#dump"), "01 00")
	b.do(t, chromedp.WaitNotVisible(chromedp.CSS(".copy")),
		chromedp.SetValue(chromedp.CSS("#hello-text"), hex.EncodeToString(hellotest.Real(t)["node-24"].Raw)))
	b.submit(t)
	assert.Equal(t, "The pasted hello, against your hello", b.text(t, "#difference"))
	b.do(t, chromedp.Navigate(address+"/live"))
	assert.Contains(t, b.text(t, "#live-rows"), "tls")
	b.assertQuiet(t, address)
}

func TestBrowserOnSmallAndDarkScreens(t *testing.T) {
	address := startPage(t)
	for _, c := range []struct {
		name   string
		width  int64
		scheme string
	}{
		{"phone", 360, "light"},
		{"phone-dark", 360, "dark"},
		{"zoomed", 640, "light"}, // 1280 at 200 %
		{"dark", 1280, "dark"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := openTab(t)
			call(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: c.scheme}},
			})
			call(t, b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
				Width: c.width, Height: 800, DeviceScaleFactor: 1, Mobile: c.width < 500,
			})
			for name, path := range map[string]string{
				"": "/", "-compare": "/compare", "-live": "/live",
				"-diff": "/compare?client=" + url.QueryEscape("Chromium|117.0.5938.0|tls|"),
			} {
				b.do(t, chromedp.Navigate(address+path))
				var width int64
				b.eval(t, `document.documentElement.scrollWidth`, &width)
				assert.LessOrEqual(t, width, c.width, path)
				b.audit(t)
				b.shoot(t, c.name+name)
			}
			b.assertQuiet(t, address)
		})
	}
}

func TestBrowserShowsHostileText(t *testing.T) {
	address := startPage(t)
	b := openTab(t)
	name := []byte(`</code><script>window.hit=1</script><img src=x onerror="window.hit=1">` + "\x00\x1b\xff")
	h := hellotest.Hello(
		hellotest.Extension(parser.ExtServerName, hellotest.ServerName(name)),
		hellotest.Extension(parser.ExtALPN, hellotest.ALPN(`"><script>window.hit=1</script>`)))
	b.do(t, chromedp.Navigate(address+"/compare"))
	b.fill(t, hex.EncodeToString(h.Raw))
	b.submit(t)
	b.script(t, `for (const d of document.querySelectorAll("details")) d.open = true`)
	assert.Contains(t, b.text(t, "#tree"), `<script>window.hit=1</script><img src=x onerror="window.hit=1">\x00\x1b\xff`)
	var hit bool
	b.eval(t, `"hit" in window`, &hit)
	assert.False(t, hit)
	b.assertQuiet(t, address)
}

func TestBrowserTakesHugeHellos(t *testing.T) {
	address := startPage(t)
	b := openTab(t)
	for name, h := range hellotest.Huge() {
		b.do(t, chromedp.Navigate(address+"/compare"))
		b.fill(t, hex.EncodeToString(h.Raw))
		b.submit(t)
		var nodes int
		var took float64
		b.eval(t, `document.querySelectorAll("*").length`, &nodes)
		assert.Less(t, nodes, 20000, name)
		b.eval(t, `performance.getEntriesByType("navigation").map(n => n.domComplete - n.responseStart)[0]`, &took)
		t.Logf("%s: %d bytes, %d elements, complete %.0f ms after the first byte of the answer", name, len(h.Raw), nodes, took)
		var dumped string
		b.eval(t, `[...document.querySelectorAll("#dump .x a, #dump pre")].map(e => e.textContent).join(" ").replace(/\s/g, "")`, &dumped)
		assert.True(t, hex.EncodeToString(h.Raw[:answers.MaxDetail]) == dumped, name)
		assert.Contains(t, b.text(t, "#dump .ends"), strconv.Itoa(len(h.Raw)-answers.MaxDetail)+" bytes are not shown", name)
	}
	b.assertQuiet(t, address)
}

func TestBrowserWatchesLive(t *testing.T) {
	address := startPage(t)
	b := openTab(t)
	b.do(t, chromedp.Navigate(address+"/live?addresses=1"),
		chromedp.Poll[chromedp.Void](`document.getElementById("live-state").textContent.startsWith("New ones")`))
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "new.example"},
	}}
	response, err := client.Get(address + "/json")
	require.NoError(t, err)
	response.Body.Close()
	client.CloseIdleConnections()
	b.do(t, chromedp.Poll[chromedp.Void](`document.getElementById("live-rows").textContent.includes("new.example")`))
	assert.Contains(t, b.text(t, "#live-rows tr"), "127.0.0.1")
	b.audit(t)
	b.shoot(t, "live")
	b.assertQuiet(t, address)
}
