package capture

import "strconv"

// String returns the number of the link type and its name in IANA's registry of
// PCAP-Related LinkTypes, without "LINKTYPE_": "220 (USB_LINUX_MMAPPED)". Of rare
// types it is the number alone.
func (t LinkType) String() string {
	number := strconv.Itoa(int(t))
	if name := t.name(); name != "" {
		return number + " (" + name + ")"
	}
	return number
}

func (t LinkType) name() string {
	const user0, user15 = 147, 162 // private use
	if t >= user0 && t <= user15 {
		return "USER" + strconv.Itoa(int(t-user0))
	}
	switch t {
	case linkNull:
		return "NULL"
	case linkEthernet:
		return "ETHERNET"
	case 3:
		return "AX25"
	case 6:
		return "IEEE802_5"
	case 7:
		return "ARCNET_BSD"
	case 8:
		return "SLIP"
	case linkPPP:
		return "PPP"
	case 10:
		return "FDDI"
	case linkPPPHDLC:
		return "PPP_HDLC"
	case linkPPPoE:
		return "PPP_ETHER"
	case 100:
		return "ATM_RFC1483"
	case linkRaw:
		return "RAW"
	case linkCiscoHDLC:
		return "C_HDLC"
	case link80211:
		return "IEEE802_11"
	case linkFrame:
		return "FRELAY"
	case linkLoop:
		return "LOOP"
	case linkENC:
		return "ENC"
	case linkSLL:
		return "LINUX_SLL"
	case 114:
		return "LTALK"
	case linkPFLog:
		return "PFLOG"
	case linkPrism:
		return "IEEE802_11_PRISM"
	case 122:
		return "IP_OVER_FC"
	case 123:
		return "SUNATM"
	case linkRadiotap:
		return "IEEE802_11_RADIOTAP"
	case 129:
		return "ARCNET_LINUX"
	case linkFireWire:
		return "APPLE_IP_OVER_IEEE1394"
	case 139:
		return "MTP2_WITH_PHDR"
	case 140:
		return "MTP2"
	case 141:
		return "MTP3"
	case 142:
		return "SCCP"
	case 143:
		return "DOCSIS"
	case 144:
		return "LINUX_IRDA"
	case linkAVS:
		return "IEEE802_11_AVS"
	case 165:
		return "BACNET_MS_TP"
	case 166:
		return "PPP_PPPD"
	case 169:
		return "GPRS_LLC"
	case 177:
		return "LINUX_LAPD"
	case 187:
		return "BLUETOOTH_HCI_H4"
	case 189:
		return "USB_LINUX"
	case linkPPI:
		return "PPI"
	case 195:
		return "IEEE802_15_4_WITHFCS"
	case 197:
		return "ERF"
	case 201:
		return "BLUETOOTH_HCI_H4_WITH_PHDR"
	case 202:
		return "AX25_KISS"
	case 203:
		return "LAPD"
	case linkPPPDir:
		return "PPP_WITH_DIR"
	case 205:
		return "C_HDLC_WITH_DIR"
	case 206:
		return "FRELAY_WITH_DIR"
	case 209:
		return "IPMB_LINUX"
	case 212:
		return "LIN"
	case 215:
		return "IEEE802_15_4_NONASK_PHY"
	case 219:
		return "MPLS"
	case 220:
		return "USB_LINUX_MMAPPED"
	case 224:
		return "FC_2"
	case 225:
		return "FC_2_WITH_FRAME_DELIMS"
	case 226:
		return "IPNET"
	case 227:
		return "CAN_SOCKETCAN"
	case linkIPv4:
		return "IPV4"
	case linkIPv6:
		return "IPV6"
	case 230:
		return "IEEE802_15_4_NOFCS"
	case 231:
		return "DBUS"
	case linkNFLog:
		return "NFLOG"
	case 240:
		return "NETANALYZER"
	case 241:
		return "NETANALYZER_TRANSPARENT"
	case 242:
		return "IPOIB"
	case 245:
		return "NFC_LLCP"
	case 247:
		return "INFINIBAND"
	case 248:
		return "SCTP"
	case 249:
		return "USBPCAP"
	case 251:
		return "BLUETOOTH_LE_LL"
	case 252:
		return "WIRESHARK_UPPER_PDU"
	case 253:
		return "NETLINK"
	case 254:
		return "BLUETOOTH_LINUX_MONITOR"
	case 256:
		return "BLUETOOTH_LE_LL_WITH_PHDR"
	case linkPKTAP:
		return "PKTAP"
	case 259:
		return "EPON"
	case 266:
		return "USB_DARWIN"
	case 270:
		return "LORATAP"
	case 271:
		return "VSOCK"
	case 272:
		return "NORDIC_BLE"
	case linkSLL2:
		return "LINUX_SLL2"
	case 283:
		return "IEEE802_15_4_TAP"
	case 288:
		return "USB_2_0"
	}
	return ""
}
