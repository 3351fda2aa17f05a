package page

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/answers"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// observeHello returns an Observation of h alone.
func observeHello(h *parser.ClientHello) event.Observation { return observeMessage(h.Raw, h.Transport) }

// pageOf returns the handler of a page for a client that sent h.
func pageOf(p *Page, h *parser.ClientHello) http.Handler {
	p.event = func(_ *http.Request, size event.Size) (event.Event, bool) {
		o := observeHello(h)
		return answers.Event(&o, nil, size), true
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", p)
	p.Register(mux)
	return mux
}

func get(h http.Handler, path, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// post sends the form, with file as the upload if it is not nil.
func post(t *testing.T, h http.Handler, fields map[string]string, file []byte) *httptest.ResponseRecorder {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		require.NoError(t, form.WriteField(name, value))
	}
	if file != nil {
		part, err := form.CreateFormFile("file", "hello.pcap")
		require.NoError(t, err)
		_, err = part.Write(file)
		require.NoError(t, err)
	}
	require.NoError(t, form.Close())
	r := httptest.NewRequest("POST", "/compare", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPage(t *testing.T) {
	h := pageOf(&Page{}, hellotest.Real(t)["firefox-153"])
	w := get(h, "/", "text/html")
	assert.Equal(t, 200, w.Code)
	assert.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	assert.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	assert.Contains(t, w.Body.String(), "You look like Firefox 153")
}

func TestPageHasAStrictPolicy(t *testing.T) {
	h := pageOf(&Page{Live: &Live{}}, hellotest.Real(t)["chromium-156"])
	for _, path := range []string{"/", "/compare", "/live", "/static/style.css", "/static/page.js", "/static/icon.svg"} {
		w := get(h, path, "text/html")
		assert.Equal(t, 200, w.Code, path)
		assert.Equal(t, "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "+
			"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'", w.Header().Get("Content-Security-Policy"), path)
		assert.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"), path)
		assert.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"), path)
		for _, inline := range []string{"<style", " style=", "<script>", " onclick="} {
			assert.NotContains(t, w.Body.String(), inline, path)
		}
	}
	assert.Equal(t, 404, get(h, "/static/page.html", "text/html").Code)
	assert.Equal(t, 404, get(pageOf(&Page{}, nil), "/live", "text/html").Code)
}

func TestDumpHasEveryByteOnce(t *testing.T) {
	c, err := loadClients()
	require.NoError(t, err)
	hellos := hellotest.Real(t)
	for name, h := range hellotest.Huge() {
		hellos["huge "+name] = h
	}
	for name, h := range hellos {
		for _, raw := range [][]byte{h.Raw, h.Raw[:len(h.Raw)/3], h.Raw[:7]} {
			root := parser.Dissect(&parser.ClientHello{Transport: h.Transport, Raw: raw})
			tree := newTree(&root, c)
			var text strings.Builder
			leaf := -1
			for _, row := range tree.dump(raw) {
				require.Equal(t, text.Len()/2, row.Offset, name)
				if f := row.Folded; f != nil {
					text.WriteString(strings.NewReplacer(" ", "", "\n", "").Replace(f.Hex))
					assert.GreaterOrEqual(t, f.Leaf, leaf, name)
					leaf = f.Leaf
					continue
				}
				for _, half := range row.Halves {
					for _, run := range half.Runs {
						text.WriteString(strings.ReplaceAll(run.Hex, " ", ""))
						if run.First {
							leaf++
						}
						require.Equal(t, leaf, run.Leaf, "%s at %d", name, row.Offset)
					}
				}
			}
			assert.Equal(t, hex.EncodeToString(raw), text.String(), name)
			assert.Len(t, tree.leaves, leaf+1, name)
			assert.LessOrEqual(t, len(tree.leaves), maxLeaves+maxElements, name)
		}
	}
}

func TestTreeHasTheFieldsOfDissect(t *testing.T) {
	c, err := loadClients()
	require.NoError(t, err)
	for name, h := range hellotest.Real(t) {
		root := parser.Dissect(h)
		assertSameFields(t, &root, newTree(&root, c).Root, name)
	}
}

func assertSameFields(t *testing.T, f *parser.Field, n *node, name string) {
	t.Helper()
	assert.Equal(t, f.Name, n.Name, name)
	assert.Equal(t, f.Offset, n.Offset, name)
	assert.Equal(t, len(f.Bytes), n.Length, name)
	require.Len(t, n.Children, len(f.Children), name)
	for i := range f.Children {
		assertSameFields(t, &f.Children[i], n.Children[i], name)
	}
}

func TestFlags(t *testing.T) {
	c, err := loadClients()
	require.NoError(t, err)
	for _, x := range []struct {
		extension []byte
		counts    map[string]int
	}{
		{hellotest.Extension(0x0a0a, nil), map[string]int{"grease": 1}},
		{hellotest.Extension(0x1234, nil), map[string]int{"unknown": 1}},
		{hellotest.Extension(parser.ExtHeartbeat, []byte{2}), map[string]int{"unusual": 1}},
		{hellotest.Extension(parser.ExtSupportedVersions, []byte{2, 3, 1}), map[string]int{"old": 1}},
		{hellotest.Extension(parser.ExtSupportedGroups, []byte{0, 4, 0, 29, 0x7f, 0x7f}), map[string]int{"unknown": 1}},
		{hellotest.Extension(parser.ExtSupportedGroups, []byte{0, 3, 0, 29, 0}), map[string]int{"wrong": 2}},
		{hellotest.Extension(parser.ExtSupportedGroups, []byte{0, 2, 0, 29}), map[string]int{}},
	} {
		root := parser.Dissect(hellotest.Hello(x.extension))
		assert.Equal(t, x.counts, newTree(&root, c).FlagCounts(), "%x", x.extension)
	}
}

func TestHostileTextIsText(t *testing.T) {
	hostile := `</code><script>alert(1)</script><img src=x onerror=alert(1)>` + "\x00\x1b\u202e"
	hello := hellotest.Hello(
		hellotest.Extension(parser.ExtServerName, hellotest.ServerName([]byte(hostile))),
		hellotest.Extension(parser.ExtALPN, hellotest.ALPN(`"><script>`, "'><img src=x>")))
	p := &Page{Live: &Live{}}
	h := pageOf(p, hello)
	o := observeHello(hello)
	observeLive(p.Live, &o)
	for name, w := range map[string]*httptest.ResponseRecorder{
		"page":    get(h, "/", "text/html"),
		"live":    get(h, "/live", "text/html"),
		"compare": post(t, h, map[string]string{"hello": linkText(hello.Raw, parser.TLS), "with": "mine"}, nil),
		"pasted":  post(t, h, map[string]string{"hello": hostile, "client": hostile, "with": hostile}, nil),
		"query":   get(h, "/compare?client="+url.QueryEscape(hostile), "text/html"),
	} {
		body := w.Body.String()
		for _, markup := range []string{"<script>", "<img src=x", "\x1b", "\u202e"} {
			assert.False(t, strings.Contains(body, markup), "%s has %q", name, markup)
		}
		if name != "pasted" { // the form is not filled with it again
			assert.True(t, strings.Contains(body, "&lt;script&gt;"), name)
		}
	}
}

// sslv2 is a hello in SSLv2 format.
const sslv2 = "\x80\x2b\x01\x00\x02\x00\x12\x00\x00\x00\x10" +
	"\x01\x00\x80\x02\x00\x80\x03\x00\x80\x04\x00\x80\x06\x00\x40\x07\x00\xc0" + "0123456789abcdef"

func TestCompare(t *testing.T) {
	real := hellotest.Real(t)
	read := func(_ context.Context, input []byte) ([]event.Observation, error) {
		switch string(input) {
		case "capture":
			var list []event.Observation
			for _, name := range []string{"curl-openssl-3.0", "chromium-156-quic"} {
				o := observeHello(real[name])
				o.Packet, o.Src = 17, netip.MustParseAddrPort("192.0.2.1:1234")
				list = append(list, o)
			}
			return list, nil
		case "nothing":
			return nil, nil
		}
		return nil, errors.New("text that is neither hex nor base64")
	}
	h := pageOf(&Page{Read: read}, real["chromium-156"])
	link := linkText(real["chromium-117"].Raw, parser.TLS)
	for _, c := range []struct {
		name   string
		fields map[string]string
		file   string
		status int
		want   string
	}{
		{"with mine", map[string]string{"hello": link, "with": "mine"}, "", 200, "The pasted hello, against your hello"},
		{"a whole address", map[string]string{"hello": "https://tls.example/compare#" + link, "with": "mine"}, "", 200, "trust_anchors"},
		{"only read", map[string]string{"hello": link, "with": ""}, "", 200, "This looks like Chromium 1"},
		{"with a client", map[string]string{"hello": link, "with": "Firefox|153.7.0|tls|"}, "", 200, "The pasted hello, against Firefox 153.7.0"},
		{"a client", map[string]string{"client": "Firefox|153.7.0|tls|", "with": "mine"}, "", 200, "Firefox 153.7.0, against your hello"},
		{"the same", map[string]string{"hello": linkText(real["chromium-156"].Raw, parser.TLS), "with": "mine"}, "", 200, "They differ in nothing but what changes on each connection."},
		{"a capture", map[string]string{"with": "mine"}, "capture", 200, "2 hellos"},
		{"SSLv2", map[string]string{"hello": linkText([]byte(sslv2), parser.TLS), "with": "mine"}, "", 200, "hello in SSLv2 format, for which no fingerprint is defined"},
		{"nothing given", nil, "", 422, "nothing was given: paste a hello, choose a file, or choose a known client"},
		{"no hello in it", nil, "nothing", 422, "there is no hello in it"},
		{"nonsense", map[string]string{"hello": "nonsense"}, "", 422, "text that is neither hex nor base64"},
		{"no such client", map[string]string{"client": "Mosaic"}, "", 422, `no known client is &#34;Mosaic&#34;`},
		{"with no such client", map[string]string{"hello": link, "with": "Mosaic"}, "", 422, `no known client is &#34;Mosaic&#34;`},
		{"cut", map[string]string{"hello": linkText(real["chromium-117"].Raw[:100], parser.TLS), "with": "mine"}, "", 200, "byte 100</a>:</b> cipher_suites: truncated</p>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var file []byte
			if c.file != "" {
				file = []byte(c.file)
			}
			w := post(t, h, c.fields, file)
			assert.Equal(t, c.status, w.Code)
			assert.True(t, strings.Contains(w.Body.String(), c.want), c.want)
		})
	}
	w := post(t, h, nil, make([]byte, maxInput))
	assert.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	assert.Contains(t, w.Body.String(), "more than 8 MiB")

	w = get(h, "/compare?client="+url.QueryEscape("Firefox|153.7.0|tls|"), "text/html")
	assert.Contains(t, w.Body.String(), "Firefox 153.7.0, against your hello")

	w = post(t, pageOf(&Page{}, real["chromium-156"]), map[string]string{"hello": "00"}, nil)
	assert.Contains(t, w.Body.String(), "this server reads known clients and permalinks only")
}

// Each hello of a capture has a button that sends it again.
func TestFoundHellosCanBeTaken(t *testing.T) {
	real := hellotest.Real(t)
	var many []event.Observation
	for range maxListed + 3 {
		many = append(many, observeHello(real["chromium-156-quic"]))
	}
	h := pageOf(&Page{Read: func(context.Context, []byte) ([]event.Observation, error) { return many, nil }}, real["node-24"])
	body := post(t, h, nil, []byte{1}).Body.String()
	input := linkText(real["chromium-156-quic"].Raw, parser.QUIC)
	assert.Equal(t, maxListed, strings.Count(body, `name="hello" value="`+input+`"`))
	assert.Contains(t, body, "and 3 more that are not listed")
	body = post(t, h, map[string]string{"hello": input}, nil).Body.String()
	assert.Contains(t, body, "q13d0312h3")
}

func TestLink(t *testing.T) {
	for name, h := range hellotest.Real(t) {
		msg, transport, ok := fromLink(linkText(h.Raw, h.Transport))
		assert.True(t, ok, name)
		assert.Equal(t, h.Raw, msg, name)
		assert.Equal(t, h.Transport, transport, name)
	}
	for _, text := range []string{"", "tls.", "tls.!", "sctp.AQAA", "AQAA", "tls.AQAA="} {
		_, _, ok := fromLink(text)
		assert.False(t, ok, text)
	}
}

// observeLive adds the Event of o.
func observeLive(l *Live, o *event.Observation) {
	e := new(event.Observer).Event(o, event.Full)
	l.Add(&e)
}

func TestLive(t *testing.T) {
	l := &Live{}
	real := hellotest.Real(t)
	o := observeHello(real["chromium-156"])
	o.Src = netip.MustParseAddrPort("192.0.2.1:1234")
	for range liveRows + 7 {
		observeLive(l, &o)
	}
	o.Hello = real["firefox-153"]
	observeLive(l, &o)
	u := l.since(0, true)
	assert.Equal(t, liveRows+8, u.Total)
	assert.Equal(t, 8, u.Missed)
	require.Len(t, u.Rows, liveRows)
	assert.Equal(t, "Firefox 153.7.0", u.Rows[liveRows-1].Client)
	assert.Empty(t, u.Rows[0].Address, "the operator does not allow it")
	assert.Equal(t, []count{{"Chromium", liveRows + 7}, {"Firefox", 1}}, u.Clients)
	assert.Empty(t, l.since(u.Total, false).Rows)

	l.Addresses = true
	assert.Empty(t, l.since(0, false).Rows[0].Address, "nobody asked for it")
	assert.Equal(t, "192.0.2.1", l.since(0, true).Rows[0].Address)
}

func TestFrequencyIsBounded(t *testing.T) {
	var c frequency
	for i := range 3 * liveCounted {
		c.add("frequent")
		c.add(fmt.Sprint("rare ", i))
	}
	assert.Len(t, c.counts, liveCounted)
	assert.Equal(t, count{"frequent", 3 * liveCounted}, c.top()[0])
}

func TestLiveEvents(t *testing.T) {
	p := &Page{Live: &Live{}}
	real := hellotest.Real(t)
	srv := httptest.NewServer(pageOf(p, real["chromium-156"]))
	defer srv.Close()
	o := observeHello(real["curl-openssl-3.0"])
	observeLive(p.Live, &o)
	observeLive(p.Live, &o)

	response, err := http.Get(srv.URL + "/live/events?seen=1")
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	var data string
	for lines := bufio.NewScanner(response.Body); data == "" && lines.Scan(); {
		if lines.Text() == "id: 2" && lines.Scan() {
			data = strings.TrimPrefix(lines.Text(), "data: ")
		}
	}
	p.Live.Stop()
	var u liveUpdate
	require.NoError(t, json.Unmarshal([]byte(data), &u))
	assert.Equal(t, 2, u.Total)
	assert.Len(t, u.Rows, 1)
	assert.Eventually(t, func() bool {
		used, _ := p.budgets.Used(answers.Watchers)
		return used == 0
	}, 5*time.Second, time.Millisecond)
}

func TestWhoInWords(t *testing.T) {
	chromium := known.Candidate{Name: "Chromium", Version: "156.0.8078.79", Family: "Chromium", Library: "BoringSSL"}
	older := known.Candidate{Name: "Chromium", Version: "114.0.5735.0, 117.0.5938.0", Family: "Chromium"}
	curl := known.Candidate{Name: "curl", Version: "7.88.1", Family: "OpenSSL+curl"}
	openssl := known.Candidate{Name: "OpenSSL", Version: "3.0", Family: "OpenSSL", Library: "OpenSSL 3.0", Kind: known.KindLibrary}
	named := func(name string) known.Candidate { return known.Candidate{Name: name, Version: "1", Family: "OpenSSL"} }
	svn := named("svn")
	near := curl
	near.Distance, near.Differs = 42, known.FieldALPN|known.FieldOther
	for _, c := range []struct {
		name           string
		mine           bool
		clients        []known.Candidate
		tells          int
		headline, lede string
	}{
		{"nobody", true, nil, 0, "You look like no known client.", ""},
		{"one", true, []known.Candidate{chromium}, 0, "You look like Chromium 156.", "It sends hellos of exactly this shape. The TLS library is BoringSSL."},
		{"versions", false, []known.Candidate{older}, 0, "This looks like Chromium 114, 117.", "It sends hellos of exactly this shape."},
		{"two", true, []known.Candidate{chromium, curl}, 0, "You look like Chromium 156, or one other.", "2 known clients send a hello of exactly this shape, so it cannot tell them apart. The TLS library is BoringSSL."},
		{"library", false, []known.Candidate{openssl, svn}, 0, "This looks like OpenSSL 3.0.", "The hello does not say more: svn sends this shape with that library. The TLS library is OpenSSL 3.0."},
		{"library of many", false, []known.Candidate{openssl, svn, named("ab"), named("links"), named("w3m"), named("socat"), named("ncat")}, 0,
			"This looks like OpenSSL 3.0.", "The hello does not say more: svn, ab, links, w3m and 2 more send this shape with that library. The TLS library is OpenSSL 3.0."},
		{"library or another", false, []known.Candidate{openssl, curl, svn}, 0, "This looks like OpenSSL 3.0, or 2 others.",
			"3 known clients send a hello of exactly this shape, so it cannot tell them apart. The TLS library is OpenSSL 3.0."},
		{"near", false, []known.Candidate{near}, 0, "This looks like no known client, but most like curl 7.88.1.", "No known client sends exactly such a hello. The nearest one is 4.2 % away; it differs in application_layer_protocol_negotiation, other fields."},
		{"tells", true, []known.Candidate{older}, 2, "You look like Chromium 114, 117.", "It sends hellos of exactly this shape. 2 signs give an imitation away."},
	} {
		headline, lede := describe(&event.Event{Client: c.clients, Tells: make([]known.Tell, c.tells)}, c.mine)
		assert.Equal(t, c.headline, headline, c.name)
		assert.Equal(t, c.lede, lede, c.name)
	}
}

func TestHandshakeInSteps(t *testing.T) {
	begun := time.Now()
	times := server.Times{Accepted: begun, Hello: begun.Add(300 * time.Microsecond), Finished: begun.Add(21300 * time.Microsecond)}
	retried := times
	retried.SecondHello = begun.Add(11300 * time.Microsecond)
	for _, c := range []struct {
		name  string
		state tls.ConnectionState
		times server.Times
		want  []string
	}{
		{"TLS 1.3", tls.ConnectionState{Version: tls.VersionTLS13}, times, []string{
			"client: ClientHello, 0.3 ms after the connection began",
			"server: ServerHello EncryptedExtensions Certificate CertificateVerify Finished",
			"client: Finished, 21.0 ms after its hello: a round trip, and the server's work"}},
		{"resumed", tls.ConnectionState{Version: tls.VersionTLS13, DidResume: true}, server.Times{}, []string{
			"client: ClientHello",
			"server: ServerHello EncryptedExtensions Finished",
			"client: Finished"}},
		{"HelloRetryRequest", tls.ConnectionState{Version: tls.VersionTLS13, HelloRetryRequest: true}, retried, []string{
			"client: ClientHello, 0.3 ms after the connection began",
			"server: HelloRetryRequest",
			"client: ClientHello again, 11.0 ms after the first",
			"server: ServerHello EncryptedExtensions Certificate CertificateVerify Finished",
			"client: Finished, 10.0 ms after its hello: a round trip, and the server's work"}},
		{"TLS 1.2", tls.ConnectionState{Version: tls.VersionTLS12, CurveID: tls.X25519}, server.Times{}, []string{
			"client: ClientHello",
			"server: ServerHello Certificate ServerKeyExchange ServerHelloDone",
			"client: ClientKeyExchange ChangeCipherSpec Finished",
			"server: ChangeCipherSpec Finished"}},
		{"TLS 1.2 with RSA key exchange", tls.ConnectionState{Version: tls.VersionTLS12}, server.Times{}, []string{
			"client: ClientHello",
			"server: ServerHello Certificate ServerHelloDone",
			"client: ClientKeyExchange ChangeCipherSpec Finished",
			"server: ChangeCipherSpec Finished"}},
		{"TLS 1.2, resumed", tls.ConnectionState{Version: tls.VersionTLS12, DidResume: true}, server.Times{}, []string{
			"client: ClientHello",
			"server: ServerHello ChangeCipherSpec Finished",
			"client: ChangeCipherSpec Finished"}},
	} {
		var got []string
		for _, s := range newHandshakeData(&event.Event{Transport: "tls"}, &c.state, c.times).Steps {
			text := s.From() + ": " + strings.Join(s.Messages, " ")
			if s.At != "" {
				text += ", " + s.At
			}
			got = append(got, text)
		}
		assert.Equal(t, c.want, got, c.name)
	}
}

// BenchmarkPage has one of the largest hellos of real clients, and the largest
// possible ones.
func BenchmarkPage(b *testing.B) {
	hellos := hellotest.Huge()
	hellos["chromium-156"] = hellotest.Real(b)["chromium-156"]
	for name, hello := range hellos {
		b.Run(name, func(b *testing.B) {
			h := pageOf(&Page{}, hello)
			for b.Loop() {
				w := get(h, "/", "text/html")
				b.SetBytes(int64(w.Body.Len()))
			}
		})
	}
}

// TestFindHello: the table of candidates leads to a known hello of each, also where several
// versions are one candidate.
func TestFindHello(t *testing.T) {
	index, err := loadClients()
	require.NoError(t, err)
	for version, want := range map[string]string{
		"131.0.6778.0": "Chromium|131.0.6778.0|tls|",
		"92 to 117":    "Chromium|92.0.4512.0|tls|",
		"":             "",
		"1 to 2":       "",
	} {
		got := index.find(&known.Candidate{Name: "Chromium", Version: version}, "tls")
		assert.True(t, strings.HasPrefix(got, want) && (want != "" || got == ""), "%s: %s", version, got)
	}
}
