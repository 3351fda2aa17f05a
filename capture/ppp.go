package capture

import "encoding/binary"

// Protocol numbers of PPP, of IANA's registry.
const (
	pppIPv4     = 0x0021
	pppECP      = 0x0053 // encrypted (RFC 1968)
	pppIPv6     = 0x0057
	pppCCP      = 0x00fd // compressed or, with MPPE, encrypted (RFC 1962, RFC 3078)
	pppMPLS     = 0x0281
	pppMPLSMult = 0x0283
	pppEAP      = 0xc227 // RFC 3748, section 3.1
)

// ppp reads a PPP frame, with or without its HDLC header (RFC 1661, section 2;
// RFC 1662, section 3.1). The protocol may be compressed to one byte.
func (s *scanner) ppp(b []byte) {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b = b[2:]
	}
	if len(b) < 2 || !s.enterLayer() {
		return
	}
	protocol := uint16(b[0])
	if b = b[1:]; protocol&1 == 0 {
		protocol = protocol<<8 | uint16(b[0])
		b = b[1:]
	}
	switch protocol {
	case pppIPv4, pppIPv6:
		s.ip(b)
	case pppMPLS, pppMPLSMult:
		s.mpls(b)
	case pppECP, pppCCP:
		s.stats.Encrypted++
	case pppEAP:
		s.localEAP(b)
	}
}

// pppWithDirection reads a PPP frame after a byte that says who sent it.
func (s *scanner) pppWithDirection(b []byte) { s.after(b, 1, (*scanner).ppp) }

// pppoe reads a PPPoE session header (RFC 2516, section 4).
func (s *scanner) pppoe(b []byte) {
	if len(b) > 6 && b[0] == 0x11 && b[1] == 0 {
		s.addLayer(LayerPPPoE, uint32(binary.BigEndian.Uint16(b[2:])))
		s.ppp(b[6:])
	}
}

// hdlc reads a frame of a serial line: PPP, or Cisco HDLC with an EtherType.
func (s *scanner) hdlc(b []byte) {
	switch {
	case len(b) < 4:
	case b[0] == 0xff && b[1] == 3:
		s.ppp(b)
	case b[0] == 0x0f || b[0] == 0x8f:
		s.etherTypeAt(b, 2)
	}
}

// frameRelay reads a frame with a two-byte address, in the format of RFC 2427 or
// in Cisco's.
func (s *scanner) frameRelay(b []byte) {
	if len(b) < 5 {
		return
	}
	switch {
	case b[2] == 3 && b[3] == 0xcc, b[2] == 3 && b[3] == 0x8e:
		s.ip(b[4:])
	case b[2] == 3 && b[3] == 0 && b[4] == 0x80:
		s.etherTypeAt(b, 8)
	default:
		s.etherTypeAt(b, 2)
	}
}
