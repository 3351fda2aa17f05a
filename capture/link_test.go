package capture

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

// TestWrappings: a hello is found in each wrapping that there is, with what it
// was wrapped in and its innermost addresses.
func TestWrappings(t *testing.T) {
	hello := realHello(t, "curl-openssl-3.0")
	segment := side{client4, server4, 1}.data(0, record(hello))
	segment6 := side{client6, server6, 1}.data(0, record(hello))
	frame := ipFrame(segment)
	outer := func(protocol uint8, payload []byte) []byte {
		return ipFrame(ip(client4.Addr().Next(), server4.Addr().Next(), protocol, payload))
	}
	overUDP := func(port uint16, payload []byte) []byte {
		return outer(ipUDP, bytesOf(uint16(50000), port, uint16(8+len(payload)), uint16(0), payload))
	}
	header6 := func(next uint8, headers []byte) []byte {
		return ipFrame(ip(client6.Addr(), server6.Addr(), next, append(headers, segment6[40:]...)))
	}
	llc := func(packet []byte) []byte { return bytesOf("\xaa\xaa\x03\x00\x00\x00", uint16(0x0800), packet) }
	wireless := func(control, flags int, more string, payload []byte) []byte {
		return bytesOf(control, flags, make([]byte, 22), more, payload)
	}
	options4 := slices.Clone(segment)
	options4[0] = 0x46
	binary.BigEndian.PutUint16(options4[2:], uint16(len(segment)+4))
	options4 = slices.Insert(options4, 20, 1, 1, 1, 0)
	offload := slices.Clone(segment)
	offload[2], offload[3] = 0, 0

	for _, test := range []struct {
		name string
		link LinkType
		data []byte
		via  string
	}{
		{"Ethernet", linkEthernet, frame, ""},
		{"Ethernet, padded", linkEthernet, append(slices.Clone(frame), make([]byte, 20)...), ""},
		{"IPv4 options", linkRaw, options4, ""},
		{"segmentation offload", linkRaw, offload, ""},
		{"IPv6", linkEthernet, ipFrame(segment6), ""},
		{"IPv6 hop-by-hop and destination options", linkEthernet, header6(ipHopByHop, bytesOf(int(ipDest), 0, 1, 4, uint32(0), int(ipTCP), 1, 1, 12, make([]byte, 12))), ""},
		{"IPv6 atomic fragment", linkEthernet, header6(ipFragment, bytesOf(int(ipTCP), 0, uint16(0), uint32(7))), ""},
		{"IPv6 AH", linkEthernet, header6(ipAH, bytesOf(int(ipTCP), 4, uint16(0), make([]byte, 20))), "ah"},
		{"VLAN", linkEthernet, ether(0x8100, bytesOf(uint16(100), uint16(0x0800), segment)), "vlan 100"},
		{"QinQ", linkEthernet, ether(0x88a8, bytesOf(uint16(7), uint16(0x8100), uint16(0x2065), uint16(0x0800), segment)), "vlan 7,vlan 101"},
		{"VLAN of type 9100", linkEthernet, ether(0x9100, bytesOf(uint16(7), uint16(0x0800), segment)), "vlan 7"},
		{"802.3 with SNAP", linkEthernet, ether(1000, llc(segment)), ""},
		{"MPLS", linkEthernet, ether(0x8847, bytesOf(uint32(16<<12), uint32(17<<12|1<<8), segment)), "mpls 16,mpls 17"},
		{"MPLS, IPv6", linkEthernet, ether(0x8847, bytesOf(uint32(16<<12|1<<8), segment6)), "mpls 16"},
		{"MPLS pseudowire with control word", linkEthernet, ether(0x8847, bytesOf(uint32(16<<12|1<<8), uint32(9), frame)), "mpls 16,ethernet"},
		{"MPLS pseudowire without", linkEthernet, ether(0x8847, bytesOf(uint32(16<<12|1<<8), frame)), "mpls 16,ethernet"},
		{"PPPoE", linkEthernet, ether(0x8864, bytesOf(0x11, 0, uint16(5), uint16(2+len(segment)), uint16(0x21), segment)), "pppoe 5"},
		{"MAC-in-MAC", linkEthernet, ether(0x88e7, bytesOf(uint32(300), frame)), "pbb 300"},
		{"security group tag", linkEthernet, ether(0x8909, bytesOf(1, 1, uint16(1), uint16(9), uint16(0x0800), segment)), "cmd"},
		{"VNTag", linkEthernet, ether(0x8926, bytesOf(uint32(1), uint16(0x0800), segment)), "tag"},
		{"E-TAG", linkEthernet, ether(0x893f, bytesOf(uint32(1), uint16(0), uint16(0x0800), segment)), "tag"},
		{"NSH", linkEthernet, ether(0x894f, bytesOf(0, 2, 2, 3, uint32(77<<8), frame)), "nsh 77"},
		{"MACsec in the clear", linkEthernet, ether(0x88e5, bytesOf(0x20, 0, uint32(1), uint32(2), uint32(3), uint16(0x0800), segment)), "macsec"},
		{"GRE", linkEthernet, outer(ipGRE, bytesOf(uint16(0), uint16(0x0800), segment)), "gre"},
		{"GRE with all options", linkEthernet, outer(ipGRE, bytesOf(uint16(0xb000), uint16(0x86dd), uint32(0), uint32(99), uint32(1), segment6)), "gre 99"},
		{"GRE with routing", linkEthernet, outer(ipGRE, bytesOf(uint16(0x4000), uint16(0x0800), uint32(0), uint16(0x0800), 0, 4, uint32(0), uint32(0), segment)), "gre"},
		{"GRE of PPTP", linkEthernet, outer(ipGRE, bytesOf(uint16(0x3081), uint16(0x880b), uint16(4), uint16(12), uint32(1), uint32(1), "\xff\x03", uint16(0x21), segment)), "gre 12"},
		{"GRE with WCCP", linkEthernet, outer(ipGRE, bytesOf(uint16(0), uint16(0x883e), uint32(0), segment)), "gre"},
		{"GRE with Ethernet", linkEthernet, outer(ipGRE, bytesOf(uint16(0), uint16(0x6558), frame)), "gre,ethernet"},
		{"ERSPAN I", linkEthernet, outer(ipGRE, bytesOf(uint16(0), uint16(0x88be), frame)), "gre,erspan"},
		{"ERSPAN II", linkEthernet, outer(ipGRE, bytesOf(uint16(0x1000), uint16(0x88be), uint32(1), uint32(0x10000005), uint32(0), frame)), "gre,erspan 5"},
		{"ERSPAN III", linkEthernet, outer(ipGRE, bytesOf(uint16(0x1000), uint16(0x22eb), uint32(1), uint32(0x20000005), uint32(0), uint32(1), uint32(0), uint32(0), frame)), "gre,erspan 5"},
		{"ERSPAN III with IP", linkEthernet, outer(ipGRE, bytesOf(uint16(0x1000), uint16(0x22eb), uint32(1), uint32(0x20000005), uint32(0), uint32(0x800), segment)), "gre,erspan 5"},
		{"IP in IP", linkEthernet, outer(ipIPv4, segment), "ipv4"},
		{"6in4", linkEthernet, outer(ipIPv6, segment6), "ipv6"},
		{"AH", linkEthernet, outer(ipAH, bytesOf(int(ipIPv4), 4, uint16(0), make([]byte, 20), segment)), "ah,ipv4"},
		{"EtherIP", linkEthernet, outer(ipEtherIP, bytesOf(0x30, 0, frame)), "etherip"},
		{"MPLS in IP", linkEthernet, outer(ipMPLS, bytesOf(uint32(3<<12|1<<8), segment)), "mpls 3"},
		{"MPLS in UDP", linkEthernet, overUDP(portMPLS, bytesOf(uint32(3<<12|1<<8), segment)), "mpls 3"},
		{"GRE in UDP", linkEthernet, overUDP(portGRE, bytesOf(uint16(0), uint16(0x0800), segment)), "gre"},
		{"VXLAN", linkEthernet, overUDP(portVXLAN, bytesOf(uint32(8<<24), uint32(42<<8), frame)), "vxlan 42"},
		{"VXLAN-GPE", linkEthernet, overUDP(portVXLANGPE, bytesOf(uint32(0x0c000001), uint32(42<<8), segment)), "vxlan 42"},
		{"Geneve with options", linkEthernet, overUDP(portGeneve, bytesOf(1, 0, uint16(0x6558), uint32(42<<8), uint32(0), frame)), "geneve 42,ethernet"},
		{"GTP-U", linkEthernet, overUDP(portGTPU, bytesOf(0x30, 255, uint16(len(segment)), uint32(42), segment)), "gtpu 42"},
		{"GTP-U with extension", linkEthernet, overUDP(portGTPU, bytesOf(0x34, 255, uint16(len(segment)), uint32(42), uint32(0x85), 1, 0, 0, 0, segment)), "gtpu 42"},
		{"L2TP", linkEthernet, overUDP(portL2TP, bytesOf(uint16(0x4a02), uint16(0), uint16(1), uint16(2), uint32(0), uint16(2), uint16(0), "\xff\x03", uint16(0x21), segment)), "l2tp 2"},
		{"L2TPv3 in UDP", linkEthernet, overUDP(portL2TP, bytesOf(uint16(3), uint16(0), uint32(9), uint32(0), frame)), "l2tp 9"},
		{"L2TPv3 in IP", linkEthernet, outer(ipL2TP, bytesOf(uint32(9), frame)), "l2tp 9"},
		{"Teredo", linkEthernet, overUDP(portTeredo, segment6), "teredo"},
		{"Teredo with authentication and origin", linkEthernet, overUDP(portTeredo, bytesOf(0, 1, 0, 0, make([]byte, 9), uint16(0), make([]byte, 6), segment6)), "teredo"},
		{"LISP", linkEthernet, overUDP(portLISP, bytesOf(make([]byte, 8), segment)), "lisp"},
		{"TZSP", linkEthernet, overUDP(portTZSP, bytesOf(1, 0, uint16(1), 0, 10, 1, 0, 1, frame)), "tzsp"},
		{"CAPWAP", linkEthernet, overUDP(portCAPWAP, bytesOf(0, uint32(2<<27|1<<8), "\x00\x00\x00", frame)[:8+len(frame)]), "capwap"},
		{"nested", linkEthernet, overUDP(portVXLAN, bytesOf(uint32(8<<24), uint32(1<<8), outer(ipGRE, bytesOf(uint16(0), uint16(0x0800), segment)))), "vxlan 1,gre"},

		{"BSD loopback, big-endian", linkNull, bytesOf(uint32(2), segment), ""},
		{"BSD loopback, little-endian, IPv6", linkNull, bytesOf("\x1e\x00\x00\x00", segment6), ""},
		{"OpenBSD loopback", linkLoop, bytesOf(uint32(2), segment), ""},
		{"raw, BSD", linkRawBSD, segment, ""},
		{"raw, OpenBSD", linkRawOpenBSD, segment, ""},
		{"raw", linkRaw, segment6, ""},
		{"IPv4", linkIPv4, segment, ""},
		{"IPv6 alone", linkIPv6, segment6, ""},
		{"SLL", linkSLL, bytesOf(make([]byte, 14), uint16(0x0800), segment), ""},
		{"SLL with VLAN", linkSLL, bytesOf(make([]byte, 14), uint16(0x8100), uint16(4), uint16(0x0800), segment), "vlan 4"},
		{"SLL2", linkSLL2, bytesOf(uint16(0x86dd), make([]byte, 18), segment6), ""},
		{"PPP", linkPPP, bytesOf(uint16(0x21), segment), ""},
		{"PPP with HDLC", linkPPP, bytesOf("\xff\x03", uint16(0x57), segment6), ""},
		{"PPP with short protocol", linkPPP, bytesOf(0x21, segment), ""},
		{"PPP with MPLS", linkPPP, bytesOf(uint16(0x281), uint32(3<<12|1<<8), segment), "mpls 3"},
		{"PPP with direction", linkPPPDir, bytesOf(1, "\xff\x03", uint16(0x21), segment), ""},
		{"PPP upon HDLC", linkPPPHDLC, bytesOf("\xff\x03", uint16(0x21), segment), ""},
		{"Cisco HDLC", linkCiscoHDLC, bytesOf(0x0f, 0, uint16(0x0800), segment), ""},
		{"PPPoE alone", linkPPPoE, bytesOf(0x11, 0, uint16(5), uint16(2+len(segment)), uint16(0x21), segment), "pppoe 5"},
		{"frame relay", linkFrame, bytesOf("\x18\x41\x03\xcc", segment), ""},
		{"frame relay with SNAP", linkFrame, bytesOf("\x18\x41\x03\x00\x80\x00\x00\x00", uint16(0x0800), segment), ""},
		{"frame relay, Cisco", linkFrame, bytesOf("\x18\x41", uint16(0x0800), segment), ""},
		{"802.11", link80211, wireless(0x08, 1, "", llc(segment)), "802.11"},
		{"802.11, four addresses, QoS, HT", link80211, wireless(0x88, 0x83, "123456\x00\x00\x00\x00\x00\x00", llc(segment)), "802.11"},
		{"802.11 aggregate", link80211, wireless(0x88, 1, "\x80\x00", bytesOf(make([]byte, 12), uint16(8+len(segment)), llc(segment))), "802.11"},
		{"radiotap", linkRadiotap, bytesOf("\x00\x00\x09\x00", make([]byte, 5), wireless(0x08, 1, "", llc(segment))), "802.11"},
		{"PPI", linkPPI, bytesOf("\x00\x00\x08\x00\x69\x00\x00\x00", wireless(0x08, 1, "", llc(segment))), "802.11"},
		{"802.11, QoS, padded", link80211, wireless(0x88, 1, "\x00\x00\x00\x00", llc(segment)), "802.11"},
		{"PPI with Ethernet", linkPPI, bytesOf("\x00\x00\x08\x00\x01\x00\x00\x00", frame), ""},
		{"Prism", linkPrism, bytesOf(make([]byte, 144), wireless(0x08, 1, "", llc(segment))), "802.11"},
		{"AVS", linkAVS, bytesOf(uint32(0x80211001), uint32(64), make([]byte, 56), wireless(0x08, 1, "", llc(segment))), "802.11"},
		{"CAPWAP, 802.11 with swapped control", linkEthernet, overUDP(portCAPWAP, bytesOf(uint32(2<<19|1<<9|1<<8), uint32(0), wireless(0x01, 8, "", llc(segment)))), "capwap,802.11"},
		{"OpenBSD encapsulation", linkENC, bytesOf(make([]byte, 12), segment), ""},
		{"OpenBSD packet filter", linkPFLog, bytesOf(61, make([]byte, 63), segment), ""},
		{"NFLOG", linkNFLog, bytesOf(2, 0, uint16(0), "\x05\x00\x0a\x00\x01\x00\x00\x00", "\x00\x00\x09\x00", segment), ""},
		{"IP over FireWire", linkFireWire, bytesOf(make([]byte, 16), uint16(0x0800), segment), ""},
		{"PKTAP", linkPKTAP, bytesOf("\x0c\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00", frame), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.link == linkNFLog {
				binary.LittleEndian.PutUint16(test.data[12:], uint16(4+len(segment)))
			}
			hellos := readAll(t, pcapOf(test.link, test.data))
			require.Len(t, hellos, 1)
			want := found{client4, server4, parser.TLS, 1, 1, test.via, string(hello)}
			if hellos[0].Src.Addr().Is6() {
				want.Src, want.Dst = client6, server6
			}
			assert.Equal(t, want, hellos[0])
			var cut [][]byte // anywhere, before the last byte of the hello
			for n := range len(test.data) - 21 {
				cut = append(cut, test.data[:n])
			}
			assert.Empty(t, readAll(t, pcapOf(test.link, cut...)))
		})
	}
}

// TestDepth: wrappings are followed as deep as is promised, and no deeper.
func TestDepth(t *testing.T) {
	hello := realHello(t, "python-tls12")
	packet := side{client4, server4, 1}.data(0, record(hello))
	for range maxDepth {
		packet = ip(client4.Addr(), server4.Addr(), ipIPv4, packet)
	}
	hellos, stats, err := read(t, new(Reader), rawPcap(packet))
	require.NoError(t, err)
	assert.Len(t, hellos, 1)
	assert.Zero(t, stats.TooDeep)

	packet = ip(client4.Addr(), server4.Addr(), ipIPv4, packet)
	hellos, stats, err = read(t, new(Reader), rawPcap(packet))
	require.NoError(t, err)
	assert.Empty(t, hellos)
	assert.Equal(t, int64(1), stats.TooDeep)
}

func TestUnknownLink(t *testing.T) {
	_, stats, err := read(t, new(Reader), pcapOf(999, []byte{1, 2, 3}))
	require.NoError(t, err)
	assert.Equal(t, Stats{Packets: 1, Bytes: 3, Unknown: 1, UnknownLinks: map[LinkType]int64{999: 1}}, stats)

	// Each interface has its own.
	var g ng
	g.section(binary.LittleEndian)
	for _, link := range []LinkType{linkEthernet, 147, 220, 147} {
		g.iface(link, 0)
	}
	for id := range uint32(4) {
		g.enhanced(id, 1, []byte("packet"))
	}
	_, stats, err = read(t, new(Reader), g.b)
	require.NoError(t, err)
	assert.Equal(t, map[LinkType]int64{147: 2, 220: 1}, stats.UnknownLinks)
}

func TestLinkTypeString(t *testing.T) {
	for want, link := range map[string]LinkType{
		"1 (ETHERNET)": linkEthernet, "146": 146, "147 (USER0)": 147, "162 (USER15)": 162,
		"163 (IEEE802_11_AVS)": linkAVS, "220 (USB_LINUX_MMAPPED)": 220, "65535": 65535,
	} {
		assert.Equal(t, want, link.String())
	}
}
