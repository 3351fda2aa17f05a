package fingerprint

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tlspeek/tlspeek/internal/varint"
)

var methodHTTP3 = Method{
	Key:     "http3",
	Title:   "HTTP/3",
	Summary: "settings, sorted, and header order",
	About:   "pingly and fp.impersonate.pro: the settings in the order of their ids, with GREASE as a word last, and the order of the pseudo-header fields.",
	Live:    true,
	Append:  func(dst []byte, in *Input) []byte { return append(dst, in.HTTP3...) },
}

var methodHTTP3Wire = Method{
	Key:     "http3_wire",
	Title:   "HTTP/3 in the order of the wire",
	Summary: "with the other frames of the control stream",
	About:   "The settings as they were sent, the other frames of the control stream before the first request, as browserleaks.com has them, and the order of the pseudo-header fields.",
	Full:    true,
	Live:    true,
	Form:    "http3",
	Append:  func(dst []byte, in *Input) []byte { return append(dst, in.HTTP3Wire...) },
}

// Errors of [HTTP3Control] and [HTTP3Request], which wrap them with what is read.
var (
	ErrHTTP3Frame = errors.New("malformed HTTP/3 frame")                   // or one in the wrong place
	ErrHTTP3Limit = errors.New("too much before the first HTTP/3 request") // more than what is read of one stream
)

// Limits of what is read of a connection over HTTP/3.
const (
	// MaxHTTP3Control is how many bytes of a control stream are read, and
	// MaxHTTP3Request how many of a request stream. Of a longer header only the
	// beginning is read.
	MaxHTTP3Control = 4 << 10
	MaxHTTP3Request = 4 << 10

	maxHTTP3Settings = 64  // settings
	maxHTTP3Frames   = 8   // frames besides SETTINGS and HEADERS
	maxHTTP3Names    = 128 // header fields whose names are kept
)

// The frames of HTTP/3 that count (RFC 9114, section 7.2).
const (
	http3Data         = 0x0
	http3Headers      = 0x1
	http3CancelPush   = 0x3
	http3Settings     = 0x4
	http3PushPromise  = 0x5
	http3MaxFrameType = 0xd // MAX_PUSH_ID
)

// IsGREASEHTTP3 reports whether the type of a frame, a stream or a setting is one of
// those that HTTP/3 reserves to exercise that unknown ones are ignored (RFC 9114,
// sections 6.2.3, 7.2.4.1 and 7.2.8).
func IsGREASEHTTP3(id uint64) bool { return id >= 0x21 && (id-0x21)%0x1f == 0 }

type http3Setting struct{ id, value uint64 }

// An HTTP3Control is what the control stream of a client says. The zero value is ready.
type HTTP3Control struct {
	settings []http3Setting // in the order of the wire
	seen     bool           // SETTINGS
	frames   []uint64       // types of the other frames, in their order
}

// Parse reads b, which is the beginning of a unidirectional stream with its type. It
// returns how many bytes of the stream are needed to read on. More calls with more bytes
// read them again from their start. A setting that comes twice is an error, as for most
// servers. An error wraps ErrHTTP3Frame, also for another
// stream than a control stream, or ErrHTTP3Limit. It does not keep b.
func (c *HTTP3Control) Parse(b []byte) (needed int, err error) {
	*c = HTTP3Control{settings: c.settings[:0], frames: c.frames[:0]}
	b = b[:min(len(b), MaxHTTP3Control)]
	var streamType uint64
	n, ok := readHTTP3Varint(b, 0, &streamType)
	switch {
	case !ok:
		return n, nil
	case streamType != 0:
		return n, http3Error("stream type", ErrHTTP3Frame)
	}
	for {
		typ, payload, end, ok := readHTTP3Frame(b, n)
		switch {
		case payload == 0 || typ == http3Settings && !ok:
			return c.need(end)
		case typ == http3Settings && c.seen, isHTTP3Reserved(typ), typ == http3Data, typ == http3Headers, typ == http3PushPromise:
			return n, http3Error("control stream", ErrHTTP3Frame)
		case typ == http3Settings:
			if err := c.readSettings(b[payload:end]); err != nil {
				return n, err
			}
		case !c.seen && typ <= http3MaxFrameType:
			return n, http3Error("control stream", ErrHTTP3Frame)
		case len(c.frames) == maxHTTP3Frames:
			return n, http3Error("control stream", ErrHTTP3Limit)
		default:
			c.frames = append(c.frames, typ)
		}
		if !ok {
			return c.need(end)
		}
		n = end
	}
}

// need returns n, or an error if the stream is not read as far.
func (c *HTTP3Control) need(n int) (int, error) {
	if n > MaxHTTP3Control {
		return n, http3Error("control stream", ErrHTTP3Limit)
	}
	return n, nil
}

// Seen reports whether SETTINGS was read.
func (c *HTTP3Control) Seen() bool { return c.seen }

// readSettings reads the payload of SETTINGS (RFC 9114, section 7.2.4).
func (c *HTTP3Control) readSettings(payload []byte) error {
	c.seen = true
	for s := cryptobyte.String(payload); !s.Empty(); {
		var x http3Setting
		if !varint.Read(&s, &x.id) || !varint.Read(&s, &x.value) {
			return c.fail(ErrHTTP3Frame)
		}
		if len(c.settings) == maxHTTP3Settings {
			return c.fail(ErrHTTP3Limit)
		}
		if slices.ContainsFunc(c.settings, func(other http3Setting) bool { return other.id == x.id }) {
			return c.fail(ErrHTTP3Frame)
		}
		c.settings = append(c.settings, x)
	}
	return nil
}

func (c *HTTP3Control) fail(err error) error {
	*c = HTTP3Control{}
	return http3Error("SETTINGS", err)
}

// An HTTP3Request is what the header of a request says. The zero value is ready.
type HTTP3Request struct {
	names  []string
	pseudo []byte // their letters in order
	read   bool   // the header, or as much of it as is read
	cut    bool   // there is more of it

	userAgent, clientHints, platform http2Value
	target                           requestTarget
}

// Parse reads b, which is the beginning of a request stream, as [HTTP3Control.Parse]
// does. It needs no more once Done reports true.
func (r *HTTP3Request) Parse(b []byte) (needed int, err error) {
	*r = HTTP3Request{}
	b = b[:min(len(b), MaxHTTP3Request)]
	n := 0
	for frames := 0; ; frames++ {
		typ, payload, end, ok := readHTTP3Frame(b, n)
		switch {
		case payload == 0 && end > MaxHTTP3Request:
			return n, http3Error("request stream", ErrHTTP3Limit)
		case payload == 0:
			return end, nil
		case typ == http3Headers:
			limit := min(end, MaxHTTP3Request)
			if len(b) < limit {
				return limit, nil
			}
			r.cut = limit < end
			return limit, r.readHeader(b[payload:limit])
		case isHTTP3Reserved(typ), typ <= http3MaxFrameType:
			return n, http3Error("request stream", ErrHTTP3Frame)
		case frames == maxHTTP3Frames || end > MaxHTTP3Request:
			return n, http3Error("request stream", ErrHTTP3Limit)
		case !ok:
			return end, nil
		}
		n = end
	}
}

// readHeader reads a field section, or the beginning of one.
func (r *HTTP3Request) readHeader(section []byte) error {
	s := cryptobyte.String(section)
	err := readQPACKPrefix(&s)
	for err == nil && !s.Empty() && len(r.names) < maxHTTP3Names {
		var f qpackField
		if err = readQPACKField(&s, &f); err == nil {
			r.field(f)
		}
	}
	switch {
	case err == errQPACKEnd && r.cut && len(r.names) == 0:
		*r = HTTP3Request{}
		return http3Error("header", ErrHTTP3Limit)
	case err != nil && !(err == errQPACKEnd && r.cut):
		*r = HTTP3Request{}
		return fmt.Errorf("fingerprint: header: %w: %w", ErrHTTP3Frame, err)
	}
	r.read = true
	return nil
}

func (r *HTTP3Request) field(f qpackField) {
	r.names = append(r.names, f.name)
	switch f.name {
	case "user-agent":
		r.userAgent.keep(f.value)
	case "sec-ch-ua":
		r.clientHints.keep(f.value)
	case "sec-ch-ua-platform":
		r.platform.keep(f.value)
	case ":method", ":authority", ":scheme", ":path":
		r.pseudo = append(r.pseudo, f.name[1])
		r.target.keep(f.name, f.value)
	}
}

// Done reports whether the header was read, or [MaxHTTP3Request] bytes of it.
func (r *HTTP3Request) Done() bool { return r.read }

// Whole reports whether all of the header was read.
func (r *HTTP3Request) Whole() bool { return r.read && !r.cut }

// Names returns the names of the header fields in their order, pseudo-header fields
// included; the first 128.
func (r *HTTP3Request) Names() []string { return r.names }

// UserAgent returns the first User-Agent field, at most [MaxHTTP2Field] bytes of it.
func (r *HTTP3Request) UserAgent() string { return r.userAgent.text }

// ClientHints returns the first Sec-CH-UA and Sec-CH-UA-Platform fields, as UserAgent
// does.
func (r *HTTP3Request) ClientHints() (brands, platform string) {
	return r.clientHints.text, r.platform.text
}

// Target returns what the request asks for, as [HTTP2.Target] does. The method is empty
// if the client refers to the static table for it, which all common ones are in; a path
// from there is "/".
func (r *HTTP3Request) Target() (method, authority, path string) {
	method, authority, path = r.target.method.text, r.target.authority.text, r.target.path.text
	if r.target.path.set && path == "" {
		path = "/" // the only one in the static table (RFC 9204, appendix A)
	}
	return method, authority, path
}

// AppendHTTP3 appends the HTTP/3 fingerprint of a client that has sent c and r, in the
// format of pingly and fp.impersonate.pro: the settings in the order of their ids,
// GREASE last and as a word, and the order of the pseudo-header fields, as in
// "1:65536;6:262144;7:100;51:1;GREASE|m,a,s,p". It appends nothing unless both were read.
func AppendHTTP3(dst []byte, c *HTTP3Control, r *HTTP3Request) []byte {
	if !c.seen || !r.read {
		return dst
	}
	var buf [maxHTTP3Settings]http3Setting
	sorted := append(buf[:0], c.settings...)
	slices.SortStableFunc(sorted, func(a, b http3Setting) int {
		switch ga, gb := IsGREASEHTTP3(a.id), IsGREASEHTTP3(b.id); {
		case ga && gb:
			return 0
		case ga || !gb && a.id > b.id:
			return 1
		case gb || a.id < b.id:
			return -1
		}
		return 0
	})
	return r.appendPseudo(appendHTTP3Settings(dst, sorted))
}

// AppendHTTP3Wire appends the HTTP/3 fingerprint with the settings in the order of the
// wire, and the types of the other frames of the control stream, GREASE as a word, as
// in "1:65536;6:262144;7:100;51:1;GREASE|GREASE|984832|m,a,s,p".
func AppendHTTP3Wire(dst []byte, c *HTTP3Control, r *HTTP3Request) []byte {
	if !c.seen || !r.read {
		return dst
	}
	dst = appendHTTP3Settings(dst, c.settings)
	for _, typ := range c.frames {
		if dst = append(dst, '|'); IsGREASEHTTP3(typ) {
			dst = append(dst, "GREASE"...)
		} else {
			dst = strconv.AppendUint(dst, typ, 10)
		}
	}
	return r.appendPseudo(dst)
}

func appendHTTP3Settings(dst []byte, settings []http3Setting) []byte {
	for i, s := range settings {
		if i > 0 {
			dst = append(dst, ';')
		}
		if s.id == greaseID || IsGREASEHTTP3(s.id) {
			dst = append(dst, "GREASE"...)
			continue
		}
		dst = strconv.AppendUint(dst, s.id, 10)
		dst = strconv.AppendUint(append(dst, ':'), s.value, 10)
	}
	return dst
}

func (r *HTTP3Request) appendPseudo(dst []byte) []byte {
	dst = append(dst, '|')
	for i, c := range r.pseudo {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, c)
	}
	return dst
}

// isHTTP3Reserved reports whether a frame is one of HTTP/2 that HTTP/3 does not have
// (RFC 9114, section 7.2.8).
func isHTTP3Reserved(typ uint64) bool { return typ == 2 || typ == 6 || typ == 8 || typ == 9 }

func http3Error(what string, err error) error { return fmt.Errorf("fingerprint: %s: %w", what, err) }

// readHTTP3Frame reads the header of the frame at b[n:]. payload is where its payload
// begins, and end where it ends, if b has all of it. If b has none, payload is 0 and end
// is how many bytes are needed to read on.
func readHTTP3Frame(b []byte, n int) (typ uint64, payload, end int, ok bool) {
	n, ok = readHTTP3Varint(b, n, &typ)
	if !ok {
		return 0, 0, n, false
	}
	var length uint64
	if n, ok = readHTTP3Varint(b, n, &length); !ok {
		return 0, 0, n, false
	}
	if length > 1<<30 { // no stream is read as far
		length = 1 << 30
	}
	end = n + int(length)
	return typ, n, end, end <= len(b)
}

// readHTTP3Varint reads the integer at b[n:] and returns where it ends. If b ends before,
// it returns how many bytes are needed to read on, and false.
func readHTTP3Varint(b []byte, n int, v *uint64) (int, bool) {
	if n >= len(b) {
		return n + 1, false
	}
	x, length := varint.Parse(b[n:])
	if length == 0 {
		return n + 1<<(b[n]>>6), false
	}
	*v = x
	return n + length, true
}
