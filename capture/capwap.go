package capture

import "encoding/binary"

// capwap reads a CAPWAP data packet (RFC 5415, section 4.3).
func (s *scanner) capwap(b []byte) {
	if len(b) < 8 || b[0] != 0 { // another version, or DTLS
		s.capwapDTLS(b)
		return
	}
	word := binary.BigEndian.Uint32(b)
	n := int(word>>19&31) * 4
	const native, fragment, keepAlive = 1 << 8, 1 << 7, 1 << 3
	if n < 8 || n >= len(b) || word&(fragment|keepAlive) != 0 {
		return
	}
	s.addLayer(LayerCAPWAP, 0)
	b = b[n:]
	if word&native == 0 {
		s.ethernet(b)
		return
	}
	// Cisco's access points swap the two bytes of the frame control field.
	if len(b) > 24 && b[0]&0x0c != 0x08 && b[1]&0x0c == 0x08 {
		b = append([]byte{b[1], b[0]}, b[2:]...)
	}
	s.ieee80211(b)
}

// capwapDTLS reads a DTLS record after a CAPWAP DTLS header (RFC 5415, section 4.2),
// which is that of the control channel, and of a data channel with encryption. The
// header has 4 bytes; that of early drafts has 1. The client is the access point.
func (s *scanner) capwapDTLS(b []byte) {
	const preambleDTLS = 1 // version 0, type 1
	if b[0] != preambleDTLS {
		return // a message of the control channel that is not encrypted
	}
	p := b[1:]
	if !isDTLSHandshake(p) {
		p = b[4:]
	}
	if isDTLSHandshake(p) {
		s.addLayer(LayerCAPWAP, 0)
		s.dtls(p)
	}
}
