package capture

import "encoding/binary"

// tzsp reads a packet in the TaZmen Sniffer Protocol, in which access points and
// routers send what they capture.
func (s *scanner) tzsp(b []byte) {
	const padding, end, ethernet, wireless = 0, 1, 1, 18
	if b[0] != 1 || b[1] > 1 {
		return
	}
	protocol := binary.BigEndian.Uint16(b[2:])
	for b = b[4:]; len(b) > 0; {
		switch b[0] {
		case padding:
			b = b[1:]
			continue
		case end:
			s.addLayer(LayerTZSP, 0)
			switch protocol {
			case ethernet:
				s.ethernet(b[1:])
			case wireless:
				s.ieee80211(b[1:])
			}
			return
		}
		if len(b) < 2 {
			return
		}
		b = b[min(2+int(b[1]), len(b)):]
	}
}
