package capture

import "encoding/binary"

// mpls reads a label stack (RFC 3032, section 2.1). The stack does not say what it
// carries: IP is recognized by its version. All else is Ethernet, with or without
// the control word of a pseudowire (RFC 4385).
func (s *scanner) mpls(b []byte) {
	const bottom = 1 << 8
	for {
		if len(b) < 5 || !s.enterLayer() {
			return
		}
		word := binary.BigEndian.Uint32(b)
		b = b[4:]
		s.addLayer(LayerMPLS, word>>12)
		if word&bottom != 0 {
			break
		}
	}
	switch {
	case looksLikeIP(b):
		s.ip(b)
	case b[0]>>4 == 0 && len(b) > 4 && looksLikeEthernet(b[4:]):
		s.bridged(b[4:])
	default:
		s.bridged(b)
	}
}
