package capture

import "encoding/binary"

// Ports of tunnels over UDP. That a packet comes to one of them is not enough:
// where a tunnel's own header does not make sense the packet is taken as it is.
const (
	portL2TP     = 1701
	portGTPU     = 2152
	portTeredo   = 3544
	portLISP     = 4341
	portGRE      = 4754
	portVXLAN    = 4789
	portVXLANGPE = 4790
	portCAPWAP   = 5247
	portGeneve   = 6081
	portMPLS     = 6635
	portVXLANOld = 8472 // Linux, before the number was assigned
	portTZSP     = 37008
)

// udpTunnel goes on with what a UDP datagram to or from the port carries.
func (s *scanner) udpTunnel(port uint16, b []byte) {
	if len(b) < 8 || !s.deeper() {
		return
	}
	switch port {
	case portVXLAN, portVXLANOld:
		s.vxlan(b)
	case portVXLANGPE:
		s.vxlanGPE(b)
	case portGeneve:
		s.geneve(b)
	case portGTPU:
		s.gtpu(b)
	case portL2TP:
		s.l2tp(b)
	case portTeredo:
		s.teredo(b)
	case portMPLS:
		s.mpls(b)
	case portGRE:
		s.gre(b)
	case portCAPWAP:
		s.capwap(b)
	case portLISP:
		s.wrap(LayerLISP, 0)
		s.ip(b[8:])
	case portTZSP:
		s.tzsp(b)
	}
}

// isTunnel reports whether the port is one of a tunnel.
func isTunnel(port uint16) bool {
	switch port {
	case portL2TP, portGTPU, portTeredo, portLISP, portGRE, portVXLAN, portVXLANGPE, portCAPWAP, portGeneve, portMPLS, portVXLANOld, portTZSP:
		return true
	}
	return false
}

// mpls reads a label stack (RFC 3032, section 2.1). What it carries is not
// said: IP is told by its version, and all else is Ethernet, with the control
// word of a pseudowire (RFC 4385) or without.
func (s *scanner) mpls(b []byte) {
	const bottom = 1 << 8
	for {
		if len(b) < 5 || !s.deeper() {
			return
		}
		word := binary.BigEndian.Uint32(b)
		b = b[4:]
		s.wrap(LayerMPLS, word>>12)
		if word&bottom != 0 {
			break
		}
	}
	switch {
	case looksLikeIP(b):
		s.ip(b)
	case b[0]>>4 == 0 && len(b) > 4 && looksLikeEthernet(b[4:]):
		s.wrap(LayerEthernet, 0)
		s.ethernet(b[4:])
	default:
		s.wrap(LayerEthernet, 0)
		s.ethernet(b)
	}
}

// looksLikeIP reports whether b has the header of an IP packet that fits it.
func looksLikeIP(b []byte) bool {
	switch {
	case len(b) >= ipMinHeader && b[0]>>4 == 4:
		n := int(b[0]&15) * 4
		return n >= ipMinHeader && int(binary.BigEndian.Uint16(b[2:])) >= n
	case len(b) >= 40 && b[0]>>4 == 6:
		return true
	}
	return false
}

// looksLikeEthernet reports whether b is a frame that can be read on.
func looksLikeEthernet(b []byte) bool {
	if len(b) < 14 {
		return false
	}
	switch t := binary.BigEndian.Uint16(b[12:]); t {
	case 0x0800, 0x86dd, 0x8100, 0x88a8, etherMPLS, etherPPPoE:
		return true
	}
	return false
}

// gre reads a GRE header (RFC 2784, RFC 2890), with the routing of RFC 1701,
// or the one of PPTP (RFC 2637, section 4.1).
func (s *scanner) gre(b []byte) {
	if len(b) < 4 {
		return
	}
	const checksum, routing, key, sequence, acknowledgement = 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 7
	flags, protocol := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	n, id := 4, uint32(0)
	if flags&(checksum|routing) != 0 {
		n += 4
	}
	if flags&key != 0 {
		if n+4 > len(b) {
			return
		}
		id = binary.BigEndian.Uint32(b[n:])
		n += 4
	}
	if flags&sequence != 0 {
		n += 4
	}
	if flags&7 == 1 {
		if flags&acknowledgement != 0 {
			n += 4
		}
		if protocol == etherPPP && n < len(b) {
			s.wrap(LayerGRE, id&0xffff) // the other half is a length
			s.ppp(b[n:])
		}
		return
	}
	for flags&routing != 0 { // source routes, up to an empty one
		if n+4 > len(b) {
			return
		}
		length := int(b[n+3])
		n += 4 + length
		if length == 0 {
			break
		}
	}
	if n >= len(b) {
		return
	}
	b = b[n:]
	s.wrap(LayerGRE, id)
	switch {
	case protocol == etherERSPAN && flags&sequence == 0: // type I has no header
		s.wrap(LayerERSPAN, 0)
		s.ethernet(b)
	case protocol == etherWCCP:
		if b[0]>>4 != 4 {
			s.after(b, 4, s.ip)
		} else {
			s.ip(b)
		}
	default:
		s.etherType(protocol, b)
	}
}

// erspan2 reads the header of ERSPAN type II (draft-foschiano-erspan).
func (s *scanner) erspan2(b []byte) {
	if len(b) > 8 {
		s.wrap(LayerERSPAN, uint32(binary.BigEndian.Uint16(b[2:])&0x3ff))
		s.ethernet(b[8:])
	}
}

// erspan3 reads the header of ERSPAN type III, and what it may have more.
func (s *scanner) erspan3(b []byte) {
	if len(b) < 12 {
		return
	}
	const subheader, ipPacket = 1, 2
	n, next := 12, s.ethernet
	if b[11]&subheader != 0 {
		n += 8
	}
	if b[10]>>2&31 == ipPacket {
		next = s.ip
	}
	s.wrap(LayerERSPAN, uint32(binary.BigEndian.Uint16(b[2:])&0x3ff))
	s.after(b, n, next)
}

// vxlan reads a VXLAN header (RFC 7348, section 5).
func (s *scanner) vxlan(b []byte) {
	if b[0]&8 != 0 {
		s.wrap(LayerVXLAN, binary.BigEndian.Uint32(b[4:])>>8)
		s.ethernet(b[8:])
	}
}

// vxlanGPE reads one that says what it carries (draft-ietf-nvo3-vxlan-gpe).
func (s *scanner) vxlanGPE(b []byte) {
	s.wrap(LayerVXLAN, binary.BigEndian.Uint32(b[4:])>>8)
	s.nextProtocol(b[3], b[8:])
}

// nextProtocol goes on with a protocol as VXLAN-GPE and NSH number them.
func (s *scanner) nextProtocol(p uint8, b []byte) {
	switch p {
	case 1, 2:
		s.ip(b)
	case 3:
		s.ethernet(b)
	case 4:
		s.nsh(b)
	case 5:
		s.mpls(b)
	}
}

// nsh reads a network service header (RFC 8300, section 2.2).
func (s *scanner) nsh(b []byte) {
	if len(b) < 8 || !s.deeper() {
		return
	}
	if n := int(b[1]&0x3f) * 4; n >= 8 && n < len(b) {
		s.wrap(LayerNSH, binary.BigEndian.Uint32(b[4:])>>8)
		s.nextProtocol(b[3], b[n:])
	}
}

// geneve reads a Geneve header (RFC 8926, section 3.4).
func (s *scanner) geneve(b []byte) {
	if n := 8 + int(b[0]&0x3f)*4; b[0]>>6 == 0 && n < len(b) {
		s.wrap(LayerGeneve, binary.BigEndian.Uint32(b[4:])>>8)
		s.etherType(binary.BigEndian.Uint16(b[2:]), b[n:])
	}
}

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
		s.wrap(LayerGTPU, binary.BigEndian.Uint32(b[4:]))
		s.ip(b[n:])
	}
}

// l2tp reads an L2TP header over UDP, of version 2 (RFC 2661, section 3.1) or
// of version 3 (RFC 3931, section 4.1.2).
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
		s.wrap(LayerL2TP, uint32(binary.BigEndian.Uint16(b[session:])))
		s.ppp(b[n:])
	}
}

// l2tpv3 reads an L2TPv3 data message from its session on (RFC 3931, section
// 4.1.1). How long the cookie is, and whether a sublayer follows, only the two
// ends know: the first length that leaves a frame holds.
func (s *scanner) l2tpv3(b []byte) {
	if len(b) < 4 || binary.BigEndian.Uint32(b) == 0 { // 0 is control
		return
	}
	for n := 4; n <= 16 && n < len(b); n += 4 {
		if looksLikeEthernet(b[n:]) {
			s.wrap(LayerL2TP, binary.BigEndian.Uint32(b))
			s.ethernet(b[n:])
			return
		}
	}
}

// teredo reads what may stand before the IPv6 packet (RFC 4380, section 5.1.1).
func (s *scanner) teredo(b []byte) {
	if len(b) >= 4 && b[0] == 0 && b[1] == 1 { // authentication
		b = b[min(4+int(b[2])+int(b[3])+9, len(b)):]
	}
	if len(b) >= 8 && b[0] == 0 && b[1] == 0 { // origin indication
		b = b[8:]
	}
	if len(b) >= 40 && b[0]>>4 == 6 {
		s.wrap(LayerTeredo, 0)
		s.ipv6(b)
	}
}

// macsec reads the tag of a frame that is not encrypted (IEEE 802.1AE, section
// 9.3).
func (s *scanner) macsec(b []byte) {
	const hasSCI, encrypted, changed = 0x20, 8, 4
	if len(b) < 6 || b[0]&(encrypted|changed) != 0 {
		return
	}
	n := 6
	if b[0]&hasSCI != 0 {
		n += 8
	}
	s.wrap(LayerMACsec, 0)
	s.etherTypeAt(b, n)
}

// tzsp reads the protocol that sniffing access points send their packets in.
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
			s.wrap(LayerTZSP, 0)
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
