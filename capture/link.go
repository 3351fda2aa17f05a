package capture

import "encoding/binary"

// A layerReader reads the header that b begins with, and goes on with what it
// carries.
//
// Readers find each other in tables: linkTypes, etherTypes, ipProtocols and
// udpProtocols. They use the copies in the scanner, because the initial value of
// a variable must not refer to the variable.
type layerReader func(s *scanner, b []byte)

// link reads b, which begins as packets of link type t do.
func (s *scanner) link(t LinkType, b []byte) {
	row := s.linkRow // of the packet before: few captures have more than one link type
	if row == nil || row.number != t {
		row = rowOfLink(s.linkTypes, t)
		s.linkRow = row
	}
	if row == nil || row.read == nil {
		s.countUnknownLink(t)
		return
	}
	row.read(s, b)
}

// after reads what follows the first n bytes of b.
func (s *scanner) after(b []byte, n int, read layerReader) {
	if n < len(b) {
		read(s, b[n:])
	}
}

// afterAddressFamily reads an IP packet after the address family of a BSD
// loopback interface. The family is ignored: its number and its byte order depend
// on the system.
func (s *scanner) afterAddressFamily(b []byte) { s.after(b, 4, (*scanner).ip) }

// enc reads a packet of OpenBSD's enc interface.
func (s *scanner) enc(b []byte) { s.after(b, 12, (*scanner).ip) }

// linuxSLL reads a Linux cooked packet.
func (s *scanner) linuxSLL(b []byte) {
	if len(b) >= 14 && b[4] == 0 && b[5] == 6 { // length of the address of the sender
		s.setMACs(nil, b[6:12])
	}
	s.etherTypeAt(b, 14)
}

// linuxSLL2 reads a Linux cooked packet of version 2.
func (s *scanner) linuxSLL2(b []byte) {
	const headerLen = 20
	if len(b) >= headerLen {
		if b[11] == 6 {
			s.setMACs(nil, b[12:18])
		}
		s.etherType(binary.BigEndian.Uint16(b), b[headerLen:])
	}
}

// fireWire reads an IP-over-1394 packet of Apple's systems.
func (s *scanner) fireWire(b []byte) { s.etherTypeAt(b, 16) }

// pflog reads a packet of OpenBSD's packet filter log.
func (s *scanner) pflog(b []byte) {
	if len(b) > 0 {
		s.after(b, (int(b[0])+3)&^3, (*scanner).ip)
	}
}

// nflog reads a packet of Linux's netfilter log: a header and a list of values
// with length and type, in the byte order of the capturing host. One of them is
// the IP packet.
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

// pktap reads a packet of macOS's packet tap, whose header has the link type of
// what follows.
func (s *scanner) pktap(b []byte) {
	if len(b) < 12 || !s.enterLayer() {
		return
	}
	n := binary.LittleEndian.Uint32(b)
	if t := binary.LittleEndian.Uint32(b[8:]); n >= 12 && n < uint32(len(b)) && t <= 0xffff {
		s.link(LinkType(t), b[n:])
	}
}

// ppi reads a packet with per-packet information, whose header has the link type
// of what follows.
func (s *scanner) ppi(b []byte) {
	if len(b) < 8 || !s.enterLayer() {
		return
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if t := binary.LittleEndian.Uint32(b[4:]); n >= 8 && n < len(b) && t <= 0xffff {
		s.link(LinkType(t), b[n:])
	}
}
