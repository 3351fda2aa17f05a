package capture

import "encoding/binary"

// geneve reads a Geneve header (RFC 8926, section 3.4).
func (s *scanner) geneve(b []byte) {
	if n := 8 + int(b[0]&0x3f)*4; b[0]>>6 == 0 && n < len(b) {
		s.addLayer(LayerGeneve, binary.BigEndian.Uint32(b[4:])>>8)
		s.etherType(binary.BigEndian.Uint16(b[2:]), b[n:])
	}
}
