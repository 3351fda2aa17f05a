package capture

import "encoding/binary"

// A LinkType says how the packets of an interface begin. The numbers are those
// of https://www.tcpdump.org/linktypes.html.
type LinkType uint16

// The link types that can be read.
const (
	linkNull       LinkType = 0
	linkEthernet   LinkType = 1
	linkPPP        LinkType = 9
	linkRawBSD     LinkType = 12 // DLT_RAW, but for OpenBSD's
	linkRawOpenBSD LinkType = 14
	linkPPPHDLC    LinkType = 50
	linkPPPoE      LinkType = 51
	linkRaw        LinkType = 101
	linkCiscoHDLC  LinkType = 104
	link80211      LinkType = 105
	linkFrame      LinkType = 107
	linkLoop       LinkType = 108
	linkENC        LinkType = 109
	linkSLL        LinkType = 113
	linkPFLog      LinkType = 117
	linkPrism      LinkType = 119
	linkRadiotap   LinkType = 127
	linkFireWire   LinkType = 138
	linkAVS        LinkType = 163
	linkPPI        LinkType = 192
	linkPPPDir     LinkType = 204
	linkIPv4       LinkType = 228
	linkIPv6       LinkType = 229
	linkNFLog      LinkType = 239
	linkPKTAP      LinkType = 258
	linkSLL2       LinkType = 276
)

// link takes off the link layer of a packet.
func (s *scanner) link(t LinkType, b []byte) {
	switch t {
	case linkEthernet:
		s.ethernet(b)
	case linkRaw, linkRawBSD, linkRawOpenBSD, linkIPv4, linkIPv6:
		s.ip(b)
	case linkNull, linkLoop:
		s.after(b, 4, s.ip) // the address family, in either byte order, and of many systems
	case linkSLL:
		s.etherTypeAt(b, 14)
	case linkSLL2:
		if len(b) >= 20 {
			s.etherType(binary.BigEndian.Uint16(b), b[20:])
		}
	case linkPPP:
		s.ppp(b)
	case linkPPPDir:
		s.after(b, 1, s.ppp)
	case linkPPPHDLC, linkCiscoHDLC:
		s.hdlc(b)
	case linkPPPoE:
		s.pppoe(b)
	case linkFrame:
		s.frameRelay(b)
	case link80211:
		s.ieee80211(b)
	case linkRadiotap:
		if len(b) >= 4 {
			s.after(b, int(binary.LittleEndian.Uint16(b[2:])), s.ieee80211)
		}
	case linkPPI:
		s.ppi(b)
	case linkPrism, linkAVS:
		s.prism(b)
	case linkENC:
		s.after(b, 12, s.ip)
	case linkPFLog:
		if len(b) > 0 {
			s.after(b, (int(b[0])+3)&^3, s.ip)
		}
	case linkNFLog:
		s.nflog(b)
	case linkFireWire:
		s.etherTypeAt(b, 16)
	case linkPKTAP:
		s.pktap(b)
	default:
		s.unknownLink(t)
	}
}

// unknownLink counts a packet of a link type that cannot be read.
func (s *scanner) unknownLink(t LinkType) {
	s.stats.Unknown++
	if s.stats.UnknownLinks == nil {
		s.stats.UnknownLinks = make(map[LinkType]int64)
	}
	s.stats.UnknownLinks[t]++
}

// after goes on with what follows n bytes of header.
func (s *scanner) after(b []byte, n int, next func([]byte)) {
	if n < len(b) {
		next(b[n:])
	}
}

// ethernet reads an Ethernet frame, from its destination address on.
func (s *scanner) ethernet(b []byte) { s.etherTypeAt(b, 12) }

// etherTypeAt goes on with the EtherType, or length, at offset n.
func (s *scanner) etherTypeAt(b []byte, n int) {
	if n+2 <= len(b) {
		s.etherType(binary.BigEndian.Uint16(b[n:]), b[n+2:])
	}
}

// etherType goes on with b, which is what the EtherType t says.
func (s *scanner) etherType(t uint16, b []byte) {
	for t == etherVLAN || t == etherQinQ {
		if len(b) < 4 || !s.deeper() {
			return
		}
		s.wrap(LayerVLAN, uint32(binary.BigEndian.Uint16(b)&0xfff))
		t, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	switch t {
	case etherIPv4:
		s.ipv4(b)
	case etherIPv6:
		s.ipv6(b)
	default:
		s.otherEtherType(t, b)
	}
}

// EtherTypes of the IEEE's registry, and others.
const (
	etherIPv4     = 0x0800
	etherARP      = 0x0806
	etherERSPAN3  = 0x22eb
	etherTEB      = 0x6558 // transparent Ethernet bridging (RFC 1701)
	etherVLAN     = 0x8100 // IEEE 802.1Q
	etherIPv6     = 0x86dd
	etherPPP      = 0x880b // in GRE of version 1
	etherWCCP     = 0x883e
	etherMPLS     = 0x8847 // RFC 5332
	etherMPLSMult = 0x8848
	etherPPPoE    = 0x8864 // RFC 2516
	etherQinQ     = 0x88a8 // IEEE 802.1ad
	etherERSPAN   = 0x88be
	etherMACsec   = 0x88e5 // IEEE 802.1AE
	etherPBB      = 0x88e7 // IEEE 802.1ah
	etherCMD      = 0x8909 // Cisco metadata: the security group of TrustSec
	etherVNTag    = 0x8926
	etherHSR      = 0x892f // IEC 62439-3
	etherETag     = 0x893f // IEEE 802.1BR
	etherNSH      = 0x894f // RFC 8300
	etherVLAN9100 = 0x9100 // and 9200, 9300: VLAN tags of before 802.1ad
)

// PPP protocols of IANA's registry.
const (
	pppIPv4     = 0x0021
	pppIPv6     = 0x0057
	pppMPLS     = 0x0281
	pppMPLSMult = 0x0283
)

// otherEtherType goes on with all but IP and the usual VLAN tags.
func (s *scanner) otherEtherType(t uint16, b []byte) {
	if !s.deeper() {
		return
	}
	if t <= 1500 { // IEEE 802.3: a length
		s.llc(b)
		return
	}
	switch t {
	case etherVLAN9100, etherVLAN9100 + 0x100, etherVLAN9100 + 0x200:
		if len(b) >= 4 {
			s.wrap(LayerVLAN, uint32(binary.BigEndian.Uint16(b)&0xfff))
			s.etherTypeAt(b, 2)
		}
	case etherMPLS, etherMPLSMult:
		s.mpls(b)
	case etherPPPoE:
		s.pppoe(b)
	case etherPBB:
		if len(b) >= 4 {
			s.wrap(LayerPBB, binary.BigEndian.Uint32(b)&0xffffff)
			s.ethernet(b[4:])
		}
	case etherTEB:
		s.wrap(LayerEthernet, 0)
		s.ethernet(b)
	case etherCMD:
		s.wrap(LayerCMD, 0)
		s.etherTypeAt(b, 6)
	case etherVNTag, etherHSR:
		s.wrap(LayerTag, 0)
		s.etherTypeAt(b, 4)
	case etherETag:
		s.wrap(LayerTag, 0)
		s.etherTypeAt(b, 6)
	case etherNSH:
		s.nsh(b)
	case etherMACsec:
		s.macsec(b)
	case etherERSPAN:
		s.erspan2(b)
	case etherERSPAN3:
		s.erspan3(b)
	case etherARP:
	default:
		s.stats.Unknown++
	}
}

// llc reads an IEEE 802.2 header: only with SNAP it has an EtherType.
func (s *scanner) llc(b []byte) {
	if isSNAP(b) {
		s.etherTypeAt(b, 6)
	}
}

// isSNAP reports whether b begins with an IEEE 802.2 header that has SNAP.
func isSNAP(b []byte) bool { return len(b) >= 8 && b[0] == 0xaa && b[1] == 0xaa && b[2] == 3 }

// pppoe reads a PPPoE session header (RFC 2516, section 4).
func (s *scanner) pppoe(b []byte) {
	if len(b) > 6 && b[0] == 0x11 && b[1] == 0 {
		s.wrap(LayerPPPoE, uint32(binary.BigEndian.Uint16(b[2:])))
		s.ppp(b[6:])
	}
}

// ppp reads a PPP frame, with its HDLC header or without (RFC 1661, section 2;
// RFC 1662, section 3.1). Its protocol may be compressed to one byte.
func (s *scanner) ppp(b []byte) {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 3 {
		b = b[2:]
	}
	if len(b) < 2 || !s.deeper() {
		return
	}
	protocol := uint16(b[0])
	if b = b[1:]; protocol&1 == 0 {
		protocol = protocol<<8 | uint16(b[0])
		b = b[1:]
	}
	switch protocol {
	case pppIPv4, pppIPv6:
		s.ip(b)
	case pppMPLS, pppMPLSMult:
		s.mpls(b)
	}
}

// hdlc reads a frame of a serial line: PPP, or Cisco's HDLC with an EtherType.
func (s *scanner) hdlc(b []byte) {
	switch {
	case len(b) < 4:
	case b[0] == 0xff && b[1] == 3:
		s.ppp(b)
	case b[0] == 0x0f || b[0] == 0x8f:
		s.etherTypeAt(b, 2)
	}
}

// frameRelay reads a frame with a two-byte address (RFC 2427), or Cisco's.
func (s *scanner) frameRelay(b []byte) {
	if len(b) < 5 {
		return
	}
	switch {
	case b[2] == 3 && b[3] == 0xcc, b[2] == 3 && b[3] == 0x8e:
		s.ip(b[4:])
	case b[2] == 3 && b[3] == 0 && b[4] == 0x80:
		s.etherTypeAt(b, 8)
	default:
		s.etherTypeAt(b, 2)
	}
}

// nflog reads a packet of Linux's NFLOG: values with type and length, in the
// byte order of the host that captured, of which one holds the IP packet.
func (s *scanner) nflog(b []byte) {
	const payload = 9
	if len(b) < 4 {
		return
	}
	for b = b[4:]; len(b) >= 4; {
		order := binary.ByteOrder(binary.LittleEndian)
		if b[2] == 0 && b[3] != 0 { // no type is above 255
			order = binary.BigEndian
		}
		n := int(order.Uint16(b))
		if n < 4 || n > len(b) {
			return
		}
		if order.Uint16(b[2:]) == payload {
			s.ip(b[4:n])
			return
		}
		b = b[min((n+3)&^3, len(b)):]
	}
}

// pktap reads a packet of macOS's PKTAP, which has its own link type within.
func (s *scanner) pktap(b []byte) {
	if len(b) < 12 || !s.deeper() {
		return
	}
	n := binary.LittleEndian.Uint32(b)
	if t := binary.LittleEndian.Uint32(b[8:]); n >= 12 && n < uint32(len(b)) && t <= 0xffff {
		s.link(LinkType(t), b[n:])
	}
}
