package page

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/answers"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// TestSections names what a section lacks: its row, its files, its template, or
// what it shows of a hello that has everything.
func TestSections(t *testing.T) {
	rows := make(map[string]bool)
	for _, s := range sections {
		assert.False(t, rows[s.name], "%s has two rows", s.name)
		rows[s.name] = true
	}
	for _, pattern := range []string{"section_%s.go", "web/section_%s.html"} {
		for name := range rows {
			assert.FileExists(t, fmt.Sprintf(pattern, name))
		}
		files, err := filepath.Glob(fmt.Sprintf(pattern, "*"))
		require.NoError(t, err)
		for _, f := range files {
			name := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(f), filepath.Ext(f)), "section_")
			assert.True(t, rows[name], "%s has no row in sections", f)
		}
	}

	for name := range rows { // before the templates are parsed, which fails without saying which
		text, err := os.ReadFile(fmt.Sprintf("web/section_%s.html", name))
		require.NoError(t, err)
		require.Contains(t, string(text), fmt.Sprintf("{{define %q}}", name), "web/section_%s.html defines no template %s", name, name)
	}

	p := &Page{}
	require.True(t, p.ready(httptest.NewRecorder()))
	o := observeHello(hellotest.Real(t)["chromium-156-quic"])
	o.Carrier.Datagrams = 2
	o.QUIC = &fingerprint.QUICInitial{}
	e := answers.Event(&o, nil, event.Detail)
	v := p.newView(&e)
	v.state = &tls.ConnectionState{Version: tls.VersionTLS13}
	h := newHelloData(v)
	var page strings.Builder
	require.NoError(t, p.templates.ExecuteTemplate(&page, "hello", h))
	for _, s := range h.Sections {
		assert.NotNil(t, s.Data, "%s shows nothing of a hello that has everything", s.Name)
		var part strings.Builder
		require.NoError(t, p.templates.ExecuteTemplate(&part, s.Name, s.Data))
		assert.Contains(t, part.String(), "<section", s.Name)
		assert.True(t, strings.Contains(page.String(), part.String()), "%s is not on the page", s.Name)
	}

	for _, s := range newHelloData(&view{event: new(event.Event), index: p.index}).Sections {
		assert.Equal(t, s.Name == "who", s.Data != nil, "%s of an Event that has nothing", s.Name)
	}
}

func TestBrokenHelloShowsItsError(t *testing.T) {
	p := &Page{}
	require.True(t, p.ready(httptest.NewRecorder()))
	raw := hellotest.Real(t)["chromium-156"].Raw[:77]
	_, cut := parser.Parse(raw)
	for _, c := range []struct {
		err  error
		want messageError
	}{
		{cut, messageError{"cipher_suites: truncated", 77, 8}},
		{fmt.Errorf("%w; %w", cut, errors.New("2 bytes follow the record")), messageError{"parser: cipher_suites: truncated at byte 77; 2 bytes follow the record", 77, 8}},
		{errors.New("a <record> is cut"), messageError{"a <record> is cut", 0, -1}},
	} {
		assert.Equal(t, &c.want, p.newBrokenView(raw, parser.TLS, c.err).broken)
	}
}

func TestQUICInWords(t *testing.T) {
	assert.Equal(t, "1 (RFC 9000), 0x00000001", quicVersion("0x00000001"))
	assert.Equal(t, "0xff00001d", quicVersion("0xff00001d"))
	for n, want := range map[int]string{0: "PADDING", 1: "PING", 2: "ACK", 3: "ACK", 6: "CRYPTO", 28: "CONNECTION_CLOSE", 64: "64"} {
		assert.Equal(t, want, frameType(n))
	}
}

func TestClaimInWords(t *testing.T) {
	hello := observeHello(hellotest.Real(t)["firefox-153"])
	for _, c := range []struct {
		claim known.Claim
		want  string
	}{
		{known.Claim{Verdict: known.VerdictConsistent, Program: "Firefox 153", Reasons: []string{"a"}}, "The User-Agent says Firefox 153: consistent.</b>\nReasons: a."},
		{known.Claim{Verdict: known.VerdictInconsistent, Program: "Safari 18", Reasons: []string{"a", "b"}}, "The User-Agent says Safari 18: inconsistent.</b>\nReasons: a; b."},
		{known.Claim{Verdict: known.VerdictInconsistent, Program: "Safari 18", Reasons: []string{"a"}, Proxy: "Gate"}, "The User-Agent says Safari 18: not sent by itself, but by a proxy.</b>\nReasons: a."},
		{known.Claim{Program: "Wget"}, "The User-Agent says Wget: nothing speaks for it or against it.</b>"},
		{known.Claim{}, "The User-Agent names no program that could be checked.</b>"},
	} {
		p := &Page{}
		h := pageOf(p, nil)
		p.event = func(_ *http.Request, size event.Size) (event.Event, bool) {
			e := new(event.Observer).Event(&hello, size)
			e.Claim = &c.claim
			return e, true
		}
		assert.Contains(t, get(h, "/", "text/html").Body.String(), c.want)
	}
}

// A form that is not multipart has the same limit.
func TestLargeFormIsRefused(t *testing.T) {
	r := httptest.NewRequest("POST", "/compare", strings.NewReader("hello="+strings.Repeat("0", maxInput)))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	pageOf(&Page{}, nil).ServeHTTP(w, r)
	assert.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	assert.Contains(t, w.Body.String(), "more than 8 MiB")
}
