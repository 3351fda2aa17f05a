package capture

import "fmt"

// A Protocol says what an IP packet carries. The numbers are those of IANA's
// registry of Assigned Internet Protocol Numbers.
type Protocol uint8

// Protocols that have no payload, or none that ever carries a hello.
const (
	ipICMP   = 1
	ipIGMP   = 2
	ipICMPv6 = 58
	ipNoNext = 59
	ipPIM    = 103
	ipVRRP   = 112
)

// isQuiet reports whether packets of the protocol are not worth a note.
func (p Protocol) isQuiet() bool {
	switch p {
	case ipICMP, ipIGMP, ipICMPv6, ipNoNext, ipPIM, ipVRRP:
		return true
	}
	return false
}

// String returns the number of the protocol and its name, if it is well known:
// "50 (ESP)".
func (p Protocol) String() string {
	if name := p.name(); name != "" {
		return fmt.Sprintf("%d (%s)", uint8(p), name)
	}
	return fmt.Sprintf("%d", uint8(p))
}

// name returns the keyword of a protocol that is not read, or "".
func (p Protocol) name() string {
	switch p {
	case ipICMP:
		return "ICMP"
	case ipIGMP:
		return "IGMP"
	case 8:
		return "EGP"
	case 9:
		return "IGP"
	case 33:
		return "DCCP"
	case 46:
		return "RSVP"
	case 50:
		return "ESP"
	case 55:
		return "MOBILE"
	case ipICMPv6:
		return "IPv6-ICMP"
	case ipNoNext:
		return "IPv6-NoNxt"
	case 88:
		return "EIGRP"
	case 89:
		return "OSPF"
	case 94:
		return "IPIP"
	case 98:
		return "ENCAP"
	case ipPIM:
		return "PIM"
	case 108:
		return "IPComp"
	case ipVRRP:
		return "VRRP"
	case 113:
		return "PGM"
	case 124:
		return "ISIS over IPv4"
	case 132:
		return "SCTP"
	case 133:
		return "FC"
	case 134:
		return "RSVP-E2E-IGNORE"
	case 138:
		return "manet"
	case 141:
		return "WESP"
	case 142:
		return "ROHC"
	case 143:
		return "Ethernet"
	case 253, 254:
		return "experimental"
	}
	return ""
}
