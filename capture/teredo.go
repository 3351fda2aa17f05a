package capture

// teredo reads the IPv6 packet in a Teredo packet, after the optional
// authentication and origin indications (RFC 4380, section 5.1.1).
func (s *scanner) teredo(b []byte) {
	if len(b) >= 4 && b[0] == 0 && b[1] == 1 { // authentication
		b = b[min(4+int(b[2])+int(b[3])+9, len(b)):]
	}
	if len(b) >= 8 && b[0] == 0 && b[1] == 0 { // origin indication
		b = b[8:]
	}
	if len(b) >= 40 && b[0]>>4 == 6 {
		s.addLayer(LayerTeredo, 0)
		s.ipv6(b)
	}
}
