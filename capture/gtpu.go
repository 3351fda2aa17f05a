package capture

import "encoding/binary"

// gtpu reads a GTP-U header with its extensions (3GPP TS 29.281, section 5).
func (s *scanner) gtpu(b []byte) {
	const user, versionOne, anyOption, extension = 255, 0x30, 7, 4
	if b[0]&0xf0 != versionOne || b[1] != user {
		return
	}
	n := 8
	if b[0]&anyOption != 0 {
		n += 4
		if n > len(b) {
			return
		}
		next := b[n-1]
		if b[0]&extension == 0 {
			next = 0
		}
		for next != 0 {
			if n >= len(b) || b[n] == 0 {
				return
			}
			n += int(b[n]) * 4
			if n > len(b) {
				return
			}
			next = b[n-1]
		}
	}
	if n < len(b) {
		s.addLayer(LayerGTPU, binary.BigEndian.Uint32(b[4:]))
		s.ip(b[n:])
	}
}
