package capture

import "strconv"

// A Layer is one encapsulation between the link layer and the hello, such as a VLAN
// tag, a tunnel, or a protocol over TCP or UDP that carries TLS.
type Layer struct {
	Kind LayerKind // the protocol

	// ID tells layers of the same kind apart: a VLAN id, an MPLS label, a VXLAN or
	// Geneve network, a GTP-U tunnel, a GRE key, a session, a TURN channel, an EAP
	// type or an SCTP stream. It is 0 if the layer has none.
	ID uint32
}

// String returns the name of the kind, followed by the ID if there is one:
// "vlan 100".
func (l Layer) String() string {
	if l.ID == 0 {
		return l.Kind.String()
	}
	return l.Kind.String() + " " + strconv.FormatUint(uint64(l.ID), 10)
}

// A LayerKind is a protocol that carries packets or messages of another.
type LayerKind uint8

// The encapsulations that are read. A packet with one IP header directly on its
// link layer has none of them.
const (
	LayerVLAN      LayerKind = iota + 1 // IEEE 802.1Q and 802.1ad; the ID is the VLAN
	LayerMPLS                           // RFC 3032; the ID is the label
	LayerPBB                            // IEEE 802.1ah, MAC-in-MAC; the ID is the I-SID
	LayerPPPoE                          // RFC 2516; the ID is the session
	LayerCMD                            // Cisco metadata, the security group tag of TrustSec
	LayerTag                            // other Ethernet tags: VN-Tag, IEEE 802.1BR E-TAG, HSR
	LayerNSH                            // RFC 8300; the ID is the service path
	LayerMACsec                         // IEEE 802.1AE without encryption
	LayerEthernet                       // a bridged Ethernet frame
	Layer80211                          // IEEE 802.11
	LayerIPv4                           // IPv4 in IP (RFC 2003)
	LayerIPv6                           // IPv6 in IP (RFC 2473, RFC 4213)
	LayerFragments                      // IP fragments, reassembled
	LayerAH                             // IP authentication header (RFC 4302)
	LayerGRE                            // RFC 2784, also over UDP (RFC 8086); the ID is the key
	LayerERSPAN                         // Cisco's mirrored frames; the ID is the session
	LayerEtherIP                        // RFC 3378
	LayerVXLAN                          // RFC 7348 and VXLAN-GPE; the ID is the network
	LayerGeneve                         // RFC 8926; the ID is the network
	LayerGTPU                           // 3GPP TS 29.281; the ID is the tunnel endpoint
	LayerL2TP                           // RFC 2661 and RFC 3931; the ID is the session
	LayerTeredo                         // RFC 4380
	LayerCAPWAP                         // RFC 5415
	LayerTZSP                           // TaZmen Sniffer Protocol
	LayerLISP                           // RFC 9300
	LayerSTUN                           // data relayed by TURN (RFC 8656); the ID is the channel
	LayerOpenVPN                        // control channel of OpenVPN
	LayerEAP                            // EAP in RADIUS (RFC 3579), IEEE 802.1X and PPP; the ID is the EAP type
	LayerSCTP                           // RFC 9260; the ID is the stream
	LayerTDS                            // PRELOGIN packets of SQL Server (MS-TDS)
	LayerRFC4571                        // datagrams in TCP with their lengths (RFC 4571), as of ICE

	numLayerKinds = iota
)

var layerNames = [numLayerKinds + 1]string{
	LayerVLAN:      "vlan",
	LayerMPLS:      "mpls",
	LayerPBB:       "pbb",
	LayerPPPoE:     "pppoe",
	LayerCMD:       "cmd",
	LayerTag:       "tag",
	LayerNSH:       "nsh",
	LayerMACsec:    "macsec",
	LayerEthernet:  "ethernet",
	Layer80211:     "802.11",
	LayerIPv4:      "ipv4",
	LayerIPv6:      "ipv6",
	LayerFragments: "fragments",
	LayerAH:        "ah",
	LayerGRE:       "gre",
	LayerERSPAN:    "erspan",
	LayerEtherIP:   "etherip",
	LayerVXLAN:     "vxlan",
	LayerGeneve:    "geneve",
	LayerGTPU:      "gtpu",
	LayerL2TP:      "l2tp",
	LayerTeredo:    "teredo",
	LayerCAPWAP:    "capwap",
	LayerTZSP:      "tzsp",
	LayerLISP:      "lisp",
	LayerSTUN:      "stun",
	LayerOpenVPN:   "openvpn",
	LayerEAP:       "eap",
	LayerSCTP:      "sctp",
	LayerTDS:       "tds",
	LayerRFC4571:   "rfc4571",
}

// String returns the name of the kind in lower case.
func (k LayerKind) String() string {
	if int(k) < len(layerNames) && layerNames[k] != "" {
		return layerNames[k]
	}
	return "layer " + strconv.Itoa(int(k))
}
