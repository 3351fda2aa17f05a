package capture

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// A connection over which a file or the body of a message is transferred has no hello
// of its own in it, even if the file is a capture full of hellos. Its slot stays, with
// slotTransfer set, so that no segment of the transfer starts a connection again.

// What the number of a slot with slotTransfer says. Any other number is how many bytes
// of the connection are no hello, once its next byte has come.
const (
	transferEndless = slotNumber     // it ends with the connection
	transferLong    = slotNumber - 1 // it ends at the next byte, too far from the start to go on searching at any offset
)

// transfer makes the connection a transfer that ends with the connection.
func (s *scanner) transfer(sl *slot) { s.transferUntil(sl, sl.next, transferEndless) }

// transferUntil makes the connection a transfer up to a sequence number. What has come
// of the stream is released.
func (s *scanner) transferUntil(sl *slot, end, number uint32) {
	if t := s.streams.streamOf(sl); t != nil {
		s.streams.release(t)
	}
	sl.next = end
	sl.state = sl.state&slotFromSYN | slotTransfer | number
}

// skipTransferred returns how many of the n bytes of a segment belong to the transfer.
// If not all do, the transfer is over, and the slot is that of a preface, or is
// removed.
func (s *scanner) skipTransferred(sl *slot, sequence uint32, n int) int {
	number := sl.state & slotNumber
	ahead := int(int32(sequence - sl.next))
	if number == transferEndless || ahead+n <= 0 {
		return n
	}
	if number == transferLong {
		s.streams.remove(sl)
	} else {
		sl.state = sl.state&slotFromSYN | number
	}
	return max(-ahead, 0)
}

// searchTransfer looks for the start of a transfer in p, the next bytes of a connection
// that has sent no hello. It returns how many bytes of p are a part of one that is
// over. alive is false if one goes on.
func (s *scanner) searchTransfer(sl *slot, t *stream, p []byte) (n int, alive bool) {
	if t == nil || len(t.head) == 0 {
		n, alive = s.skipBodies(sl, p)
		if !alive || n == len(p) {
			return n, alive
		}
	}
	if n == 0 {
		if tail := s.tails.find(sl.key, sl.next); tail != nil {
			var joined [2 * captureHeaderSize]byte
			b := append(append(joined[:0], tail[max(len(tail)-captureHeaderSize, 0):]...), p[:min(len(p), captureHeaderSize)]...)
			s.examined += len(b)
			if hasCaptureHeader(b) {
				s.transfer(sl)
				return 0, false
			}
		}
	}
	s.examined += 2 * (len(p) - n)
	if hasCaptureHeader(p[n:]) {
		sl.next += uint32(len(p))
		s.transfer(sl)
		return n, false
	}
	return n, true
}

// skipBodies skips the messages with a body at the start of p, the payload of a segment.
func (s *scanner) skipBodies(sl *slot, p []byte) (n int, alive bool) {
	for n < len(p) {
		at := n + proxyHeaderLen(p[n:])
		head, body := messageLengths(p[at:])
		s.examined += head
		s.examined += head
		if body == 0 {
			return n, true
		}
		before := s.streams.nonHello(sl)
		if body < 0 {
			s.transfer(sl)
			return n, false
		}
		end := at + head + body
		if end > len(p) {
			number := uint32(transferLong)
			if total := int(before) + end - n; total <= maxPreface {
				number = uint32(total)
			}
			s.transferUntil(sl, sl.next+uint32(end-n), number)
			return n, false
		}
		sl.next += uint32(end - n)
		if !s.skipNonHello(sl, end-n, maxPreface) {
			return n, false
		}
		n = end
	}
	return n, true
}

// maxBody is how long the body of a message may be for its end to be found by a
// sequence number.
const maxBody = 1 << 30

// messageLengths returns the length of the head of a message in the format of HTTP/1, or
// of a call of ONC RPC, at the start of p, and that of its body: 0 if p starts with
// something else or with a message that has none, negative if the length is unknown. The
// body of a CONNECT is the stream that follows, which may well start with a hello.
func messageLengths(p []byte) (head, body int) {
	if len(p) == 0 || p[0] < 'A' || p[0] > 'Z' {
		return rpcLengths(p)
	}
	method, rest, _ := bytes.Cut(p[:min(len(p), longestMethod+1)], []byte{' '})
	if len(rest) == 0 || string(method) == "CONNECT" {
		return 0, 0
	}
	end := bytes.IndexByte(p, '\n')
	if end < 0 {
		return len(p), 0
	}
	line := bytes.TrimSuffix(p[:end], []byte{'\r'})
	version := line[bytes.LastIndexByte(line, ' ')+1:]
	protocol, number, ok := bytes.Cut(version, []byte{'/'})
	switch {
	case !ok:
		return end, 0
	case string(method) == "PRI" && string(version) == "HTTP/2.0":
		return end, -1
	case string(protocol) == "ICAP":
		return end, -1
	case string(protocol) != "HTTP" && string(protocol) != "RTSP" && string(protocol) != "SIP" || len(number) != len("1.1"):
		return end, 0
	}
	for head = end + 1; ; {
		end = bytes.IndexByte(p[head:], '\n')
		if end < 0 {
			if body == 0 && !usuallyHasBody(method) {
				return len(p), 0
			}
			return len(p), -1 // the rest of the head may have the length
		}
		line = bytes.TrimSuffix(p[head:head+end], []byte{'\r'})
		head += end + 1
		if len(line) == 0 {
			return head, body
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 64)
			switch {
			case err != nil || n > maxBody:
				body = -1
			case body == 0:
				body = int(n)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			body = -1
		}
	}
}

// rpcLengths is messageLengths for a call of ONC RPC in a single fragment (RFC 5531,
// sections 9 and 11), such as those of NFS, which write files. The body of one that asks
// for TLS (RFC 9289) ends where the hello begins.
func rpcLengths(p []byte) (head, body int) {
	const mark, call, version, lastFragment = 4, 0, 2, 1 << 31
	if len(p) < mark+12 || p[0]&0x80 == 0 || binary.BigEndian.Uint64(p[8:]) != call<<32|version {
		return 0, 0
	}
	if body = int(binary.BigEndian.Uint32(p) &^ lastFragment); body > maxBody {
		body = -1
	}
	return mark, body
}

// longestMethod is the length of the longest name of a method that has a body, such as
// UPDATEREDIRECTREF.
const longestMethod = 20

// usuallyHasBody reports whether requests of a method have a body if their headers do
// not say otherwise.
func usuallyHasBody(method []byte) bool {
	switch string(method) {
	case "POST", "PUT", "PATCH", "ANNOUNCE", "PROPFIND", "REPORT", "MKCOL":
		return true
	}
	return false
}

// isResponse reports whether the segment is from the server of a connection whose client
// has sent the head of a request last. What starts a hello is then a part of the answer.
func (s *scanner) isResponse() bool {
	if s.tails == nil {
		return false
	}
	key := s.reverseKey()
	sl := s.streams.find(key)
	return sl != nil && sl.state&(slotFromSYN|slotHelloSeen) == slotFromSYN && bytes.HasSuffix(s.tails.find(key, sl.next), endOfHead)
}

const proxyV2Signature = "\r\n\r\n\x00\r\nQUIT\n"

// proxyHeaderLen returns the length of the PROXY protocol header at the start of p, or
// 0 if there is none or not all of it.
func proxyHeaderLen(p []byte) int {
	const v2Header, longestV1 = 16, 107
	n := 0
	switch {
	case len(p) >= v2Header && string(p[:len(proxyV2Signature)]) == proxyV2Signature:
		n = v2Header + int(binary.BigEndian.Uint16(p[14:]))
	case len(p) > 6 && string(p[:6]) == "PROXY ":
		n = bytes.IndexByte(p[:min(len(p), longestV1)], '\n') + 1
	}
	if n > len(p) {
		return 0
	}
	return n
}

// startsProxyHeader reports whether p, of minPreface bytes or more, starts a header of the
// PROXY protocol.
func startsProxyHeader(p []byte) bool {
	for _, start := range []string{"PROXY TCP", "PROXY UNKNOWN", proxyV2Signature} {
		if n := min(len(p), len(start)); string(p[:n]) == start[:n] {
			return true
		}
	}
	return false
}

// captureHeaderSize is how many bytes of the header of a capture hasCaptureHeader
// examines.
const captureHeaderSize = 16

// hasCaptureHeader reports whether the header of a capture starts anywhere in p: that of
// pcap in any byte order and precision, or that of pcapng. The magic number is checked
// with the version after it, so that four bytes do not match by chance.
func hasCaptureHeader(p []byte) bool {
	// The middle of all magic numbers of pcap is b2 and the byte before or after it.
	for at := 0; ; at++ {
		i := bytes.IndexByte(p[at:], 0xb2)
		if i < 0 {
			break
		}
		if at += i; isPcapHeader(p, at-1) || isPcapHeader(p, at-2) {
			return true
		}
	}
	for at := 0; ; at++ {
		i := bytes.IndexByte(p[at:], 0x1a)
		if i < 0 {
			return false
		}
		if at += i; isPcapngHeader(p, at-8) || isPcapngHeader(p, at-11) {
			return true
		}
	}
}

// isPcapHeader reports whether a pcap file of version 2.4 starts at an offset in p.
func isPcapHeader(p []byte, at int) bool {
	if at < 0 || len(p)-at < 8 {
		return false
	}
	version := binary.LittleEndian.Uint32(p[at+4:])
	switch binary.LittleEndian.Uint32(p[at:]) {
	case pcapMicroseconds, pcapNanoseconds, pcapModified:
		return version == 0x0004_0002
	case pcapMicrosecondsSwapped, pcapNanosecondsSwapped, pcapModifiedSwapped:
		return version == 0x0400_0200
	}
	return false
}

// isPcapngHeader reports whether a pcapng section starts at an offset in p.
func isPcapngHeader(p []byte, at int) bool {
	if at < 0 || len(p)-at < 12 || binary.BigEndian.Uint32(p[at:]) != 0x0a0d0d0a {
		return false
	}
	order := binary.LittleEndian.Uint32(p[at+8:])
	return order == 0x1a2b3c4d || order == 0x4d3c2b1a
}
