package capture

import (
	"slices"
	"strconv"
)

// A LinkType says what the packets of an interface begin with. The numbers are
// those of https://www.tcpdump.org/linktypes.html.
type LinkType uint16

// The link types that can be read.
const (
	LinkNull       LinkType = 0   // BSD loopback: address family in host byte order
	LinkEthernet   LinkType = 1   // IEEE 802.3 Ethernet
	LinkPPP        LinkType = 9   // PPP, with or without an HDLC header
	LinkRawBSD     LinkType = 12  // IP; DLT_RAW of most systems
	LinkRawOpenBSD LinkType = 14  // IP; DLT_RAW of OpenBSD
	LinkPPPHDLC    LinkType = 50  // PPP or Cisco HDLC on a serial line
	LinkPPPoE      LinkType = 51  // PPPoE session
	LinkRaw        LinkType = 101 // IP
	LinkCiscoHDLC  LinkType = 104 // Cisco HDLC or PPP on a serial line
	Link80211      LinkType = 105 // IEEE 802.11
	LinkFrameRelay LinkType = 107 // frame relay
	LinkLoop       LinkType = 108 // OpenBSD loopback: address family in network byte order
	LinkENC        LinkType = 109 // OpenBSD IPsec encapsulation
	LinkLinuxSLL   LinkType = 113 // Linux cooked capture, as of tcpdump -i any
	LinkPFLog      LinkType = 117 // OpenBSD packet filter log
	LinkPrism      LinkType = 119 // IEEE 802.11 with a Prism header
	LinkRadiotap   LinkType = 127 // IEEE 802.11 with a radiotap header
	LinkFireWire   LinkType = 138 // IP over IEEE 1394 on Apple's systems
	LinkAVS        LinkType = 163 // IEEE 802.11 with an AVS header
	LinkPPI        LinkType = 192 // per-packet information, then another link type
	LinkPPPWithDir LinkType = 204 // PPP with a direction byte
	LinkIPv4       LinkType = 228 // IPv4
	LinkIPv6       LinkType = 229 // IPv6
	LinkNFLog      LinkType = 239 // Linux netfilter log
	LinkSCTP       LinkType = 248 // SCTP, without IP
	LinkPKTAP      LinkType = 258 // macOS packet tap, then another link type
	LinkLinuxSLL2  LinkType = 276 // Linux cooked capture v2
)

// A linkRow is what is known of a link type.
type linkRow struct {
	number LinkType
	name   string      // in IANA's registry of PCAP-Related LinkTypes, without LINKTYPE_
	read   layerReader // nil if packets of this type cannot be read
}

// linkTypes is sorted by number. To read another link type, add its constant and
// its row here, its reader in a file of its own, and a line in docs/capture.md.
var linkTypes = []linkRow{
	{LinkNull, "NULL", (*scanner).afterAddressFamily},
	{LinkEthernet, "ETHERNET", (*scanner).ethernet},
	{3, "AX25", nil},
	{6, "IEEE802_5", nil},
	{7, "ARCNET_BSD", nil},
	{8, "SLIP", nil},
	{LinkPPP, "PPP", (*scanner).ppp},
	{10, "FDDI", nil},
	{LinkRawBSD, "RAW", (*scanner).ip},
	{LinkRawOpenBSD, "RAW", (*scanner).ip},
	{LinkPPPHDLC, "PPP_HDLC", (*scanner).hdlc},
	{LinkPPPoE, "PPP_ETHER", (*scanner).pppoe},
	{100, "ATM_RFC1483", nil},
	{LinkRaw, "RAW", (*scanner).ip},
	{LinkCiscoHDLC, "C_HDLC", (*scanner).hdlc},
	{Link80211, "IEEE802_11", (*scanner).ieee80211},
	{LinkFrameRelay, "FRELAY", (*scanner).frameRelay},
	{LinkLoop, "LOOP", (*scanner).afterAddressFamily},
	{LinkENC, "ENC", (*scanner).enc},
	{LinkLinuxSLL, "LINUX_SLL", (*scanner).linuxSLL},
	{114, "LTALK", nil},
	{LinkPFLog, "PFLOG", (*scanner).pflog},
	{LinkPrism, "IEEE802_11_PRISM", (*scanner).prism},
	{122, "IP_OVER_FC", nil},
	{123, "SUNATM", nil},
	{LinkRadiotap, "IEEE802_11_RADIOTAP", (*scanner).radiotap},
	{129, "ARCNET_LINUX", nil},
	{LinkFireWire, "APPLE_IP_OVER_IEEE1394", (*scanner).fireWire},
	{139, "MTP2_WITH_PHDR", nil},
	{140, "MTP2", nil},
	{141, "MTP3", nil},
	{142, "SCCP", nil},
	{143, "DOCSIS", nil},
	{144, "LINUX_IRDA", nil},
	{LinkAVS, "IEEE802_11_AVS", (*scanner).prism},
	{165, "BACNET_MS_TP", nil},
	{166, "PPP_PPPD", nil},
	{169, "GPRS_LLC", nil},
	{177, "LINUX_LAPD", nil},
	{187, "BLUETOOTH_HCI_H4", nil},
	{189, "USB_LINUX", nil},
	{LinkPPI, "PPI", (*scanner).ppi},
	{195, "IEEE802_15_4_WITHFCS", nil},
	{197, "ERF", nil},
	{201, "BLUETOOTH_HCI_H4_WITH_PHDR", nil},
	{202, "AX25_KISS", nil},
	{203, "LAPD", nil},
	{LinkPPPWithDir, "PPP_WITH_DIR", (*scanner).pppWithDirection},
	{205, "C_HDLC_WITH_DIR", nil},
	{206, "FRELAY_WITH_DIR", nil},
	{209, "IPMB_LINUX", nil},
	{212, "LIN", nil},
	{215, "IEEE802_15_4_NONASK_PHY", nil},
	{219, "MPLS", nil},
	{220, "USB_LINUX_MMAPPED", nil},
	{224, "FC_2", nil},
	{225, "FC_2_WITH_FRAME_DELIMS", nil},
	{226, "IPNET", nil},
	{227, "CAN_SOCKETCAN", nil},
	{LinkIPv4, "IPV4", (*scanner).ip},
	{LinkIPv6, "IPV6", (*scanner).ip},
	{230, "IEEE802_15_4_NOFCS", nil},
	{231, "DBUS", nil},
	{LinkNFLog, "NFLOG", (*scanner).nflog},
	{240, "NETANALYZER", nil},
	{241, "NETANALYZER_TRANSPARENT", nil},
	{242, "IPOIB", nil},
	{245, "NFC_LLCP", nil},
	{247, "INFINIBAND", nil},
	{LinkSCTP, "SCTP", (*scanner).linkSCTP},
	{249, "USBPCAP", nil},
	{251, "BLUETOOTH_LE_LL", nil},
	{252, "WIRESHARK_UPPER_PDU", nil},
	{253, "NETLINK", nil},
	{254, "BLUETOOTH_LINUX_MONITOR", nil},
	{256, "BLUETOOTH_LE_LL_WITH_PHDR", nil},
	{LinkPKTAP, "PKTAP", (*scanner).pktap},
	{259, "EPON", nil},
	{266, "USB_DARWIN", nil},
	{270, "LORATAP", nil},
	{271, "VSOCK", nil},
	{272, "NORDIC_BLE", nil},
	{LinkLinuxSLL2, "LINUX_SLL2", (*scanner).linuxSLL2},
	{283, "IEEE802_15_4_TAP", nil},
	{288, "USB_2_0", nil},
}

// rowOfLink returns the row of a link type in a sorted table, or nil.
func rowOfLink(rows []linkRow, t LinkType) *linkRow {
	i, found := slices.BinarySearchFunc(rows, t, func(r linkRow, t LinkType) int { return int(r.number) - int(t) })
	if !found {
		return nil
	}
	return &rows[i]
}

// String returns the number of the link type and its name in IANA's registry of
// PCAP-Related LinkTypes, without "LINKTYPE_": "220 (USB_LINUX_MMAPPED)". Of rare
// types it returns the number alone.
func (t LinkType) String() string {
	const user0, user15 = 147, 162 // private use
	number := strconv.Itoa(int(t))
	if t >= user0 && t <= user15 {
		return number + " (USER" + strconv.Itoa(int(t-user0)) + ")"
	}
	if row := rowOfLink(linkTypes, t); row != nil {
		return number + " (" + row.name + ")"
	}
	return number
}
