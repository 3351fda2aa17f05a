package page

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	goflag "flag"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint/explain"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

var update = goflag.Bool("update", false, "rewrite the golden files")

// TestPages compares pages with testdata. What they show is made up, so that it
// has everything that a template can show, and so that the pages change with the
// templates, not with the known clients.
func TestPages(t *testing.T) {
	p := &Page{}
	require.True(t, p.ready(httptest.NewRecorder()))
	for name, c := range map[string]struct {
		template string
		view     *pageView
	}{
		"hello":      {"page.html", &pageView{Title: "You", Path: "/", Live: true, Hello: madeUpHello(p), Compare: madeUpForm()}},
		"broken":     {"compare.html", &pageView{Title: "A hello", Path: "/compare", Hello: brokenHello(p), Compare: madeUpForm()}},
		"difference": {"compare.html", &pageView{Title: "A hello", Path: "/compare", Compare: madeUpDifference()}},
		"found":      {"compare.html", &pageView{Title: "Compare hellos", Path: "/compare", Message: "a <message>", Compare: madeUpCapture()}},
		"live":       {"live.html", &pageView{Title: "Live", Path: "/live", Live: true, Watch: madeUpLive(true)}},
		"live-plain": {"live.html", &pageView{Title: "Live", Path: "/live", Live: true, Watch: madeUpLive(false)}},
		"error":      {"error.html", &pageView{Title: "That did not work", Message: "a <message>"}},
	} {
		c.view.Version = "0123456789ab"
		var b bytes.Buffer
		require.NoError(t, p.templates.ExecuteTemplate(&b, c.template, c.view), name)
		file := "testdata/" + name + ".html"
		if *update {
			require.NoError(t, os.WriteFile(file, b.Bytes(), 0o644))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		assert.Equal(t, string(want), b.String(), "%s is not %s: run go test ./server/page -update if that is meant", c.template, file)
	}
}

// madeUpHello has all sections.
func madeUpHello(p *Page) *helloData {
	raw := hellotest.Hello(
		hellotest.Extension(0x0a0a, nil),
		hellotest.Extension(0x1234, nil),
		hellotest.Extension(parser.ExtSupportedVersions, []byte{4, 3, 4, 3, 1}),
		hellotest.Extension(parser.ExtSupportedGroups, []byte{0, 3, 0, 29, 0}),
		hellotest.Extension(parser.ExtHeartbeat, []byte{2}), // which no known client sends
		hellotest.Extension(parser.ExtPadding, make([]byte, 300)),
	).Raw
	root := parser.Dissect(&parser.ClientHello{Raw: raw})
	accepted := time.Unix(1700000000, 0)
	e := &event.Event{
		Transport: "tls",
		Via:       []string{"vlan 100", "vxlan 42"},
		Carrier:   &event.Carrier{Records: 1, Segments: 2, Bytes: len(raw)},
		QUIC:      &event.QUIC{Version: "0x00000001", DCIDLen: 8, SCIDLen: 9, TokenLen: 10, PacketNumber: 11, PacketNumberLen: 1, FrameTypes: []int{6, 0}, Initials: 12, OutOfOrder: true},
		Client: []known.Candidate{
			{Name: "Chromium", Version: "156.0.1.2", Family: "Chromium", Library: "BoringSSL", Kind: known.KindBrowser, Distance: 21, Differs: known.FieldKeyShare | known.FieldOther},
			{Name: "Other", Family: "Other", Kind: known.KindTool, Distance: 500},
		},
		Tells: []known.Tell{
			{Name: "key-share-group", Field: "key_share", Offset: 60, Found: "a share", Expected: "no share"},
			{Name: "record-version", Field: "legacy_record_version", Found: "0303", Expected: "0301"},
		},
		Claim: &known.Claim{Verdict: known.VerdictInconsistent, Program: "Firefox 153", Reasons: []string{"one", "two"}},
	}
	v := &view{
		event: e, mine: true, index: p.index, message: &parser.ClientHello{Raw: raw},
		annotated: newAnnotated(&root, raw, parser.TLS, p.index),
		state:     &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256, CurveID: tls.X25519, HelloRetryRequest: true, NegotiatedProtocol: "h2"},
		times: server.Times{Accepted: accepted, Hello: accepted.Add(time.Millisecond), SecondHello: accepted.Add(3 * time.Millisecond),
			Finished: accepted.Add(6 * time.Millisecond)},
	}
	h := newHelloData(v)
	for i := range h.Sections {
		switch s := &h.Sections[i]; s.Name {
		case "who":
			s.Data.(*whoData).Candidates[0].ID = "Chromium|156|tls|"
		case "fingerprints":
			s.Data = madeUpFingerprints()
		}
	}
	return h
}

func madeUpFingerprints() *fingerprintsData {
	return &fingerprintsData{Mine: true, Fingerprints: []fingerprintRow{
		{Name: "JA4", What: "the usual one", Value: "t13d", Explanation: explain.Explanation{
			Name: "ja4", Text: "t13d",
			Parts:      []explain.Part{{Name: "version", Text: "13", Meaning: "TLS 1.3", Values: []explain.Value{{Text: "0304", Name: "TLS 1.3"}}, Hashed: "hashed text"}},
			Deviations: []explain.Deviation{{Name: "a deviation", Tools: "a tool", Text: "t12d", Why: "it counts otherwise"}},
			Notes:      []string{"A note."},
		}},
		{Name: "Minor", What: "a rare one", Value: "minor", Minor: true, Explanation: explain.Explanation{Name: "minor", Text: "minor"}},
	}}
}

// brokenHello is the beginning of a hello that is not the reader's own.
func brokenHello(p *Page) *helloData {
	raw := hellotest.Hello(hellotest.Extension(parser.ExtSupportedGroups, []byte{0, 2, 0, 29})).Raw
	raw = raw[:len(raw)-1]
	_, err := parser.Parse(raw)
	v := p.newBrokenView(raw, parser.TLS, err)
	v.second = true
	v.event.Claim = &known.Claim{Program: "Wget"}
	return newHelloData(v)
}

func madeUpForm() *compareView {
	return &compareView{
		Clients: []clientGroup{{Kind: "browser", Clients: []clientChoice{{"a|1|tls|", "A 1"}, {"b|2|tls|", "B 2"}}}},
		Client:  "a|1|tls|", With: "mine", Text: "pasted <text>",
	}
}

func madeUpDifference() *compareView {
	c := madeUpForm()
	c.Name, c.Other, c.Theirs = "The pasted hello", "your hello", "yours"
	c.Difference = &difference{
		Same: []string{"ja3n", "stable"},
		Fields: []fieldChanges{{
			Field: "cipher_suites",
			Changes: []explain.Change{
				{Field: "cipher_suites", Kind: explain.Added, Value: explain.Value{Text: "1301", Name: "TLS_AES_128_GCM_SHA256"}},
				{Field: "cipher_suites", Kind: explain.Removed, Value: explain.Value{Text: "1302", Name: "TLS_AES_256_GCM_SHA384"}},
				{Field: "cipher_suites", Kind: explain.Changed, Before: "one", After: "another"},
				{Field: "cipher_suites", Kind: explain.Changed},
			},
			Moved:  []explain.Change{{Kind: explain.Moved, Value: explain.Value{Text: "1303"}}},
			Beyond: 7,
		}},
		Difference: explain.Difference{Fingerprints: []explain.Comparison{
			{Name: "ja3", Before: "x", After: "y"}, {Name: "ja4", Before: "z", After: "z"}, {Name: "npf", Before: "", After: "tls/1"},
		}},
	}
	return c
}

func madeUpCapture() *compareView {
	c := madeUpForm()
	name := "example.com"
	c.Beyond = 3
	first := event.Event{Packet: 17, HelloIndex: 2, SrcIP: netip.MustParseAddr("192.0.2.1"), SNI: &name}
	first.Fingerprints.Set("ja4", "t13d")
	c.Found = []foundHello{
		{Event: first, Input: hex.EncodeToString([]byte{1}), Who: "Chromium"},
		{Event: event.Event{Packet: 18, Error: "truncated"}},
	}
	return c
}

func madeUpLive(addresses bool) *liveView {
	return &liveView{liveUpdate{
		Total: 9,
		Rows: []liveRow{{Time: time.Unix(1700000000, 0).UTC(), Address: "192.0.2.1", Transport: "quic", SNI: "example.com",
			Client: "Chromium 156", JA4: "q13d", Session: "fresh"}},
		Clients: []count{{"Chromium", 6}, {"unknown", 3}},
		JA4s:    []count{{"q13d", 9}},
	}, true, addresses}
}
