package capture

import "encoding/binary"

// Some patched versions of libpcap write records with longer headers than their magic
// number says: those of Nokia 4 bytes more than usual, those of Red Hat 6.1 8 bytes,
// and those of SuSE 6.3 4 bytes more than Kuznetzov's format. The first 16 bytes are
// the same in all.

// maxHeaderExcess is how much longer a record header may be, in bytes.
const maxHeaderExcess = 8

// choose chooses the length of record headers by the first packet and by the header
// of the second. It depends only on the bytes of the file, not on how they arrive.
// The length that the magic number says is wrong only if the first packet does not
// begin as its link type says, and nothing that may be a record follows it, while
// both are right with a longer header. A live pipe is thus not held up by its first
// packet, unless that is no packet of its link type.
func (r *pcapReader) choose() {
	r.chosen = true
	if r.rate != 1e6 || r.lengths != capturedFirst {
		return
	}
	b, err := r.peek(pcapRecordHeader)
	if err != nil {
		return
	}
	seconds, captured := r.number32(b), r.number32(b[8:])
	if captured > maxPacket {
		return
	}
	n := r.header + int(captured)
	if b, err = r.peek(n); err != nil || beginsAs(r.link, b[r.header:n]) {
		return
	}
	if b, err = r.peekUpTo(n + maxHeaderExcess + pcapRecordHeader); err != nil || r.isRecord(b[n:], seconds) {
		return
	}
	for _, excess := range []int{4, 8} {
		if end := n + excess; end <= len(b) && beginsAs(r.link, b[r.header+excess:end]) && r.isRecord(b[end:], seconds) {
			r.header += excess
			return
		}
	}
}

// isRecord reports whether b, which follows the first packet, begins with the header
// of a packet captured within a month of the first, or is the end of the file.
func (r *pcapReader) isRecord(b []byte, first uint32) bool {
	const month = 30 * 24 * 60 * 60
	switch {
	case len(b) == 0:
		return true
	case len(b) < pcapRecordHeader:
		return false
	}
	apart := int64(r.number32(b)) - int64(first)
	captured, wire := r.number32(b[8:]), r.number32(b[12:])
	return apart >= -month && apart <= month && uint64(r.number32(b[4:])) < r.rate && captured <= wire && captured <= maxPacket
}

// beginsAs reports whether a packet begins as those of its link type do, or whether
// that cannot be told.
func beginsAs(t LinkType, b []byte) bool {
	const ethernetHeader, sllHeader, nullHeader = 14, 16, 4
	switch t {
	case LinkEthernet:
		return len(b) <= ethernetHeader || etherTypeFits(binary.BigEndian.Uint16(b[12:]), b[ethernetHeader:])
	case LinkLinuxSLL:
		return len(b) <= sllHeader || b[0] == 0 && b[1] < 8 && etherTypeFits(binary.BigEndian.Uint16(b[14:]), b[sllHeader:])
	case LinkNull, LinkLoop:
		return len(b) <= nullHeader || b[1] == 0 && b[2] == 0 && b[0]|b[3] != 0 && looksLikeIP(b[nullHeader:])
	case LinkRaw, LinkRawBSD, LinkRawOpenBSD, LinkIPv4, LinkIPv6:
		return len(b) == 0 || looksLikeIP(b)
	}
	return true
}

// etherTypeFits reports whether an EtherType is known, and b may follow it.
func etherTypeFits(t uint16, b []byte) bool {
	switch {
	case t == etherIPv4 || t == etherIPv6:
		return looksLikeIP(b)
	case t == etherVLAN || t == etherQinQ:
		return true
	case t < 0x600: // the length of an IEEE 802.2 frame
		if t < 3 || int(t) > len(b) || len(b) < 2 {
			return false
		}
		switch b[0] { // the service access points in use
		case 0xaa, 0x42, 0xe0, 0xf0, 0xfe, 0xff, 0xf8, 0xfc, 0x06:
			return b[0]&^1 == b[1]&^1
		}
		return false
	}
	return rowOfEtherType(etherTypes, t) != nil || isNamedEtherType(EtherType(t))
}
