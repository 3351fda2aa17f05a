package capture

import "encoding/binary"

// ppi reads the header of a PPI capture, which has its own link type within.
func (s *scanner) ppi(b []byte) {
	if len(b) < 8 || !s.deeper() {
		return
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if t := binary.LittleEndian.Uint32(b[4:]); n >= 8 && n < len(b) && t <= 0xffff {
		s.link(LinkType(t), b[n:])
	}
}

// prism reads the headers of a Prism or AVS capture before an 802.11 frame.
func (s *scanner) prism(b []byte) {
	const prismLen = 144
	switch {
	case len(b) < 8:
	case b[0] == 0x80 && b[1] == 0x21: // AVS, big-endian
		if n := binary.BigEndian.Uint32(b[4:]); n < uint32(len(b)) {
			s.ieee80211(b[n:])
		}
	default:
		s.after(b, prismLen, s.ieee80211)
	}
}

// ieee80211 reads an 802.11 data frame (IEEE 802.11-2020, section 9.3.2.1). An
// encrypted one cannot be read on.
func (s *scanner) ieee80211(b []byte) {
	const (
		headerLen                = 24
		toDS, fromDS             = 1, 2
		protected, order         = 0x40, 0x80
		typeMask, typeData       = 0x0c, 0x08
		subtypeNull, subtypeQoS  = 0x40, 0x80
		qosAggregate             = 0x80
		address4, qosLen, htcLen = 6, 2, 4
	)
	if len(b) < headerLen || b[0]&typeMask != typeData || b[0]&subtypeNull != 0 || b[1]&protected != 0 {
		return
	}
	n := headerLen
	if b[1]&(toDS|fromDS) == toDS|fromDS {
		n += address4
	}
	aggregate := false
	if b[0]&subtypeQoS != 0 {
		aggregate = n < len(b) && b[n]&qosAggregate != 0
		n += qosLen
		if b[1]&order != 0 {
			n += htcLen
		}
	}
	if n >= len(b) {
		return
	}
	s.wrap(Layer80211, 0)
	if b = b[n:]; n%4 != 0 && !isSNAP(b) && isSNAP(b[min(2, len(b)):]) {
		b = b[2:] // some drivers let the body begin at a multiple of 4
	}
	if !aggregate {
		s.llc(b)
		return
	}
	const subframeHeader = 14 // two addresses and a length
	for len(b) > subframeHeader {
		end := subframeHeader + int(binary.BigEndian.Uint16(b[12:]))
		s.llc(b[subframeHeader:max(min(end, len(b)), subframeHeader)])
		b = b[min((end+3)&^3, len(b)):]
	}
}

// capwap reads a CAPWAP data packet (RFC 5415, section 4.3).
func (s *scanner) capwap(b []byte) {
	if len(b) < 8 || b[0] != 0 { // another version, or inside DTLS
		return
	}
	word := binary.BigEndian.Uint32(b)
	n := int(word>>19&31) * 4
	const native, fragment, keepAlive = 1 << 8, 1 << 7, 1 << 3
	if n < 8 || n >= len(b) || word&(fragment|keepAlive) != 0 {
		return
	}
	s.wrap(LayerCAPWAP, 0)
	b = b[n:]
	if word&native == 0 {
		s.ethernet(b)
		return
	}
	// Cisco's access points send the two bytes of the frame control swapped.
	if len(b) > 24 && b[0]&0x0c != 0x08 && b[1]&0x0c == 0x08 {
		b = append([]byte{b[1], b[0]}, b[2:]...)
	}
	s.ieee80211(b)
}
