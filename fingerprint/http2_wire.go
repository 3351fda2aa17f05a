package fingerprint

import (
	"strconv"
	"strings"
)

// An http2Wire is how the frames up to the first request are written, as far as the
// fingerprint does not say so.
type http2Wire struct {
	frames   []frameRun // at most maxFrameRuns
	more     bool       // there were more
	priority *http2Priority
	padded   bool
	block    hpackWalk
}

// A frameRun is a number of frames of one kind in a row.
type frameRun struct {
	code byte // a letter, or 0 for a type without one
	typ  byte
	n    uint16
}

// maxFrameRuns is the number of runs of frames that are kept.
const maxFrameRuns = 16

const (
	frameRSTStream = 0x3
	framePing      = 0x6
)

// addFrame records a frame.
func (w *http2Wire) addFrame(typ, flags byte, stream uint32) {
	if w.more {
		return
	}
	code := frameLetter(typ, flags, stream)
	if n := len(w.frames); n > 0 && w.frames[n-1].code == code && w.frames[n-1].typ == typ {
		w.frames[n-1].n++
		return
	}
	if len(w.frames) == maxFrameRuns {
		w.more = true
		return
	}
	w.frames = append(w.frames, frameRun{code, typ, 1})
}

func frameLetter(typ, flags byte, stream uint32) byte {
	switch typ {
	case frameHeaders:
		return 'H'
	case framePriority:
		return 'P'
	case frameRSTStream:
		return 'R'
	case frameSettings:
		if flags&flagAck != 0 {
			return 'A'
		}
		return 'S'
	case framePing:
		return 'p'
	case frameWindowUpdate:
		if stream != 0 {
			return 'w'
		}
		return 'W'
	case frameContinuation:
		return 'C'
	}
	return 0
}

// Wire returns how the client writes HTTP/2, or the empty string before [HTTP2.Done], as
// in "S,W,H|1:0:256|m=i,a=+h,s=i,p=-h|+Nh,+Np*3,+h*2". Its parts are
//
//   - the frames up to the first request in their order: S for SETTINGS, A for its
//     acknowledgment, W and w for WINDOW_UPDATE of the connection and of a stream, P for
//     PRIORITY, H for HEADERS, C for CONTINUATION, R for RST_STREAM, p for PING, and x with
//     the type in hex for others; *3 behind it if there are 3 in a row;
//   - the priority in HEADERS as exclusive:dependency:weight, or 0; and "+pad" if it has
//     padding;
//   - how each pseudo-header field is written in HPACK (RFC 7541, section 6);
//   - how the other fields are, in their order, u before them being changes of the size
//     of the dynamic table.
//
// A field is written as i or d if it is in the static or dynamic table, or else as a
// literal: + adds it to the dynamic table, - does not, ! forbids that. Behind it come d
// for a name in the dynamic table, n for a literal one, N for that with Huffman coding;
// and then h for a value with Huffman coding, H for one that it does not make shorter, p
// for a value without it, and P for one that it would make shorter.
func (p *HTTP2) Wire() string {
	var buf [256]byte
	return string(p.appendWire(buf[:0]))
}

// appendWire appends what [HTTP2.Wire] returns.
func (p *HTTP2) appendWire(dst []byte) []byte {
	if !p.done {
		return dst
	}
	w := &p.wire
	for i, r := range w.frames {
		if i > 0 {
			dst = append(dst, ',')
		}
		if r.code != 0 {
			dst = append(dst, r.code)
		} else {
			dst = strconv.AppendUint(append(dst, 'x'), uint64(r.typ), 16)
		}
		dst = appendTimes(dst, int(r.n))
	}
	if w.more {
		dst = append(dst, ",..."...)
	}
	dst = append(dst, '|')
	if s := w.priority; s != nil {
		dst = append(dst, '0', ':')
		if s.exclusive {
			dst[len(dst)-2] = '1'
		}
		dst = strconv.AppendUint(dst, uint64(s.dependency), 10)
		dst = strconv.AppendInt(append(dst, ':'), int64(s.weight), 10)
	} else {
		dst = append(dst, '0')
	}
	if w.padded {
		dst = append(dst, "+pad"...)
	}
	return p.appendBlock(append(dst, '|'))
}

// appendBlock appends how the header fields are written.
func (p *HTTP2) appendBlock(dst []byte) []byte {
	codes := p.wire.block.fields
	n := min(len(codes), len(p.block.names))
	first := true
	for i, name := range p.block.names[:n] {
		if !isPseudo(name) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = codes[i].append(append(dst, name[1], '='), p.block.isShorter(i))
	}
	dst = append(dst, '|')
	start := len(dst)
	if u := p.wire.block.updates; u > 0 {
		dst = appendTimes(append(dst, 'u'), u)
	}
	var last, text []byte // of the field before, and of the field at hand
	run := 0
	for i, name := range p.block.names[:n] {
		if isPseudo(name) {
			continue
		}
		var buf [4]byte
		text = codes[i].append(buf[:0], p.block.isShorter(i))
		if run > 0 && string(text) == string(last) {
			run++
			continue
		}
		dst = appendTimes(dst, run)
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = append(dst, text...)
		last, run = dst[len(dst)-len(text):], 1
	}
	return appendTimes(dst, run)
}

// isPseudo reports whether name is that of a pseudo-header field of requests (RFC 9113,
// section 8.3.1).
func isPseudo(name string) bool {
	return strings.HasPrefix(name, ":") && (name == ":method" || name == ":authority" || name == ":scheme" || name == ":path")
}

// appendTimes appends how often something comes, unless it comes once.
func appendTimes(dst []byte, n int) []byte {
	if n < 2 {
		return dst
	}
	return strconv.AppendInt(append(dst, '*'), int64(n), 10)
}
