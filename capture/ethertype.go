package capture

import (
	"cmp"
	"fmt"
	"slices"
)

// An EtherType says what an Ethernet frame carries. The numbers are those of the
// IEEE's registry.
type EtherType uint16

// String returns the number of the EtherType and its name, if it is well known:
// "0x8906 (FCoE)".
func (t EtherType) String() string {
	if i, found := slices.BinarySearchFunc(etherNames, t, compareEtherName); found {
		return fmt.Sprintf("0x%04x (%s)", uint16(t), etherNames[i].name)
	}
	return fmt.Sprintf("0x%04x", uint16(t))
}

func isNamedEtherType(t EtherType) bool {
	_, found := slices.BinarySearchFunc(etherNames, t, compareEtherName)
	return found
}

// An etherName is an EtherType that is not read.
type etherName struct {
	number EtherType
	name   string
	quiet  bool // such frames never carry a hello, and are not worth a note
}

func compareEtherName(row etherName, t EtherType) int { return cmp.Compare(row.number, t) }

// etherNames is sorted by number.
var etherNames = []etherName{
	{0x0600, "XNS", false},
	{0x0802, "X.75", false},
	{0x0804, "Chaosnet", false},
	{0x0805, "X.25", false},
	{0x0806, "ARP", true},
	{0x0842, "Wake-on-LAN", true},
	{0x0bad, "VINES", false},
	{0x2000, "CDP", true},  // in SNAP with Cisco's OUI, as the two below
	{0x2003, "VTP", true},  // VLAN trunking
	{0x2004, "DTP", true},  // dynamic trunking
	{0x22ea, "MSRP", true}, // IEEE 802.1Qat
	{0x22f0, "AVTP", false},
	{0x22f3, "TRILL", false},
	{0x22f4, "L2-IS-IS", true},
	{0x4305, "B.A.T.M.A.N.", false},
	{0x6001, "DEC MOP dump/load", true},
	{0x6002, "DEC MOP remote console", true},
	{0x6003, "DECnet", false},
	{0x6004, "DEC LAT", false},
	{0x8035, "RARP", true},
	{0x809b, "AppleTalk", false},
	{0x80f3, "AppleTalk ARP", true},
	{0x8137, "IPX", false},
	{0x8191, "NetBEUI", false},
	{0x8204, "QNX Qnet", false},
	{0x876b, "compressed TCP/IP", false}, // RFC 1144
	{0x8808, "Ethernet flow control", true},
	{0x8809, "slow protocols", true}, // LACP, OAM
	{0x8819, "CobraNet", false},
	{0x884c, "MPOA", false},
	{0x8863, "PPPoE discovery", true},
	{0x8870, "jumbo frames", false},
	{0x8874, "Broadcom shim", false},
	{0x887b, "HomePlug", true},
	{0x888e, "EAPOL", true},
	{0x8892, "PROFINET", true},
	{0x88a2, "ATA over Ethernet", false},
	{0x88a4, "EtherCAT", true},
	{0x88ab, "POWERLINK", true},
	{0x88b4, "WAPI", true},
	{0x88b5, "local experimental 1", false},
	{0x88b6, "local experimental 2", false},
	{0x88b7, "OUI-extended", false},
	{0x88b8, "GOOSE", true},
	{0x88b9, "GSE management", true},
	{0x88ba, "sampled values", true},
	{0x88c7, "802.11 pre-authentication", true},
	{0x88ca, "TIPC", false},
	{0x88cc, "LLDP", true},
	{0x88cd, "SERCOS III", true},
	{0x88d2, "AX.25 over Ethernet", false},
	{0x88d8, "circuit emulation", false},
	{0x88d9, "LLTD", true},
	{0x88dc, "WSMP", false},
	{0x88e1, "HomePlug AV", true},
	{0x88e3, "MRP", true},
	{0x88f5, "MVRP", true},
	{0x88f6, "MMRP", true},
	{0x88f7, "PTP", true},
	{0x88f8, "NC-SI", true},
	{0x88fb, "PRP", true},
	{0x8902, "CFM", true},
	{0x8903, "FabricPath", false},
	{0x8906, "FCoE", false},
	{0x890d, "802.11 encapsulation", false},
	{0x8914, "FCoE initialization", true},
	{0x8915, "RoCE", false},
	{0x893a, "IEEE 1905.1", true},
	{0x8947, "GeoNetworking", false},
	{0x9000, "loopback test", true},
	{0xd28b, "Arista", false},
}
