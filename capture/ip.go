package capture

import "encoding/binary"

// Protocol numbers of IANA's registry, and the least that an IPv4 header has.
const (
	ipHopByHop uint8 = 0
	ipIPv4     uint8 = 4
	ipTCP      uint8 = 6
	ipUDP      uint8 = 17
	ipIPv6     uint8 = 41
	ipRouting  uint8 = 43
	ipFragment uint8 = 44
	ipGRE      uint8 = 47
	ipAH       uint8 = 51
	ipDest     uint8 = 60
	ipEtherIP  uint8 = 97
	ipL2TP     uint8 = 115
	ipMobility uint8 = 135
	ipUDPLite  uint8 = 136
	ipMPLS     uint8 = 137
	ipHIP      uint8 = 139
	ipShim6    uint8 = 140

	ipMinHeader = 20
)

// ip goes on with an IP packet of either version.
func (s *scanner) ip(b []byte) {
	if len(b) == 0 {
		return
	}
	switch b[0] >> 4 {
	case 4:
		s.ipv4(b)
	case 6:
		s.ipv6(b)
	}
}

// ipv4 reads an IPv4 header (RFC 791, section 3.1).
func (s *scanner) ipv4(b []byte) {
	if len(b) < ipMinHeader || b[0]>>4 != 4 {
		return
	}
	n := int(b[0]&15) * 4
	// Frames may be padded. A length of 0 is what segmentation offload leaves.
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		total = len(b) + s.missing()
	}
	if n < ipMinHeader || n > total || n > len(b) {
		return
	}
	payload := b[n:min(total, len(b))]
	const moreFragments, offsetMask = 0x2000, 0x1fff
	if fragment := binary.BigEndian.Uint16(b[6:]); fragment&(moreFragments|offsetMask) != 0 {
		s.fragment(fragmentHeader{
			addrs:    b[12:20],
			id:       uint32(binary.BigEndian.Uint16(b[4:])),
			protocol: b[9],
			offset:   int(fragment&offsetMask) * 8,
			length:   total - n,
			more:     fragment&moreFragments != 0,
		}, payload)
		return
	}
	s.transport(b[9], b[12:20], payload)
}

// ipv6 reads an IPv6 header and what extension headers follow (RFC 8200).
func (s *scanner) ipv6(b []byte) {
	const headerLen = 40
	if len(b) < headerLen || b[0]>>4 != 6 {
		return
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length == 0 { // offload, or a jumbogram
		length = len(b) - headerLen + s.missing()
	}
	next, addrs := b[6], b[8:40]
	b = b[headerLen:]
	b = b[:min(length, len(b))]
	for {
		var n int
		switch next {
		case ipHopByHop, ipRouting, ipDest, ipMobility, ipHIP, ipShim6:
			if len(b) < 8 {
				return
			}
			n = int(b[1])*8 + 8
		case ipFragment:
			if len(b) < 8 {
				return
			}
			fragment := binary.BigEndian.Uint16(b[2:])
			if fragment&^6 != 0 { // else it is the only one (RFC 6946)
				s.fragment(fragmentHeader{
					addrs:    addrs,
					id:       binary.BigEndian.Uint32(b[4:]),
					protocol: b[0],
					offset:   int(fragment &^ 7),
					length:   length - 8,
					more:     fragment&1 != 0,
				}, b[8:])
				return
			}
			n = 8
		default:
			s.transport(next, addrs, b)
			return
		}
		if n > len(b) {
			return
		}
		next = b[0]
		b = b[n:]
		length -= n
	}
}

// transport goes on with the payload of an IP packet. Source and destination
// address stand in addrs, one after the other.
func (s *scanner) transport(protocol uint8, addrs, b []byte) {
	switch protocol {
	case ipTCP:
		s.tcp(addrs, b)
	case ipUDP, ipUDPLite:
		s.udp(addrs, b)
	default:
		s.ipTunnel(protocol, addrs, b)
	}
}

// ipTunnel goes on with a protocol that carries packets of others.
func (s *scanner) ipTunnel(protocol uint8, addrs, b []byte) {
	if !s.deeper() {
		return
	}
	switch protocol {
	case ipIPv4:
		s.wrap(LayerIPv4, 0)
		s.ipv4(b)
	case ipIPv6:
		s.wrap(LayerIPv6, 0)
		s.ipv6(b)
	case ipGRE:
		s.gre(b)
	case ipAH: // RFC 4302, section 2
		if len(b) >= 12 {
			n := int(b[1])*4 + 8
			if n <= len(b) {
				s.wrap(LayerAH, 0)
				s.transport(b[0], addrs, b[n:])
			}
		}
	case ipEtherIP: // RFC 3378
		if len(b) > 2 && b[0]>>4 == 3 {
			s.wrap(LayerEtherIP, 0)
			s.ethernet(b[2:])
		}
	case ipMPLS:
		s.mpls(b)
	case ipL2TP:
		s.l2tpv3(b)
	case ipHopByHop, ipRouting, ipDest: // behind AH
		if len(b) >= 8 && int(b[1])*8+8 <= len(b) {
			s.transport(b[0], addrs, b[int(b[1])*8+8:])
		}
	}
}
