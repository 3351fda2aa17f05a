package capture

import "encoding/binary"

// vxlan reads a VXLAN header (RFC 7348, section 5).
func (s *scanner) vxlan(b []byte) {
	if b[0]&8 != 0 {
		s.addLayer(LayerVXLAN, binary.BigEndian.Uint32(b[4:])>>8)
		s.ethernet(b[8:])
	}
}

// vxlanGPE reads a VXLAN header that says what it carries
// (draft-ietf-nvo3-vxlan-gpe).
func (s *scanner) vxlanGPE(b []byte) {
	s.addLayer(LayerVXLAN, binary.BigEndian.Uint32(b[4:])>>8)
	s.nextProtocol(b[3], b[8:])
}

// nsh reads a network service header (RFC 8300, section 2.2).
func (s *scanner) nsh(b []byte) {
	if len(b) < 8 || !s.enterLayer() {
		return
	}
	if n := int(b[1]&0x3f) * 4; n >= 8 && n < len(b) {
		s.addLayer(LayerNSH, binary.BigEndian.Uint32(b[4:])>>8)
		s.nextProtocol(b[3], b[n:])
	}
}

// nextProtocol reads b, whose protocol has the number p in VXLAN-GPE and NSH.
func (s *scanner) nextProtocol(p uint8, b []byte) {
	switch p {
	case 1, 2:
		s.ip(b)
	case 3:
		s.ethernet(b)
	case 4:
		s.nsh(b)
	case 5:
		s.mpls(b)
	}
}
