package capture

import (
	"encoding/binary"
	"slices"
)

// EtherTypes of the IEEE's registry that code refers to.
const (
	etherIPv4   = 0x0800
	etherVLAN   = 0x8100 // IEEE 802.1Q
	etherIPv6   = 0x86dd
	etherPPP    = 0x880b // in GRE of version 1
	etherWCCP   = 0x883e // in GRE
	etherMPLS   = 0x8847
	etherPPPoE  = 0x8864
	etherEAPOL  = 0x888e // IEEE 802.1X
	etherQinQ   = 0x88a8 // IEEE 802.1ad
	etherERSPAN = 0x88be
)

// An etherRow is what is known of an EtherType.
type etherRow struct {
	number uint16
	read   layerReader // nil if what it carries has no hellos
}

// etherTypes is sorted by number. It has all EtherTypes that are read but those
// that etherType reads itself: IP and the usual VLAN tags. Names of others are in
// etherNames.
var etherTypes = []etherRow{
	{0x0806, nil},                      // ARP
	{0x22eb, (*scanner).erspan3},       // ERSPAN type III
	{0x6558, (*scanner).bridged},       // transparent Ethernet bridging (RFC 1701)
	{etherMPLS, (*scanner).mpls},       // RFC 3032
	{0x8848, (*scanner).mpls},          // MPLS, upstream-assigned label (RFC 5332)
	{etherPPPoE, (*scanner).pppoe},     // RFC 2516
	{etherEAPOL, (*scanner).eapol},     // IEEE 802.1X
	{etherERSPAN, (*scanner).erspan2},  // ERSPAN type II
	{0x88c7, (*scanner).eapol},         // preauthentication (IEEE 802.11)
	{0x88e5, (*scanner).macsec},        // IEEE 802.1AE
	{0x88e7, (*scanner).pbb},           // IEEE 802.1ah
	{0x8909, (*scanner).ciscoMetadata}, // security group tag of TrustSec
	{0x8926, (*scanner).tag4},          // VN-Tag
	{0x892f, (*scanner).tag4},          // HSR (IEC 62439-3)
	{0x893f, (*scanner).tag6},          // E-TAG (IEEE 802.1BR)
	{0x894f, (*scanner).nsh},           // RFC 8300
	{0x9100, (*scanner).oldVLAN},       // VLAN tags from before 802.1ad
	{0x9200, (*scanner).oldVLAN},
	{0x9300, (*scanner).oldVLAN},
}

// rowOfEtherType returns the row of an EtherType in a sorted table, or nil.
func rowOfEtherType(rows []etherRow, t uint16) *etherRow {
	i, found := slices.BinarySearchFunc(rows, t, func(r etherRow, t uint16) int { return int(r.number) - int(t) })
	if !found {
		return nil
	}
	return &rows[i]
}

// ethernet reads an Ethernet frame from its destination address on.
func (s *scanner) ethernet(b []byte) {
	if len(b) >= 12 {
		s.macs = b[:12]
	}
	s.etherTypeAt(b, 12)
}

// etherTypeAt reads what follows the EtherType at offset n of b.
func (s *scanner) etherTypeAt(b []byte, n int) {
	if n+2 <= len(b) {
		s.etherType(binary.BigEndian.Uint16(b[n:]), b[n+2:])
	}
}

// etherType reads b, which is of EtherType t.
func (s *scanner) etherType(t uint16, b []byte) {
	for t == etherVLAN || t == etherQinQ {
		if len(b) < 4 || !s.enterLayer() {
			return
		}
		s.addLayer(LayerVLAN, uint32(binary.BigEndian.Uint16(b)&0xfff))
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

// otherEtherType is etherType for all but IP and the usual VLAN tags.
func (s *scanner) otherEtherType(t uint16, b []byte) {
	const maxLength = 1500 // of IEEE 802.3, where the field is a length
	if !s.enterLayer() {
		return
	}
	if t <= maxLength {
		s.llc(b)
		return
	}
	switch row := rowOfEtherType(s.etherTypes, t); {
	case row == nil:
		s.countUnknownEtherType(EtherType(t))
	case row.read != nil:
		row.read(s, b)
	}
}

// llc reads an IEEE 802.2 header. Only one with SNAP has an EtherType.
func (s *scanner) llc(b []byte) {
	if isSNAP(b) {
		s.etherTypeAt(b, 6)
	}
}

// isSNAP reports whether b begins with an IEEE 802.2 header with SNAP.
func isSNAP(b []byte) bool { return len(b) >= 8 && b[0] == 0xaa && b[1] == 0xaa && b[2] == 3 }

// oldVLAN reads a VLAN tag with one of the EtherTypes from before IEEE 802.1ad.
func (s *scanner) oldVLAN(b []byte) {
	if len(b) >= 4 {
		s.addLayer(LayerVLAN, uint32(binary.BigEndian.Uint16(b)&0xfff))
		s.etherTypeAt(b, 2)
	}
}

// pbb reads a service tag of provider backbone bridges (IEEE 802.1ah).
func (s *scanner) pbb(b []byte) {
	if len(b) >= 4 {
		s.addLayer(LayerPBB, binary.BigEndian.Uint32(b)&0xffffff)
		s.ethernet(b[4:])
	}
}

// bridged reads an Ethernet frame inside another protocol.
func (s *scanner) bridged(b []byte) {
	s.addLayer(LayerEthernet, 0)
	s.ethernet(b)
}

// ciscoMetadata reads Cisco's metadata header.
func (s *scanner) ciscoMetadata(b []byte) {
	s.addLayer(LayerCMD, 0)
	s.etherTypeAt(b, 6)
}

// tag4 reads a tag of 4 bytes.
func (s *scanner) tag4(b []byte) {
	s.addLayer(LayerTag, 0)
	s.etherTypeAt(b, 4)
}

// tag6 reads a tag of 6 bytes.
func (s *scanner) tag6(b []byte) {
	s.addLayer(LayerTag, 0)
	s.etherTypeAt(b, 6)
}

// macsec reads the security tag of a frame that is not encrypted (IEEE 802.1AE,
// section 9.3).
func (s *scanner) macsec(b []byte) {
	const hasSCI, encrypted, changed = 0x20, 8, 4
	if len(b) < 6 {
		return
	}
	if b[0]&(encrypted|changed) != 0 {
		s.stats.Encrypted++
		return
	}
	n := 6
	if b[0]&hasSCI != 0 {
		n += 8
	}
	s.addLayer(LayerMACsec, 0)
	s.etherTypeAt(b, n)
}

// looksLikeEthernet reports whether b begins with an Ethernet frame that carries
// IP, a VLAN tag, MPLS or PPPoE.
func looksLikeEthernet(b []byte) bool {
	if len(b) < 14 {
		return false
	}
	switch t := binary.BigEndian.Uint16(b[12:]); t {
	case etherIPv4, etherIPv6, etherVLAN, etherQinQ, etherMPLS, etherPPPoE:
		return true
	}
	return false
}
