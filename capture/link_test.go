package capture

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

// TestEncapsulations finds a hello in each encapsulation, and checks the layers and
// the innermost addresses.
func TestEncapsulations(t *testing.T) {
	hello := realHello(t, "curl-openssl-3.0")
	segment := side{client4, server4, 1}.data(0, record(hello))
	segment6 := side{client6, server6, 1}.data(0, record(hello))
	frame := ipFrame(segment)
	outer := func(protocol uint8, payload []byte) []byte {
		return ipFrame(ip(client4.Addr().Next(), server4.Addr().Next(), protocol, payload))
	}
	tunnels := make(map[uint16]bool)
	overUDP := func(port uint16, payload []byte) []byte {
		tunnels[port] = true
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

	tests := []struct {
		name string
		link LinkType
		data []byte
		via  string
	}{
		{"Ethernet", LinkEthernet, frame, ""},
		{"Ethernet, padded", LinkEthernet, append(slices.Clone(frame), make([]byte, 20)...), ""},
		{"IPv4 options", LinkRaw, options4, ""},
		{"segmentation offload", LinkRaw, offload, ""},
		{"IPv6", LinkEthernet, ipFrame(segment6), ""},
		{"IPv6 hop-by-hop and destination options", LinkEthernet, header6(ipHopByHop, bytesOf(int(ipDest), 0, 1, 4, uint32(0), int(ipTCP), 1, 1, 12, make([]byte, 12))), ""},
		{"IPv6 atomic fragment", LinkEthernet, header6(ipFragment, bytesOf(int(ipTCP), 0, uint16(0), uint32(7))), ""},
		{"IPv6 AH", LinkEthernet, header6(ipAH, bytesOf(int(ipTCP), 4, uint16(0), make([]byte, 20))), "ah"},
		{"VLAN", LinkEthernet, ether(0x8100, bytesOf(uint16(100), uint16(0x0800), segment)), "vlan 100"},
		{"QinQ", LinkEthernet, ether(0x88a8, bytesOf(uint16(7), uint16(0x8100), uint16(0x2065), uint16(0x0800), segment)), "vlan 7,vlan 101"},
		{"VLAN of type 9100", LinkEthernet, ether(0x9100, bytesOf(uint16(7), uint16(0x0800), segment)), "vlan 7"},
		{"802.3 with SNAP", LinkEthernet, ether(1000, llc(segment)), ""},
		{"MPLS", LinkEthernet, ether(0x8847, bytesOf(uint32(16<<12), uint32(17<<12|1<<8), segment)), "mpls 16,mpls 17"},
		{"MPLS, IPv6", LinkEthernet, ether(0x8847, bytesOf(uint32(16<<12|1<<8), segment6)), "mpls 16"},
		{"MPLS pseudowire with control word", LinkEthernet, ether(0x8847, bytesOf(uint32(16<<12|1<<8), uint32(9), frame)), "mpls 16,ethernet"},
		{"MPLS pseudowire without control word", LinkEthernet, ether(0x8847, bytesOf(uint32(16<<12|1<<8), frame)), "mpls 16,ethernet"},
		{"PPPoE", LinkEthernet, ether(0x8864, bytesOf(0x11, 0, uint16(5), uint16(2+len(segment)), uint16(0x21), segment)), "pppoe 5"},
		{"MAC-in-MAC", LinkEthernet, ether(0x88e7, bytesOf(uint32(300), frame)), "pbb 300"},
		{"security group tag", LinkEthernet, ether(0x8909, bytesOf(1, 1, uint16(1), uint16(9), uint16(0x0800), segment)), "cmd"},
		{"VNTag", LinkEthernet, ether(0x8926, bytesOf(uint32(1), uint16(0x0800), segment)), "tag"},
		{"E-TAG", LinkEthernet, ether(0x893f, bytesOf(uint32(1), uint16(0), uint16(0x0800), segment)), "tag"},
		{"NSH", LinkEthernet, ether(0x894f, bytesOf(0, 2, 2, 3, uint32(77<<8), frame)), "nsh 77"},
		{"MACsec without encryption", LinkEthernet, ether(0x88e5, bytesOf(0x20, 0, uint32(1), uint32(2), uint32(3), uint16(0x0800), segment)), "macsec"},
		{"GRE", LinkEthernet, outer(ipGRE, bytesOf(uint16(0), uint16(0x0800), segment)), "gre"},
		{"GRE with all options", LinkEthernet, outer(ipGRE, bytesOf(uint16(0xb000), uint16(0x86dd), uint32(0), uint32(99), uint32(1), segment6)), "gre 99"},
		{"GRE with routing", LinkEthernet, outer(ipGRE, bytesOf(uint16(0x4000), uint16(0x0800), uint32(0), uint16(0x0800), 0, 4, uint32(0), uint32(0), segment)), "gre"},
		{"GRE of PPTP", LinkEthernet, outer(ipGRE, bytesOf(uint16(0x3081), uint16(0x880b), uint16(4), uint16(12), uint32(1), uint32(1), "\xff\x03", uint16(0x21), segment)), "gre 12"},
		{"GRE with WCCP", LinkEthernet, outer(ipGRE, bytesOf(uint16(0), uint16(0x883e), uint32(0), segment)), "gre"},
		{"GRE with Ethernet", LinkEthernet, outer(ipGRE, bytesOf(uint16(0), uint16(0x6558), frame)), "gre,ethernet"},
		{"ERSPAN I", LinkEthernet, outer(ipGRE, bytesOf(uint16(0), uint16(0x88be), frame)), "gre,erspan"},
		{"ERSPAN II", LinkEthernet, outer(ipGRE, bytesOf(uint16(0x1000), uint16(0x88be), uint32(1), uint32(0x10000005), uint32(0), frame)), "gre,erspan 5"},
		{"ERSPAN III", LinkEthernet, outer(ipGRE, bytesOf(uint16(0x1000), uint16(0x22eb), uint32(1), uint32(0x20000005), uint32(0), uint32(1), uint32(0), uint32(0), frame)), "gre,erspan 5"},
		{"ERSPAN III with IP", LinkEthernet, outer(ipGRE, bytesOf(uint16(0x1000), uint16(0x22eb), uint32(1), uint32(0x20000005), uint32(0), uint32(0x800), segment)), "gre,erspan 5"},
		{"IP in IP", LinkEthernet, outer(ipIPv4, segment), "ipv4"},
		{"6in4", LinkEthernet, outer(ipIPv6, segment6), "ipv6"},
		{"AH", LinkEthernet, outer(ipAH, bytesOf(int(ipIPv4), 4, uint16(0), make([]byte, 20), segment)), "ah,ipv4"},
		{"EtherIP", LinkEthernet, outer(ipEtherIP, bytesOf(0x30, 0, frame)), "etherip"},
		{"MPLS in IP", LinkEthernet, outer(ipMPLS, bytesOf(uint32(3<<12|1<<8), segment)), "mpls 3"},
		{"MPLS in UDP", LinkEthernet, overUDP(6635, bytesOf(uint32(3<<12|1<<8), segment)), "mpls 3"},
		{"GRE in UDP", LinkEthernet, overUDP(4754, bytesOf(uint16(0), uint16(0x0800), segment)), "gre"},
		{"VXLAN", LinkEthernet, overUDP(4789, bytesOf(uint32(8<<24), uint32(42<<8), frame)), "vxlan 42"},
		{"VXLAN, port of old Linux", LinkEthernet, overUDP(8472, bytesOf(uint32(8<<24), uint32(42<<8), frame)), "vxlan 42"},
		{"VXLAN-GPE", LinkEthernet, overUDP(4790, bytesOf(uint32(0x0c000001), uint32(42<<8), segment)), "vxlan 42"},
		{"Geneve with options", LinkEthernet, overUDP(6081, bytesOf(1, 0, uint16(0x6558), uint32(42<<8), uint32(0), frame)), "geneve 42,ethernet"},
		{"GTP-U", LinkEthernet, overUDP(2152, bytesOf(0x30, 255, uint16(len(segment)), uint32(42), segment)), "gtpu 42"},
		{"GTP-U with extension", LinkEthernet, overUDP(2152, bytesOf(0x34, 255, uint16(len(segment)), uint32(42), uint32(0x85), 1, 0, 0, 0, segment)), "gtpu 42"},
		{"L2TP", LinkEthernet, overUDP(1701, bytesOf(uint16(0x4a02), uint16(0), uint16(1), uint16(2), uint32(0), uint16(2), uint16(0), "\xff\x03", uint16(0x21), segment)), "l2tp 2"},
		{"L2TPv3 in UDP", LinkEthernet, overUDP(1701, bytesOf(uint16(3), uint16(0), uint32(9), uint32(0), frame)), "l2tp 9"},
		{"L2TPv3 in IP", LinkEthernet, outer(ipL2TP, bytesOf(uint32(9), frame)), "l2tp 9"},
		{"Teredo", LinkEthernet, overUDP(3544, segment6), "teredo"},
		{"Teredo with authentication and origin", LinkEthernet, overUDP(3544, bytesOf(0, 1, 0, 0, make([]byte, 9), uint16(0), make([]byte, 6), segment6)), "teredo"},
		{"LISP", LinkEthernet, overUDP(4341, bytesOf(make([]byte, 8), segment)), "lisp"},
		{"TZSP", LinkEthernet, overUDP(37008, bytesOf(1, 0, uint16(1), 0, 10, 1, 0, 1, frame)), "tzsp"},
		{"CAPWAP", LinkEthernet, overUDP(5247, bytesOf(0, uint32(2<<27|1<<8), "\x00\x00\x00", frame)[:8+len(frame)]), "capwap"},
		{"nested", LinkEthernet, overUDP(4789, bytesOf(uint32(8<<24), uint32(1<<8), outer(ipGRE, bytesOf(uint16(0), uint16(0x0800), segment)))), "vxlan 1,gre"},

		{"BSD loopback, big-endian", LinkNull, bytesOf(uint32(2), segment), ""},
		{"BSD loopback, little-endian, IPv6", LinkNull, bytesOf("\x1e\x00\x00\x00", segment6), ""},
		{"OpenBSD loopback", LinkLoop, bytesOf(uint32(2), segment), ""},
		{"raw, BSD", LinkRawBSD, segment, ""},
		{"raw, OpenBSD", LinkRawOpenBSD, segment, ""},
		{"raw", LinkRaw, segment6, ""},
		{"IPv4 without link layer", LinkIPv4, segment, ""},
		{"IPv6 without link layer", LinkIPv6, segment6, ""},
		{"SLL", LinkLinuxSLL, bytesOf(make([]byte, 14), uint16(0x0800), segment), ""},
		{"SLL with VLAN", LinkLinuxSLL, bytesOf(make([]byte, 14), uint16(0x8100), uint16(4), uint16(0x0800), segment), "vlan 4"},
		{"SLL2", LinkLinuxSLL2, bytesOf(uint16(0x86dd), make([]byte, 18), segment6), ""},
		{"PPP", LinkPPP, bytesOf(uint16(0x21), segment), ""},
		{"PPP with HDLC", LinkPPP, bytesOf("\xff\x03", uint16(0x57), segment6), ""},
		{"PPP with compressed protocol", LinkPPP, bytesOf(0x21, segment), ""},
		{"PPP with MPLS", LinkPPP, bytesOf(uint16(0x281), uint32(3<<12|1<<8), segment), "mpls 3"},
		{"PPP with direction", LinkPPPWithDir, bytesOf(1, "\xff\x03", uint16(0x21), segment), ""},
		{"PPP over HDLC", LinkPPPHDLC, bytesOf("\xff\x03", uint16(0x21), segment), ""},
		{"Cisco HDLC", LinkCiscoHDLC, bytesOf(0x0f, 0, uint16(0x0800), segment), ""},
		{"PPPoE without Ethernet", LinkPPPoE, bytesOf(0x11, 0, uint16(5), uint16(2+len(segment)), uint16(0x21), segment), "pppoe 5"},
		{"frame relay", LinkFrameRelay, bytesOf("\x18\x41\x03\xcc", segment), ""},
		{"frame relay with SNAP", LinkFrameRelay, bytesOf("\x18\x41\x03\x00\x80\x00\x00\x00", uint16(0x0800), segment), ""},
		{"frame relay, Cisco", LinkFrameRelay, bytesOf("\x18\x41", uint16(0x0800), segment), ""},
		{"802.11", Link80211, wireless(0x08, 1, "", llc(segment)), "802.11"},
		{"802.11, four addresses, QoS, HT", Link80211, wireless(0x88, 0x83, "123456\x00\x00\x00\x00\x00\x00", llc(segment)), "802.11"},
		{"802.11 aggregate", Link80211, wireless(0x88, 1, "\x80\x00", bytesOf(make([]byte, 12), uint16(8+len(segment)), llc(segment))), "802.11"},
		{"radiotap", LinkRadiotap, bytesOf("\x00\x00\x09\x00", make([]byte, 5), wireless(0x08, 1, "", llc(segment))), "802.11"},
		{"PPI", LinkPPI, bytesOf("\x00\x00\x08\x00\x69\x00\x00\x00", wireless(0x08, 1, "", llc(segment))), "802.11"},
		{"802.11, QoS, padded", Link80211, wireless(0x88, 1, "\x00\x00\x00\x00", llc(segment)), "802.11"},
		{"PPI with Ethernet", LinkPPI, bytesOf("\x00\x00\x08\x00\x01\x00\x00\x00", frame), ""},
		{"Prism", LinkPrism, bytesOf(make([]byte, 144), wireless(0x08, 1, "", llc(segment))), "802.11"},
		{"AVS", LinkAVS, bytesOf(uint32(0x80211001), uint32(64), make([]byte, 56), wireless(0x08, 1, "", llc(segment))), "802.11"},
		{"CAPWAP, 802.11 with swapped control", LinkEthernet, overUDP(5247, bytesOf(uint32(2<<19|1<<9|1<<8), uint32(0), wireless(0x01, 8, "", llc(segment)))), "capwap,802.11"},
		{"OpenBSD encapsulation", LinkENC, bytesOf(make([]byte, 12), segment), ""},
		{"OpenBSD packet filter", LinkPFLog, bytesOf(61, make([]byte, 63), segment), ""},
		{"NFLOG", LinkNFLog, bytesOf(2, 0, uint16(0), "\x05\x00\x0a\x00\x01\x00\x00\x00", "\x00\x00\x09\x00", segment), ""},
		{"IP over FireWire", LinkFireWire, bytesOf(make([]byte, 16), uint16(0x0800), segment), ""},
		{"PKTAP", LinkPKTAP, bytesOf("\x0c\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00", frame), ""},
	}
	links, kinds := make(map[LinkType]bool), make(map[string]bool)
	for _, test := range tests {
		links[test.link] = true
		for via := range strings.SplitSeq(test.via, ",") {
			kind, _, _ := strings.Cut(via, " ")
			kinds[kind] = true
		}
		t.Run(test.name, func(t *testing.T) {
			if test.link == LinkNFLog {
				binary.LittleEndian.PutUint16(test.data[12:], uint16(4+len(segment)))
			}
			hellos := readAll(t, pcapOf(test.link, test.data))
			require.Len(t, hellos, 1)
			want := found{client4, server4, parser.TLS, 1, 1, test.via, string(hello)}
			if hellos[0].Src.Addr().Is6() {
				want.Src, want.Dst = client6, server6
			}
			assert.Equal(t, want, hellos[0])
			var cut [][]byte // at each byte but the last one of the hello
			for n := range len(test.data) - 21 {
				cut = append(cut, test.data[:n])
			}
			assert.Empty(t, readAll(t, pcapOf(test.link, cut...)))
		})
	}
	links[LinkSCTP] = true // see TestSCTP
	for _, row := range linkTypes {
		assert.Equal(t, row.read != nil, links[row.number], "TestEncapsulations has a packet of link type %v if it can be read", row.number)
	}
	for k := LayerKind(1); k <= numLayerKinds; k++ {
		switch k {
		case LayerFragments, LayerSTUN, LayerOpenVPN, LayerEAP, LayerSCTP, LayerRFC4571, LayerTDS: // have tests of their own
		default:
			assert.True(t, kinds[k.String()], "TestEncapsulations has no packet in layer %v", k)
		}
	}
	tunnels[5246] = true // carries DTLS only: see TestCAPWAPControl
	tunnels[9899] = true // see TestSCTP
	for _, row := range udpTunnels {
		assert.True(t, tunnels[row.port], "TestEncapsulations has no packet to UDP port %d", row.port)
	}
}

// TestDepth reads as many encapsulations as promised, and no more.
func TestDepth(t *testing.T) {
	hello := realHello(t, "python-tls12")
	packet := side{client4, server4, 1}.data(0, record(hello))
	for range maxDepth {
		packet = ip(client4.Addr(), server4.Addr(), ipIPv4, packet)
	}
	hellos, stats, err := read(t, new(Reader), rawPcap(packet))
	require.NoError(t, err)
	assert.Len(t, hellos, 1)
	assert.Zero(t, stats.TooNested)

	packet = ip(client4.Addr(), server4.Addr(), ipIPv4, packet)
	hellos, stats, err = read(t, new(Reader), rawPcap(packet))
	require.NoError(t, err)
	assert.Empty(t, hellos)
	assert.Equal(t, int64(1), stats.TooNested)
}

func TestUnknownLink(t *testing.T) {
	_, stats, err := read(t, new(Reader), pcapOf(999, []byte{1, 2, 3}))
	require.NoError(t, err)
	assert.Equal(t, Stats{Packets: 1, Bytes: 3, Unknown: 1, UnknownLinks: map[LinkType]int64{999: 1}}, stats)

	// Each interface has its own link type.
	var g ng
	g.section(binary.LittleEndian)
	for _, link := range []LinkType{LinkEthernet, 147, 220, 147} {
		g.iface(link, 0)
	}
	for id := range uint32(4) {
		g.enhanced(id, 1, []byte("packet"))
	}
	_, stats, err = read(t, new(Reader), g.b)
	require.NoError(t, err)
	assert.Equal(t, map[LinkType]int64{147: 2, 220: 1}, stats.UnknownLinks)
}
