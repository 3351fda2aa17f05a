package capture

import "encoding/binary"

// radiotap reads an 802.11 frame after a radiotap header.
func (s *scanner) radiotap(b []byte) {
	if len(b) >= 4 {
		s.after(b, int(binary.LittleEndian.Uint16(b[2:])), (*scanner).ieee80211)
	}
}

// prism reads an 802.11 frame after a Prism or an AVS header.
func (s *scanner) prism(b []byte) {
	const prismLen = 144
	switch {
	case len(b) < 8:
	case b[0] == 0x80 && b[1] == 0x21: // AVS, big-endian
		if n := binary.BigEndian.Uint32(b[4:]); n < uint32(len(b)) {
			s.ieee80211(b[n:])
		}
	default:
		s.after(b, prismLen, (*scanner).ieee80211)
	}
}

// ieee80211 reads an 802.11 data frame (IEEE 802.11-2020, section 9.3.2.1) that is
// not encrypted.
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
	if len(b) < headerLen || b[0]&typeMask != typeData || b[0]&subtypeNull != 0 {
		return
	}
	if b[1]&protected != 0 {
		s.stats.Encrypted++
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
	s.addLayer(Layer80211, 0)
	dst, src := b[4:10], b[10:16]
	switch b[1] & (toDS | fromDS) {
	case toDS:
		dst = b[16:22]
	case fromDS:
		src = b[16:22]
	case toDS | fromDS:
		dst, src = b[16:22], b[24:30]
	}
	s.setMACs(dst, src)
	if b = b[n:]; n%4 != 0 && !isSNAP(b) && isSNAP(b[min(2, len(b)):]) {
		b = b[2:] // some drivers align the body to 4 bytes
	}
	if !aggregate {
		s.llc(b)
		return
	}
	const subframeHeader = 14 // two addresses and a length
	for len(b) > subframeHeader {
		end := subframeHeader + int(binary.BigEndian.Uint16(b[12:]))
		s.macs = b[:12]
		s.llc(b[subframeHeader:max(min(end, len(b)), subframeHeader)])
		b = b[min((end+3)&^3, len(b)):]
	}
}
