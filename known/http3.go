package known

import (
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
)

// An http3Stack is an HTTP/3 implementation, recognised by its settings and the order of
// its pseudo-header fields.
type http3Stack struct {
	prefix  string // of the text in the format of fingerprint.AppendHTTP3
	order   string // of the pseudo-headers, or empty for any
	name    string
	browser browser
}

// http3Stacks are those of clients that were seen; of aioquic, of its source. quic-go
// writes the fields of a request in the order of their names, and lets its user choose
// the limit of a header.
var http3Stacks = [...]http3Stack{
	{"1:65536;6:262144;7:100;51:1;GREASE|", "m,a,s,p", "Chromium", chromium},
	{"1:65536;7:20;8:1;51:1;16765559:1;727725890:0|", "m,s,a,p", "Firefox", firefox},
	{"1:4096;7:16;8:1;GREASE|", "", "aioquic", noBrowser},
}

// quicGo is the stack of quic-go, whose settings have values that its user chooses.
var quicGo = http3Stack{"", "a,m,p,s", "quic-go", noBrowser}

// http3StackOf returns the stack that sends h3, or nil.
func http3StackOf(h3 string) *http3Stack {
	for i := range http3Stacks {
		if s := &http3Stacks[i]; strings.HasPrefix(h3, s.prefix) && (s.browser == noBrowser || h3[len(s.prefix):] == s.order) {
			return s
		}
	}
	if isQUICGo(h3) {
		return &quicGo
	}
	return nil
}

// isQUICGo reports whether h3 has the order of fields of quic-go, which no browser has,
// and no settings but those that it sends by itself: the limit of a header, datagrams, and
// extended CONNECT.
func isQUICGo(h3 string) bool {
	settings, order, ok := strings.Cut(h3, "|")
	if !ok || order != quicGo.order {
		return false
	}
	if settings == "" {
		return true
	}
	for setting := range strings.SplitSeq(settings, ";") {
		switch id, _, _ := strings.Cut(setting, ":"); id {
		case "6", "8", "51":
		default:
			return false
		}
	}
	return true
}

// tellHTTP3 holds the HTTP/3 settings against the hello's shape. Unknown settings show
// nothing.
func tellHTTP3(dst []Tell, v view) []Tell {
	if v.HTTP3 == "" {
		return dst
	}
	if s := http3StackOf(v.HTTP3); s != nil && s.browser != v.browser {
		dst = append(dst, Tell{Field: "http3", Found: s.name + ": " + v.HTTP3, Expected: v.browser.name() + "'s settings"})
	}
	return dst
}

// tellHTTP3Order finds the settings of Chromium or Firefox with another order of the four
// pseudo-headers than theirs. CONNECT has fewer, and extended CONNECT, as for
// WebTransport, an order of its own.
func tellHTTP3Order(dst []Tell, v view) []Tell {
	for i := range http3Stacks {
		s := &http3Stacks[i]
		order, ok := strings.CutPrefix(v.HTTP3, s.prefix)
		if ok && s.browser == v.browser && len(order) == len(s.order) && order != s.order && !strings.Contains(v.Request.Headers, ":protocol") {
			return append(dst, Tell{Field: "http3", Found: "pseudo-headers " + order, Expected: s.order})
		}
	}
	return dst
}

// checkHTTP3 holds the HTTP/3 settings against the claim to be a browser, where the hello
// does not have the shape of one, so that there is no tell.
func (j *judgement) checkHTTP3(o *Observation, a parsedUserAgent) {
	if s := http3StackOf(o.HTTP3); s != nil && s.browser != a.browser {
		j.refute("the HTTP/3 settings are " + s.name + "'s, not " + a.browser.name() + "'s")
	}
}

// An HTTP3Text is the HTTP/3 fingerprint of a program.
type HTTP3Text struct {
	Name, Version string // of the program and the version that was seen
	Text          string // as fingerprint.AppendHTTP3 appends it
	Wire          string // as fingerprint.AppendHTTP3Wire appends it
}

// HTTP3Texts returns the HTTP/3 fingerprints that were seen. The caller owns the list.
func HTTP3Texts() []HTTP3Text {
	const quicGoText, quicGoDatagrams = "6:10485760|a,m,p,s", "6:10485760;51:1|a,m,p,s"
	list := []HTTP3Text{
		{Name: "Chromium", Version: "156", Wire: "1:65536;6:262144;7:100;51:1;GREASE|GREASE|984832|m,a,s,p"},
		{Name: "Firefox", Version: "153", Wire: "1:65536;7:20;727725890:0;16765559:1;51:1;8:1|GREASE|m,s,a,p"},
		{Name: "quic-go", Version: "0.63.0", Wire: quicGoText},
		{Name: "quic-go", Version: "0.63.0", Wire: quicGoDatagrams},
	}
	for i := range list {
		list[i].Text = fingerprint.NormalizeHTTP3(list[i].Wire)
	}
	return list
}
