package capture

import (
	"bytes"
	"encoding/binary"
)

// An evidence says whether what precedes a hello shows that it is inside a packet that
// was captured and is now transferred.
type evidence int

const (
	notCaptured   evidence = iota
	afterTCP               // what certainly looks like a TCP header
	afterTCPAndIP          // a TCP and an IP header
)

const tcpMaxHeader = 60

// endsWithPacketHeaders returns the evidence of b, which is what precedes a hello.
func endsWithPacketHeaders(b []byte) evidence {
	found := notCaptured
	for n := tcpMinHeader; n <= tcpMaxHeader && n <= len(b); n += 4 {
		h := b[len(b)-n:]
		if int(h[12]>>4)*4 != n || h[13]&tcpRST != 0 || h[13]&(tcpSYN|tcpACK) == 0 {
			continue
		}
		switch before := b[:len(b)-n]; {
		case endsWithIPHeader(before, n):
			return afterTCPAndIP
		case h[12]&15 == 0 && h[13]&^(1<<3) == tcpACK && h[18]|h[19] == 0:
			found = afterTCP
		}
	}
	return found
}

// endsWithIPHeader reports whether b ends with the header of an IP packet that has a TCP
// header of n bytes and data.
func endsWithIPHeader(b []byte, n int) bool {
	for m := ipMinHeader; m <= 60 && m <= len(b); m += 4 {
		h := b[len(b)-m:]
		total := int(binary.BigEndian.Uint16(h[2:]))
		if h[0] == 0x40|byte(m/4) && h[9] == ipTCP && h[6]&0x3f|h[7] == 0 && (total == 0 || total > m+n) {
			return true
		}
	}
	if len(b) < ipv6Header {
		return false
	}
	h := b[len(b)-ipv6Header:]
	length := int(binary.BigEndian.Uint16(h[4:]))
	return h[0]>>4 == 6 && h[6] == ipTCP && (length == 0 || length > n)
}

// precedingEvidence returns the evidence of what comes before p, which starts a hello
// and is the end of whole, the last bytes of the stream that have come.
func (s *scanner) precedingEvidence(sl *slot, whole, p []byte) evidence {
	before := whole[:len(whole)-len(p)]
	if len(before) < tailSize {
		if tail := s.tails.find(sl.key, sl.next-uint32(len(whole))); tail != nil {
			var joined [2 * tailSize]byte
			before = append(append(joined[:0], tail...), before...)
		}
	}
	s.examined += min(len(before), tcpMaxHeader/4) // the first byte that tells is usually wrong
	return endsWithPacketHeaders(before)
}

// maxBefore is how many bytes before a hello are searched for the headers of a packet
// that has it somewhere in its payload.
const maxBefore = 2048

// insidePacket reports whether a hello at a sequence number is in the payload of a
// packet of TCP or UDP that starts in b, which is what comes before it.
func (s *scanner) insidePacket(sl *slot, start uint32, b []byte) bool {
	b = b[max(len(b)-maxBefore, 0):]
	if tail := s.tails.find(sl.key, start-uint32(len(b))); tail != nil {
		var joined [tailSize + maxBefore]byte
		b = append(append(joined[:0], tail...), b...)
	}
	s.examined += 2 * len(b)
	for at := 0; ; at++ {
		i := bytes.IndexByte(b[at:], 0x45)
		if i < 0 {
			break
		}
		at += i
		if p := b[at:]; len(p) >= ipMinHeader+udpHeader && p[6]&0x3f|p[7] == 0 {
			total := int(binary.BigEndian.Uint16(p[2:]))
			if total > len(p) && isTransportHeader(p[9], p[ipMinHeader:], total-ipMinHeader) {
				return true
			}
		}
	}
	for at := 0; ; at++ {
		i := bytes.IndexByte(b[at:], 0x60)
		if i < 0 {
			return false
		}
		at += i
		if p := b[at:]; len(p) >= ipv6Header+udpHeader {
			length := int(binary.BigEndian.Uint16(p[4:]))
			if ipv6Header+length > len(p) && isTransportHeader(p[6], p[ipv6Header:], length) {
				return true
			}
		}
	}
}

// isTransportHeader reports whether b starts with the header of TCP or UDP in an IP
// packet with a payload of n bytes.
func isTransportHeader(protocol uint8, b []byte, n int) bool {
	switch protocol {
	case ipTCP:
		return len(b) >= tcpMinHeader && b[12]>>4 >= 5 && b[12]&15 == 0 && int(b[12]>>4)*4 < n && b[13]&(tcpSYN|tcpRST|tcpACK) == tcpACK
	case ipUDP:
		return len(b) >= udpHeader && int(binary.BigEndian.Uint16(b[4:])) == n
	}
	return false
}

// onlyRecordsFollow reports whether nothing but TLS records may follow a hello in its
// segment, as it may be a part of a file: the start of the connection is not known, or
// something comes before the hello in the segment.
func (s *scanner) onlyRecordsFollow(sl *slot, before []byte) bool {
	switch {
	case sl.state&slotHelloSeen != 0:
		return false
	case sl.state&slotFromSYN == 0:
		return true
	}
	return len(before) > 0
}

// mayFollowHello reports whether a client may send b in the same segment after a hello.
// Other bytes show that the hello is a part of a file.
func (s *scanner) mayFollowHello(b []byte) bool {
	for range 4 {
		if len(b) == 0 {
			return true
		}
		s.examined += min(len(b), recordHeader)
		if b[0] < recordChangeCipherSpec || b[0] > recordApplicationData || len(b) > 1 && b[1] > maxRecordMajor {
			return false
		}
		if len(b) < recordHeader {
			return true
		}
		n := int(binary.BigEndian.Uint16(b[3:]))
		if n > maxRecord {
			return false
		}
		b = b[min(recordHeader+n, len(b)):]
	}
	return true
}

// tailSize is how many bytes of the last segment of a preface are kept: the usual
// headers of TCP and IPv6, or the longest of TCP and the usual ones of IPv4.
const tailSize = 80

// A tail has the last bytes of a preface, which are the last tailSize of b[:n].
type tail struct {
	key uint64
	end uint32 // sequence number after them
	n   int
	b   [2 * tailSize]byte
}

// tails has the tails of the connections that have sent a preface last. One may take
// the place of another.
type tails []tail

const numTails = 16

// find returns the bytes of a connection before a sequence number, or nil.
func (ts tails) find(key uint64, end uint32) []byte {
	if len(ts) == 0 {
		return nil
	}
	if t := &ts[key>>1%numTails]; t.key == key && t.end == end {
		return t.b[max(t.n-tailSize, 0):t.n]
	}
	return nil
}

// keep keeps the end of p, the bytes of a connection before a sequence number. A short p
// is added to the bytes that were kept before. It returns how many bytes it copied.
func (ts *tails) keep(key uint64, end uint32, p []byte) (moved int) {
	if *ts == nil {
		*ts = make(tails, numTails)
	}
	t := &(*ts)[key>>1%numTails]
	if t.key != key || t.end != end-uint32(len(p)) || len(p) >= tailSize {
		t.n = 0
	}
	p = p[max(len(p)-tailSize, 0):]
	if t.n+len(p) > len(t.b) {
		t.n = copy(t.b[:], t.b[t.n-tailSize:t.n])
		moved = t.n
	}
	t.key, t.end = key, end
	t.n += copy(t.b[t.n:], p)
	return moved + len(p)
}
