package page

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/answers"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// A pageHello is one hello as a page shows it.
type pageHello struct {
	Event *event.Event
	Mine  bool // it is that of the connection
	Who   pageWho

	Tells  []pageTell
	Second bool // it is not what the page is about first

	Fingerprints []pageFingerprint
	Tree         *pageTree
	Dump         []dumpRow
	Size         int    // of the message, in bytes
	Shown        int    // bytes of it in Tree and Dump
	Hex          string // of it, for the clipboard
	Link         string // a page's address with the hello in its fragment

	Handshake *pageHandshake
	Error     *pageError
}

// A pageTell is a tell and the leaf that it is about.
type pageTell struct {
	known.Tell
	Leaf int // -1 if that is not shown
}

// A pageError is what is wrong with a hello, and where.
type pageError struct {
	Text   string
	Offset int
	Leaf   int // -1 if it is not of the message, or not shown
}

// Your returns "your" or "this", to begin a sentence about the hello with.
func (h *pageHello) Your() string {
	if h.Mine {
		return "your"
	}
	return "this"
}

// Travelled says in how many pieces the message came, or nothing if that is
// not known.
func (h *pageHello) Travelled() string {
	c := h.Event.Carrier
	if c == nil || c.Records+c.Segments+c.Datagrams == 0 {
		return ""
	}
	var in []string
	for _, p := range []struct {
		n    int
		what string
	}{{c.Records, strings.ToUpper(h.Event.Transport) + " record"}, {c.Segments, "TCP segment"}, {c.Datagrams, "UDP datagram"}} {
		if p.n == 1 {
			in = append(in, "one "+p.what)
		} else if p.n > 1 {
			in = append(in, strconv.Itoa(p.n)+" "+p.what+"s")
		}
	}
	return "A message of " + bytesText(c.Bytes) + ", in " + strings.Join(in, " and ") + "."
}

// hello returns what the page shows of e, which has its detail.
func (p *Page) hello(e *event.Event, mine bool) *pageHello {
	h := &pageHello{Event: e, Mine: mine, Who: newWho(e, mine)}
	for i := range h.Who.Candidates {
		c := &h.Who.Candidates[i]
		c.ID = p.census.like(&c.Candidate, e.Transport)
	}
	if e.Hello == nil {
		return h
	}
	message := &parser.ClientHello{Transport: transportOf(e.Transport)}
	if message.Unmarshal(e.Raw) == nil && !message.SSLv2 {
		h.Fingerprints = pageFingerprints(e, message)
	}
	h.take(e.Hello, e.Raw, message.Transport, p.census)
	for _, t := range e.Tells {
		h.Tells = append(h.Tells, pageTell{t, h.leafAt(t.Offset)})
	}
	return h
}

// take shows the message raw, of which root is the tree, or that of its
// beginning.
func (h *pageHello) take(root *parser.Field, raw []byte, transport parser.Transport, c *census) {
	shown := *root
	shown.Note = "" // the page says it in its own words
	h.Tree = newPageTree(&shown, c)
	h.Dump = h.Tree.dump(root.Bytes)
	h.Size, h.Shown = len(raw), len(root.Bytes)
	h.Hex = hex.EncodeToString(raw)
	h.Link = "/compare#" + linkText(raw, transport)
}

// leafAt returns the leaf with the byte at offset, or -1 if that is not shown.
func (h *pageHello) leafAt(offset int) int {
	if offset >= h.Shown && h.Shown < h.Size {
		return -1
	}
	return h.Tree.At(offset)
}

// Rest returns how many bytes of the message are not shown.
func (h *pageHello) Rest() int { return h.Size - h.Shown }

// broken returns what the page shows of a message that cannot be read to its
// end, because of err.
func (p *Page) broken(raw []byte, transport parser.Transport, err error) *pageHello {
	e := &event.Event{Transport: transport.String(), Error: parser.Text([]byte(err.Error()))}
	h := &pageHello{Event: e, Who: pageWho{Headline: "This hello is broken."}}
	root := answers.Dissect(&parser.ClientHello{Transport: transport, Raw: raw})
	h.take(&root, raw, transport, p.census)
	h.Error = &pageError{Text: e.Error, Leaf: -1}
	var at *parser.Error
	if errors.As(err, &at) && at.Offset <= len(raw) {
		h.Error.Offset, h.Error.Leaf = at.Offset, h.leafAt(at.Offset)
		if err == error(at) {
			h.Error.Text = at.Field + ": " + at.Err.Error() // the page says at which byte
		}
	}
	return h
}

// A pageFingerprint is one fingerprint and how to read it.
type pageFingerprint struct {
	Name  string
	What  string // it is, in a few words
	Value string
	Minor bool
	fingerprint.Explanation
}

// pageFingerprints returns the fingerprints of e, whose hello is h, with their
// reading.
func pageFingerprints(e *event.Event, h *parser.ClientHello) []pageFingerprint {
	readings := make(map[string]fingerprint.Explanation)
	for _, x := range fingerprint.ExplainHello(h, initialOf(e.QUIC)) {
		readings[x.Name] = x
	}
	if x, err := fingerprint.Explain(e.HTTP2); err == nil {
		readings["http2"] = x
	}
	var list []pageFingerprint
	for _, f := range []struct {
		name, what, value, reading string
		minor                      bool
	}{
		{"JA4", "lists sorted: a permuted order does not change it", e.JA4, "ja4", false},
		{"JA3", "five lists as they were sent, MD5", e.JA3, "ja3", false},
		{"JA3N", "JA3 with its extensions sorted", e.JA3N, "ja3n", false},
		{"HTTP/2", "settings, window, priorities, header order; Akamai's format", e.HTTP2, "http2", false},
		{"QUIC header", "the first Initial packet; tlsfingerprint.io", e.QUICHeaderID, "quic_header_id", false},
		{"QUIC parameters", "the transport parameters; tlsfingerprint.io", e.QUICParamsID, "quic_params_id", false},
		{"Stable", "the same for a new and a resumed session; tlspeek's own", e.Stable, "stable", false},
		{"JA4_o", "JA4 in the order of the wire", e.JA4O, "ja4_o", true},
		{"tlsfingerprint.io", "in the order of the wire", e.TLSFPID, "tlsfp_id", true},
		{"tlsfingerprint.io, normalised", "extensions sorted", e.TLSFPNormID, "tlsfp_norm_id", true},
		{"NPF", "Cisco's network protocol fingerprinting", e.NPF, "npf", true},
	} {
		if f.value != "" {
			list = append(list, pageFingerprint{f.name, f.what, f.value, f.minor, readings[f.reading]})
		}
	}
	return list
}

// maxValues is how many values of a part are named: the text has them all.
const maxValues = 100

// few returns the first of the values.
func few(values []fingerprint.Value) []fingerprint.Value { return values[:min(len(values), maxValues)] }

// Readable reports whether there is more to say of f than what it is.
func (f *pageFingerprint) Readable() bool { return len(f.Parts)+len(f.Dialects)+len(f.Notes) > 0 }

// initialOf returns what q tells of the first Initial packet, or nil.
func initialOf(q *event.QUIC) *fingerprint.QUICInitial {
	if q == nil {
		return nil
	}
	version, err := strconv.ParseUint(q.Version, 0, 32)
	if err != nil {
		return nil
	}
	i := &fingerprint.QUICInitial{
		Version: uint32(version), DCIDLen: q.DCIDLen, SCIDLen: q.SCIDLen,
		PacketNumberLen: q.PacketNumberLen, Token: q.TokenLen > 0,
	}
	for _, t := range q.FrameTypes {
		i.FrameTypes = append(i.FrameTypes, byte(t))
	}
	return i
}

// quicVersion returns what a version of QUIC is called, and its number.
func quicVersion(number string) string {
	v, err := strconv.ParseUint(number, 0, 32)
	if err != nil {
		return number
	}
	switch quichello.Version(v) {
	case quichello.Version1:
		return "1 (RFC 9000), " + number
	case quichello.Version2:
		return "2 (RFC 9369), " + number
	}
	return number
}

// frameType returns the name of a frame that an Initial packet may have (RFC
// 9000, section 17.2.2), or the type's number.
func frameType(t int) string {
	switch t {
	case 0:
		return "PADDING"
	case 1:
		return "PING"
	case 2, 3:
		return "ACK"
	case 6:
		return "CRYPTO"
	case 0x1c:
		return "CONNECTION_CLOSE"
	}
	return strconv.Itoa(t)
}
