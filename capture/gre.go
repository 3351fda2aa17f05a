package capture

import "encoding/binary"

// gre reads a GRE header (RFC 2784, RFC 2890), also with the source routes of RFC
// 1701, or the header of PPTP (RFC 2637, section 4.1).
func (s *scanner) gre(b []byte) {
	if len(b) < 4 {
		return
	}
	const checksum, routing, key, sequence, acknowledgement = 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 7
	flags, protocol := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	n, id := 4, uint32(0)
	if flags&(checksum|routing) != 0 {
		n += 4
	}
	if flags&key != 0 {
		if n+4 > len(b) {
			return
		}
		id = binary.BigEndian.Uint32(b[n:])
		n += 4
	}
	if flags&sequence != 0 {
		n += 4
	}
	if flags&7 == 1 {
		if flags&acknowledgement != 0 {
			n += 4
		}
		if protocol == etherPPP && n < len(b) {
			s.addLayer(LayerGRE, id&0xffff) // the upper half is a length
			s.ppp(b[n:])
		}
		return
	}
	for flags&routing != 0 { // an empty source route ends the list
		if n+4 > len(b) {
			return
		}
		length := int(b[n+3])
		n += 4 + length
		if length == 0 {
			break
		}
	}
	if n >= len(b) {
		return
	}
	b = b[n:]
	s.addLayer(LayerGRE, id)
	switch {
	case protocol == etherERSPAN && flags&sequence == 0: // type I has no header
		s.addLayer(LayerERSPAN, 0)
		s.ethernet(b)
	case protocol == etherWCCP:
		if b[0]>>4 != 4 {
			s.after(b, 4, (*scanner).ip)
		} else {
			s.ip(b)
		}
	default:
		s.etherType(protocol, b)
	}
}

// erspan2 reads the header of ERSPAN type II (draft-foschiano-erspan).
func (s *scanner) erspan2(b []byte) {
	if len(b) > 8 {
		s.addLayer(LayerERSPAN, uint32(binary.BigEndian.Uint16(b[2:])&0x3ff))
		s.ethernet(b[8:])
	}
}

// erspan3 reads the header of ERSPAN type III with its optional subheader.
func (s *scanner) erspan3(b []byte) {
	if len(b) < 12 {
		return
	}
	const subheader, ipPacket = 1, 2
	n, next := 12, (*scanner).ethernet
	if b[11]&subheader != 0 {
		n += 8
	}
	if b[10]>>2&31 == ipPacket {
		next = (*scanner).ip
	}
	s.addLayer(LayerERSPAN, uint32(binary.BigEndian.Uint16(b[2:])&0x3ff))
	s.after(b, n, next)
}
