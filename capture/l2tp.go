package capture

import "encoding/binary"

// l2tp reads an L2TP header over UDP: version 2 (RFC 2661, section 3.1) or version
// 3 (RFC 3931, section 4.1.2).
func (s *scanner) l2tp(b []byte) {
	const control, hasLength, hasSequence, hasOffset = 1 << 15, 1 << 14, 1 << 11, 1 << 9
	flags := binary.BigEndian.Uint16(b)
	switch {
	case flags&control != 0:
		return
	case flags&15 == 3:
		s.l2tpv3(b[4:])
		return
	case flags&15 != 2:
		return
	}
	n := 2
	if flags&hasLength != 0 {
		n += 2
	}
	session := n + 2
	n += 4
	if flags&hasSequence != 0 {
		n += 4
	}
	if flags&hasOffset != 0 {
		if n+2 > len(b) {
			return
		}
		n += 2 + int(binary.BigEndian.Uint16(b[n:]))
	}
	if n < len(b) {
		s.addLayer(LayerL2TP, uint32(binary.BigEndian.Uint16(b[session:])))
		s.ppp(b[n:])
	}
}

// l2tpv3 reads an L2TPv3 data message from its session on (RFC 3931, section
// 4.1.1). The length of the cookie and the presence of a sublayer are configured
// at both ends and not sent: the first length after which there is a frame is
// taken.
func (s *scanner) l2tpv3(b []byte) {
	if len(b) < 4 || binary.BigEndian.Uint32(b) == 0 { // session 0 is the control connection
		return
	}
	for n := 4; n <= 16 && n < len(b); n += 4 {
		if looksLikeEthernet(b[n:]) {
			s.addLayer(LayerL2TP, binary.BigEndian.Uint32(b))
			s.ethernet(b[n:])
			return
		}
	}
}
