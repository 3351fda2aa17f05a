package server

import (
	"encoding/base64"
	"encoding/hex"
	"strconv"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
)

// A pageHello is one hello as a page shows it.
type pageHello struct {
	Event *event.Event
	Mine  bool // it is that of the connection
	Who   pageWho

	Fingerprints []pageFingerprint
	Tree         *pageTree
	Dump         []dumpRow
	Hex          string // of the message, for the clipboard
	Link         string // a page's address with the hello in its fragment

	Handshake *pageHandshake
	Error     *pageError
}

// A pageError is what is wrong with a hello, and where.
type pageError struct {
	Text   string
	Offset int
	Leaf   int
}

// Your returns "your" or "this", to begin a sentence about the hello with.
func (h *pageHello) Your() string {
	if h.Mine {
		return "your"
	}
	return "this"
}

// hello returns what the page shows of e, which has its detail.
func (p *Page) hello(e *event.Event, mine bool) *pageHello {
	h := &pageHello{Event: e, Mine: mine, Who: newWho(e, mine)}
	raw, transport := e.Raw, transportOf(e.Transport)
	if len(raw) == 0 {
		return h
	}
	h.Fingerprints = pageFingerprints(e)
	h.Tree = newPageTree(raw, transport, p.census)
	h.Dump = h.Tree.dump(raw)
	h.Hex = hex.EncodeToString(raw)
	h.Link = "/compare#" + e.Transport + "." + base64.RawURLEncoding.EncodeToString(raw)
	return h
}

func transportOf(s string) parser.Transport {
	for t := parser.TLS; t <= parser.DTLS; t++ {
		if t.String() == s {
			return t
		}
	}
	return parser.TLS
}

// A pageFingerprint is one fingerprint and how to read it.
type pageFingerprint struct {
	Name  string
	What  string // it is, in a few words
	Value string
	Full  string // the text that Value is a digest of
	Minor bool
}

func pageFingerprints(e *event.Event) []pageFingerprint {
	var list []pageFingerprint
	for _, f := range []pageFingerprint{
		{"JA4", "lists sorted, so that a permuted order does not change it", e.JA4, e.JA4R, false},
		{"JA3", "the hello's five lists as they were sent, MD5", e.JA3, e.JA3Full, false},
		{"JA3N", "JA3 with sorted extensions, MD5", e.JA3N, e.JA3NFull, false},
		{"HTTP/2", "settings, window, priorities and header order, in Akamai's format", e.HTTP2, "", false},
		{"QUIC header", "of the first Initial packet, tlsfingerprint.io", e.QUICHeaderID, "", false},
		{"QUIC parameters", "the transport parameters, tlsfingerprint.io", e.QUICParamsID, "", false},
		{"stable", "the same for a new and a resumed session", e.Stable, "", false},
		{"JA4_o", "JA4 in the order of the wire", e.JA4O, e.JA4RO, true},
		{"tlsfingerprint.io", "in the order of the wire", e.TLSFPID, "", true},
		{"tlsfingerprint.io, normalised", "extensions sorted", e.TLSFPNormID, "", true},
		{"NPF", "Cisco's network protocol fingerprint", e.NPF, "", true},
	} {
		if f.Value != "" {
			list = append(list, f)
		}
	}
	return list
}

// number returns n with a space between its thousands.
func number(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u202f" + s[i:]
	}
	return s
}
