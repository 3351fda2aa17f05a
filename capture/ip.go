package capture

import "encoding/binary"

// Protocol numbers of IANA's registry that code refers to.
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
	ipSCTP     uint8 = 132
	ipMobility uint8 = 135
	ipUDPLite  uint8 = 136
	ipMPLS     uint8 = 137
	ipHIP      uint8 = 139
	ipShim6    uint8 = 140
)

const (
	ipMinHeader = 20 // of IPv4
	ipv6Header  = 40
)

// An ipRow is an IP protocol that carries packets of another.
type ipRow struct {
	number uint8
	read   layerReader
}

// ipProtocols is sorted by number.
var ipProtocols = []ipRow{
	{ipIPv4, (*scanner).ipv4InIP},   // RFC 2003
	{ipIPv6, (*scanner).ipv6InIP},   // RFC 2473
	{ipGRE, (*scanner).gre},         // RFC 2784
	{ipEtherIP, (*scanner).etherIP}, // RFC 3378
	{ipL2TP, (*scanner).l2tpv3},     // RFC 3931
	{ipSCTP, (*scanner).sctp},       // RFC 9260
	{ipMPLS, (*scanner).mpls},       // RFC 4023
}

// ip reads an IP packet of either version.
func (s *scanner) ip(b []byte) {
	if len(b) == 0 {
		return
	}
	switch b[0] >> 4 {
	case 4:
		s.ipv4(b)
	case 6:
		s.ipv6(b)
	default:
		if s.depth == 0 {
			s.stats.NotIP++
		}
	}
}

// looksLikeIP reports whether b begins with the header of an IP packet.
func looksLikeIP(b []byte) bool {
	switch {
	case len(b) >= ipMinHeader && b[0]>>4 == 4:
		n := int(b[0]&15) * 4
		return n >= ipMinHeader && int(binary.BigEndian.Uint16(b[2:])) >= n
	case len(b) >= ipv6Header && b[0]>>4 == 6:
		return true
	}
	return false
}

// ipv4 reads an IPv4 header (RFC 791, section 3.1).
func (s *scanner) ipv4(b []byte) {
	if len(b) < ipMinHeader || b[0]>>4 != 4 {
		return
	}
	n := int(b[0]&15) * 4
	// Frames may be padded. Segmentation offload leaves a length of 0.
	total := int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 {
		total = len(b) + s.uncaptured()
	}
	if n < ipMinHeader || n > total || n > len(b) {
		return
	}
	s.cut = total > len(b)
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

// ipv6 reads an IPv6 header and the extension headers (RFC 8200).
func (s *scanner) ipv6(b []byte) {
	if len(b) < ipv6Header || b[0]>>4 != 6 {
		return
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length == 0 { // segmentation offload, or a jumbogram
		length = len(b) - ipv6Header + s.uncaptured()
	}
	next, addrs := b[6], b[8:40]
	b = b[ipv6Header:]
	s.cut = length > len(b)
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
			if fragment&^6 != 0 { // otherwise it is the only fragment (RFC 6946)
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

// transport reads the payload of an IP packet. addrs is the source address
// followed by the destination address.
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

// ipTunnel reads a protocol that carries packets of another, or an extension
// header after an authentication header.
func (s *scanner) ipTunnel(protocol uint8, addrs, b []byte) {
	if !s.enterLayer() {
		return
	}
	switch protocol {
	case ipAH: // RFC 4302, section 2
		if len(b) >= 12 {
			n := int(b[1])*4 + 8
			if n <= len(b) {
				s.addLayer(LayerAH, 0)
				s.transport(b[0], addrs, b[n:])
			}
		}
		return
	case ipHopByHop, ipRouting, ipDest:
		if len(b) >= 8 && int(b[1])*8+8 <= len(b) {
			s.transport(b[0], addrs, b[int(b[1])*8+8:])
		}
		return
	}
	for i := range s.ipProtocols {
		if row := &s.ipProtocols[i]; row.number == protocol {
			s.addrs, s.ports, s.macs = addrs, 0, nil
			row.read(s, b)
			return
		}
	}
	s.countUnknownProtocol(Protocol(protocol))
}

// ipv4InIP reads an IPv4 packet inside an IP packet.
func (s *scanner) ipv4InIP(b []byte) {
	s.addLayer(LayerIPv4, 0)
	s.ipv4(b)
}

// ipv6InIP reads an IPv6 packet inside an IP packet.
func (s *scanner) ipv6InIP(b []byte) {
	s.addLayer(LayerIPv6, 0)
	s.ipv6(b)
}

// etherIP reads an EtherIP header (RFC 3378).
func (s *scanner) etherIP(b []byte) {
	if len(b) > 2 && b[0]>>4 == 3 {
		s.addLayer(LayerEtherIP, 0)
		s.ethernet(b[2:])
	}
}
