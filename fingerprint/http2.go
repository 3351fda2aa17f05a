package fingerprint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"
)

var methodHTTP2 = Method{
	Key:     "http2",
	Title:   "HTTP/2",
	Summary: "settings, window, priorities, header order; Akamai's format",
	About:   "Akamai (Passive Fingerprinting of HTTP/2 Clients, Black Hat EU 2017): settings, window update, priorities and the order of the pseudo-header fields.",
	Live:    true,
	Append:  func(dst []byte, in *Input) []byte { return append(dst, in.HTTP2...) },
}

// Errors of [HTTP2.Write], which wraps them with the frame and its offset in the
// connection.
var (
	ErrNotHTTP2   = errors.New("not HTTP/2")                               // the connection preface is another
	ErrHTTP2Frame = errors.New("malformed HTTP/2 frame")                   // or one in the wrong place
	ErrHTTP2Limit = errors.New("too much before the first HTTP/2 request") // more than the memory or frames for one connection
)

// Limits of what an HTTP2 holds for one connection.
const (
	maxHTTP2Headers  = 64 << 10                  // bytes, of the header block of the first request
	maxHTTP2Frame    = maxHTTP2Headers + 6 + 255 // bytes, of a frame that is read; HEADERS may have padding and priority
	maxHTTP2Settings = 128                       // settings
	maxHTTP2Priority = 128                       // PRIORITY frames
	maxHTTP2Names    = 128                       // header fields whose names are kept
	maxHTTP2Frames   = 1024                      // frames in all
)

// MaxHTTP2Field is how many bytes of a header field an [HTTP2] keeps. Browsers send
// less than half of it.
const MaxHTTP2Field = 512

// An HTTP2 computes the fingerprint of a client from the bytes that it sends on an
// HTTP/2 connection: the connection preface (RFC 9113, section 3.4) and the frames up
// to its first request. Write takes these bytes, decrypted, in pieces of any size.
// The zero value is ready. It must not be used by several goroutines at once. Its
// memory is bounded.
type HTTP2 struct {
	buf      []byte // the bytes so far of the preface, of a frame header or of a frame that is read
	offset   int    // of buf[0], from the start of the connection
	skip     int    // bytes of a frame that is not read, still to come
	preface  bool   // the connection preface is over
	frames   int
	settings []http2Setting
	seen     bool // a SETTINGS frame
	window   uint32
	priority []http2Priority
	block    http2Block
	wire     http2Wire
	done     bool
	err      error
}

type http2Setting struct {
	id    uint16
	value uint32
}

type http2Priority struct {
	stream, dependency uint32
	exclusive          bool
	weight             int
}

// An http2Block is the header block of the first request, as far as it was read.
type http2Block struct {
	stream  uint32 // 0 before HEADERS
	size    int    // bytes
	decoder *hpack.Decoder
	names   []string
	pseudo  []byte                     // their letters in order
	shorter [maxHTTP2Names / 64]uint64 // a bit for each of names whose value is shorter in Huffman coding

	userAgent, clientHints, platform http2Value
	target                           requestTarget
}

// The frames that count (RFC 9113, section 6). All others are skipped.
const (
	frameHeaders      = 0x1
	framePriority     = 0x2
	frameSettings     = 0x4
	frameWindowUpdate = 0x8
	frameContinuation = 0x9

	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20

	frameHeaderLen = 9 // bytes
)

// clientPreface is what a client sends first (RFC 9113, section 3.4).
const clientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Write reads the next bytes that the client sends. It always takes all of b, and does
// not keep b. After the first request it does nothing. An error wraps ErrNotHTTP2,
// ErrHTTP2Frame or ErrHTTP2Limit; later calls return it again.
func (p *HTTP2) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 && !p.done && p.err == nil {
		if p.skip > 0 {
			m := min(p.skip, len(b))
			p.skip, p.offset, b = p.skip-m, p.offset+m, b[m:]
			continue
		}
		// buf holds one frame at most. The next iteration reads the bytes of b
		// that do not fit.
		wanted := p.wanted()
		m := min(wanted-len(p.buf), len(b))
		p.buf, b = append(p.buf, b[:m]...), b[m:]
		if len(p.buf) == wanted {
			p.err = p.read()
		}
	}
	if p.done || p.err != nil {
		p.buf, p.block.decoder = nil, nil
	}
	return n, p.err
}

// wanted returns how many bytes buf must have before it can be read.
func (p *HTTP2) wanted() int {
	switch {
	case !p.preface:
		return len(clientPreface)
	case len(p.buf) < frameHeaderLen:
		return frameHeaderLen
	}
	return frameHeaderLen + p.frameLength()
}

func (p *HTTP2) frameLength() int {
	return int(p.buf[0])<<16 | int(p.buf[1])<<8 | int(p.buf[2])
}

// read reads buf, which is the connection preface, the header of a frame, or a
// complete frame.
func (p *HTTP2) read() error {
	if !p.preface {
		if string(p.buf) != clientPreface {
			return fmt.Errorf("fingerprint: connection preface: %w", ErrNotHTTP2)
		}
		p.preface = true
		p.consume()
		return nil
	}
	typ, flags, length := p.buf[3], p.buf[4], p.frameLength()
	if len(p.buf) == frameHeaderLen {
		p.frames++
		switch {
		case p.frames > maxHTTP2Frames:
			return p.fail("frames", ErrHTTP2Limit)
		case p.block.stream != 0 && typ != frameContinuation:
			return p.fail("frame type", ErrHTTP2Frame) // RFC 9113, section 6.2
		}
		p.wire.addFrame(typ, flags, binary.BigEndian.Uint32(p.buf[5:])&(1<<31-1))
		switch typ {
		case frameHeaders, framePriority, frameSettings, frameWindowUpdate, frameContinuation:
			if length > maxHTTP2Frame {
				return p.fail("frame length", ErrHTTP2Limit)
			}
			if length > 0 {
				return nil // once it is complete
			}
		default:
			p.consume()
			p.skip = length
			return nil
		}
	}
	stream := binary.BigEndian.Uint32(p.buf[5:]) & (1<<31 - 1)
	err := p.readFrame(typ, flags, stream, p.buf[frameHeaderLen:])
	if err == nil {
		p.consume()
	}
	return err
}

func (p *HTTP2) consume() {
	p.offset += len(p.buf)
	p.buf = p.buf[:0]
}

// fail returns an error for the frame at offset.
func (p *HTTP2) fail(what string, err error) error {
	return fmt.Errorf("fingerprint: %s: %w at byte %d", what, err, p.offset)
}

func (p *HTTP2) readFrame(typ, flags byte, stream uint32, payload []byte) error {
	switch typ {
	case frameSettings:
		return p.readSettings(flags, payload)
	case frameWindowUpdate:
		if len(payload) != 4 {
			return p.fail("WINDOW_UPDATE", ErrHTTP2Frame)
		}
		if stream == 0 && p.window == 0 {
			p.window = binary.BigEndian.Uint32(payload) & (1<<31 - 1)
		}
	case framePriority:
		if len(payload) != 5 {
			return p.fail("PRIORITY", ErrHTTP2Frame)
		}
		if len(p.priority) == maxHTTP2Priority {
			return p.fail("PRIORITY", ErrHTTP2Limit)
		}
		p.priority = append(p.priority, priorityOf(stream, payload))
	case frameHeaders:
		return p.readHeaders(flags, stream, payload)
	case frameContinuation:
		if p.block.stream == 0 || stream != p.block.stream {
			return p.fail("CONTINUATION", ErrHTTP2Frame)
		}
		return p.readBlock(flags, payload)
	}
	return nil
}

// priorityOf reads the priority of a stream (RFC 9113, section 6.3).
func priorityOf(stream uint32, payload []byte) http2Priority {
	dependency := binary.BigEndian.Uint32(payload)
	return http2Priority{
		stream:     stream,
		dependency: dependency & (1<<31 - 1),
		exclusive:  dependency>>31 == 1,
		weight:     int(payload[4]) + 1, // RFC 9113, section 5.3.2
	}
}

func (p *HTTP2) readSettings(flags byte, payload []byte) error {
	if flags&flagAck != 0 || p.seen {
		return nil
	}
	if len(payload)%6 != 0 {
		return p.fail("SETTINGS", ErrHTTP2Frame)
	}
	if len(payload)/6 > maxHTTP2Settings {
		return p.fail("SETTINGS", ErrHTTP2Limit)
	}
	p.seen = true
	for ; len(payload) > 0; payload = payload[6:] {
		p.settings = append(p.settings, http2Setting{binary.BigEndian.Uint16(payload), binary.BigEndian.Uint32(payload[2:])})
	}
	return nil
}

func (p *HTTP2) readHeaders(flags byte, stream uint32, payload []byte) error {
	if stream == 0 {
		return p.fail("HEADERS", ErrHTTP2Frame)
	}
	padding := 0
	if flags&flagPadded != 0 {
		if len(payload) == 0 {
			return p.fail("HEADERS", ErrHTTP2Frame)
		}
		padding, payload = int(payload[0]), payload[1:]
	}
	if flags&flagPriority != 0 {
		if len(payload) < 5 {
			return p.fail("HEADERS", ErrHTTP2Frame)
		}
		priority := priorityOf(stream, payload)
		p.wire.priority, payload = &priority, payload[5:]
	}
	p.wire.padded = flags&flagPadded != 0
	if padding > len(payload) {
		return p.fail("HEADERS", ErrHTTP2Frame)
	}
	p.block.stream = stream
	p.block.decoder = hpack.NewDecoder(4096, p.block.field) // SETTINGS_HEADER_TABLE_SIZE as it begins
	p.block.decoder.SetMaxStringLength(maxHTTP2Headers)
	return p.readBlock(flags, payload[:len(payload)-padding])
}

func (p *HTTP2) readBlock(flags byte, fragment []byte) error {
	b := &p.block
	if b.size += len(fragment); b.size > maxHTTP2Headers {
		return p.fail("header block", ErrHTTP2Limit)
	}
	if _, err := b.decoder.Write(fragment); err != nil {
		return p.fail("header block", ErrHTTP2Frame)
	}
	p.wire.block.write(fragment)
	if flags&flagEndHeaders == 0 {
		return nil
	}
	if b.decoder.Close() != nil {
		return p.fail("header block", ErrHTTP2Frame)
	}
	p.done = true
	return nil
}

func (b *http2Block) field(f hpack.HeaderField) {
	if len(b.names) == maxHTTP2Names {
		b.decoder.SetEmitEnabled(false)
		return
	}
	if hpack.HuffmanEncodeLength(f.Value) < uint64(len(f.Value)) {
		b.shorter[len(b.names)/64] |= 1 << (len(b.names) % 64)
	}
	b.names = append(b.names, f.Name)
	switch f.Name {
	case "user-agent":
		b.userAgent.keep(f.Value)
	case "sec-ch-ua":
		b.clientHints.keep(f.Value)
	case "sec-ch-ua-platform":
		b.platform.keep(f.Value)
	case ":method", ":authority", ":scheme", ":path":
		b.pseudo = append(b.pseudo, f.Name[1])
		b.target.keep(f.Name, f.Value)
	}
}

// isShorter reports whether Huffman coding makes the value of the i-th field shorter.
func (b *http2Block) isShorter(i int) bool { return b.shorter[i/64]>>(i%64)&1 != 0 }

// An http2Value is the beginning of the first header field of a name, which may be
// empty.
type http2Value struct {
	text string
	set  bool
}

// keep keeps value, unless another came before. It copies what it keeps of a long one.
func (v *http2Value) keep(value string) {
	if v.set {
		return
	}
	if v.set = true; len(value) > MaxHTTP2Field {
		value = strings.Clone(value[:MaxHTTP2Field])
	}
	v.text = value
}

// UserAgent returns the first User-Agent field of the first request, at most
// [MaxHTTP2Field] bytes of it. It is empty before [HTTP2.Done].
func (p *HTTP2) UserAgent() string { return p.whenDone(p.block.userAgent.text) }

// ClientHints returns the first Sec-CH-UA and Sec-CH-UA-Platform fields of the first
// request, as UserAgent does.
func (p *HTTP2) ClientHints() (brands, platform string) {
	return p.whenDone(p.block.clientHints.text), p.whenDone(p.block.platform.text)
}

// Target returns what the first request asks for: the pseudo-header fields :method,
// :authority and :path, at most [MaxHTTP2Field] bytes of each. They are empty before
// [HTTP2.Done].
func (p *HTTP2) Target() (method, authority, path string) {
	t := &p.block.target
	return p.whenDone(t.method.text), p.whenDone(t.authority.text), p.whenDone(t.path.text)
}

func (p *HTTP2) whenDone(s string) string {
	if !p.done {
		return ""
	}
	return s
}

// Done reports whether the first request was read, and so the fingerprint is
// complete.
func (p *HTTP2) Done() bool { return p.done }

// Names returns the names of the first request's header fields as they were
// sent and in their order, pseudo-header fields included; the first 128. It is
// empty before [HTTP2.Done].
func (p *HTTP2) Names() []string {
	if !p.done {
		return nil
	}
	return p.block.names
}

// Fingerprint returns the fingerprint in Akamai's format, or the empty string before
// [HTTP2.Done]: settings, window update, priorities and the order of the
// pseudo-header fields, as in "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p".
//
// The settings are those of the first SETTINGS frame in wire order; the window
// update is the first on stream 0, "00" if there is none; the priorities are
// those of the PRIORITY frames, as stream:exclusive:dependency:weight with
// weights of 1 to 256, "0" if there are none. What comes after the first
// request does not count. It follows "Passive Fingerprinting of HTTP/2
// Clients" (Akamai, Black Hat EU 2017).
func (p *HTTP2) Fingerprint() string {
	var buf [256]byte
	return string(p.AppendFingerprint(buf[:0]))
}

// AppendFingerprint appends what [HTTP2.Fingerprint] returns.
func (p *HTTP2) AppendFingerprint(dst []byte) []byte {
	if !p.done {
		return dst
	}
	for i, s := range p.settings {
		if i > 0 {
			dst = append(dst, ';')
		}
		dst = strconv.AppendUint(dst, uint64(s.id), 10)
		dst = strconv.AppendUint(append(dst, ':'), uint64(s.value), 10)
	}
	dst = append(dst, '|')
	if p.window == 0 {
		dst = append(dst, "00"...)
	} else {
		dst = strconv.AppendUint(dst, uint64(p.window), 10)
	}
	dst = append(dst, '|')
	if len(p.priority) == 0 {
		dst = append(dst, '0')
	}
	for i, s := range p.priority {
		if i > 0 {
			dst = append(dst, ',')
		}
		exclusive := uint64(0)
		if s.exclusive {
			exclusive = 1
		}
		dst = strconv.AppendUint(dst, uint64(s.stream), 10)
		dst = strconv.AppendUint(append(dst, ':'), exclusive, 10)
		dst = strconv.AppendUint(append(dst, ':'), uint64(s.dependency), 10)
		dst = strconv.AppendUint(append(dst, ':'), uint64(s.weight), 10)
	}
	dst = append(dst, '|')
	for i, c := range p.block.pseudo {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, c)
	}
	return dst
}
