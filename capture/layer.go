package capture

import "strconv"

// A Layer is one of the wrappings that a hello came in, and the number that
// tells it from others of its kind.
type Layer struct {
	Kind LayerKind
	ID   uint32 // VLAN, MPLS label, VXLAN or Geneve network, GTP-U tunnel, GRE key, session, EAP type; 0 if none
}

// String returns the kind, and the number if there is one: "vlan 100".
func (l Layer) String() string {
	if l.ID == 0 {
		return l.Kind.String()
	}
	return l.Kind.String() + " " + strconv.FormatUint(uint64(l.ID), 10)
}

// A LayerKind is a protocol that carries packets of another.
type LayerKind uint8

// What a hello may be wrapped in, between link layer and TCP or UDP. A plain
// packet, with one IP header right upon its link layer, has none of them.
const (
	LayerVLAN LayerKind = iota + 1
	LayerMPLS
	LayerPBB
	LayerPPPoE
	LayerPPP
	LayerCMD
	LayerTag
	LayerNSH
	LayerMACsec
	LayerEthernet
	Layer80211
	LayerIPv4
	LayerIPv6
	LayerFragments
	LayerAH
	LayerGRE
	LayerERSPAN
	LayerEtherIP
	LayerVXLAN
	LayerGeneve
	LayerGTPU
	LayerL2TP
	LayerTeredo
	LayerCAPWAP
	LayerTZSP
	LayerLISP
	LayerSTUN
	LayerOpenVPN
	LayerEAP // in RADIUS; its ID is the EAP type
)

// String returns the name of the kind, in small letters.
func (k LayerKind) String() string {
	switch k {
	case LayerVLAN:
		return "vlan"
	case LayerMPLS:
		return "mpls"
	case LayerPBB:
		return "pbb"
	case LayerPPPoE:
		return "pppoe"
	case LayerPPP:
		return "ppp"
	case LayerCMD:
		return "cmd"
	case LayerTag:
		return "tag"
	case LayerNSH:
		return "nsh"
	case LayerMACsec:
		return "macsec"
	case LayerEthernet:
		return "ethernet"
	case Layer80211:
		return "802.11"
	case LayerIPv4:
		return "ipv4"
	case LayerIPv6:
		return "ipv6"
	case LayerFragments:
		return "fragments"
	case LayerAH:
		return "ah"
	case LayerGRE:
		return "gre"
	case LayerERSPAN:
		return "erspan"
	case LayerEtherIP:
		return "etherip"
	case LayerVXLAN:
		return "vxlan"
	case LayerGeneve:
		return "geneve"
	case LayerGTPU:
		return "gtpu"
	case LayerL2TP:
		return "l2tp"
	case LayerTeredo:
		return "teredo"
	case LayerCAPWAP:
		return "capwap"
	case LayerTZSP:
		return "tzsp"
	case LayerLISP:
		return "lisp"
	case LayerSTUN:
		return "stun"
	case LayerOpenVPN:
		return "openvpn"
	case LayerEAP:
		return "eap"
	}
	return "layer " + strconv.Itoa(int(k))
}
