package capture

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
)

var (
	supplicant    = event.MAC{2, 0, 0, 0, 0, 1}
	authenticator = event.MAC{2, 0, 0, 0, 0, 2}
)

// eapolFrame returns a frame of IEEE 802.1X with an EAP packet, and some padding.
func eapolFrame(eap []byte) []byte { return bytesOf(2, 0, uint16(len(eap)), eap, make([]byte, 5)) }

// macFrame returns an Ethernet frame between two addresses.
func macFrame(dst, src event.MAC, etherType uint16, payload []byte) []byte {
	return bytesOf(dst[:], src[:], etherType, payload)
}

// login returns the EAP packets of a client with a hello, in pieces of n bytes.
func login(identifier, kind int, message []byte, n int) (packets [][]byte) {
	stream := record(message)
	parts := slices.Collect(slices.Chunk(stream, n))
	for i, part := range parts {
		flags, length := 0, []byte(nil)
		if i < len(parts)-1 {
			flags = 0x40
		}
		if i == 0 {
			flags, length = flags|0x80, bytesOf(uint32(len(stream)))
		}
		packets = append(packets, eapPacket(identifier+i, kind, flags, length, part))
	}
	return packets
}

// A local is a hello between neighbours.
type local struct {
	src, dst event.MAC
	via      string
	packets  int
	message  string
}

// readLocal returns the hellos of a capture without IP addresses.
func readLocal(t *testing.T, file []byte) (hellos []local, stats Stats) {
	stats, err := new(Reader).Read(t.Context(), bytes.NewReader(file), func(h *Hello) error {
		assert.Equal(t, parser.TLS, h.Transport)
		assert.False(t, h.Src.IsValid() || h.Dst.IsValid())
		via := ""
		for i, l := range h.Encapsulation {
			if i > 0 {
				via += ","
			}
			via += l.String()
		}
		o := h.Observation()
		assert.Equal(t, h.SrcMAC, o.SrcMAC)
		assert.Equal(t, h.DstMAC, o.DstMAC)
		hellos = append(hellos, local{h.SrcMAC, h.DstMAC, via, h.Datagrams, string(h.ClientHello.Raw)})
		return nil
	})
	require.NoError(t, err)
	return hellos, stats
}

func TestEAPOL(t *testing.T) {
	hello, other := realHello(t, "chromium-156"), realHello(t, "python-tls12")
	second := supplicant
	second[5] = 9
	frame := func(src event.MAC, eap []byte) []byte {
		return macFrame(authenticator, src, etherEAPOL, eapolFrame(eap))
	}
	frames := func(src event.MAC, packets [][]byte) [][]byte {
		return mapped(packets, func(p []byte) []byte { return frame(src, p) })
	}
	identity := frame(supplicant, []byte{eapResponse, 1, 0, 8, eapIdentity, 'a', 'b', 'c'})
	start := macFrame(authenticator, supplicant, etherEAPOL, []byte{1, 1, 0, 0})
	four := frames(supplicant, login(5, eapTLS, hello, 600))
	require.Len(t, four, 4)
	again := frames(supplicant, login(6, eapTLS, realHello(t, "firefox-153"), 600))
	ack := frame(supplicant, eapPacket(9, eapTLS, 0, nil, nil))
	request := slices.Clone(frames(supplicant, login(5, eapPEAP, other, 9999))[0])
	request[18] = 1
	expanded := func(vendor, kind uint32) []byte {
		b := bytesOf(eapResponse, 3, uint16(13+5+len(other)), uint32(eapExpanded<<24|vendor), kind, 0, record(other))
		return frame(supplicant, b)
	}
	a := func(message []byte, kind, packets int) local {
		return local{supplicant, authenticator, fmt.Sprintf("eap %d", kind), packets, string(message)}
	}
	firefox := realHello(t, "firefox-153")
	for _, test := range []struct {
		name   string
		frames [][]byte
		want   []local
		begun  int64
	}{
		{"PEAP", all(start, identity, frames(supplicant, login(3, eapPEAP, other, 9999))), []local{a(other, eapPEAP, 1)}, 0},
		{"TTLS", frames(supplicant, login(3, eapTTLS, other, 9999)), []local{a(other, eapTTLS, 1)}, 0},
		{"FAST", frames(supplicant, login(3, eapFAST, other, 9999)), []local{a(other, eapFAST, 1)}, 0},
		{"TEAP", frames(supplicant, login(3, eapTEAP, other, 9999)), []local{a(other, eapTEAP, 1)}, 0},
		{"expanded type", all(expanded(0, eapTLS)), []local{a(other, eapExpanded, 1)}, 0},
		{"TLS without a certificate of the client", all(expanded(40808, 13)), []local{a(other, eapExpanded, 1)}, 0},
		{"another expanded type", all(expanded(1, eapTLS)), nil, 0},
		{"four packets", four, []local{a(hello, eapTLS, 4)}, 0},
		{"small packets", frames(supplicant, login(250, eapTLS, hello, 40)), []local{a(hello, eapTLS, 50)}, 0},
		{"each twice", all(four[0], four[0], four[1], four[1], four[2], four[2], four[3], four[3]), []local{a(hello, eapTLS, 4)}, 0},
		{"all twice", all(four, four), []local{a(hello, eapTLS, 4)}, 0},
		{"acknowledgements", all(four, ack, ack), []local{a(hello, eapTLS, 4)}, 0},
		{"two clients at once", all(four[0], frames(second, login(5, eapTLS, firefox, 600)), four[1:]),
			[]local{{second, authenticator, "eap 13", 4, string(firefox)}, a(hello, eapTLS, 4)}, 0},
		{"the next login", all(four, identity, again), []local{a(hello, eapTLS, 4), a(firefox, eapTLS, 4)}, 0},
		{"the next login, with the same hello", all(identity, four, identity, four, start, identity, identity, four, four), []local{a(hello, eapTLS, 4), a(hello, eapTLS, 4), a(hello, eapTLS, 4)}, 0},
		{"broken off, then an identity", all(four[:2], identity, again), []local{a(firefox, eapTLS, 4)}, 1},
		{"broken off, then a start", all(four[:2], start, identity, again), []local{a(firefox, eapTLS, 4)}, 1},
		{"broken off, then a hello", all(four[:2], again), []local{a(firefox, eapTLS, 4)}, 0},
		{"broken off, with the same identifier", all(four[:2], frames(supplicant, login(5, eapTLS, firefox, 600))), []local{a(firefox, eapTLS, 4)}, 0},
		{"broken off", four[:3], nil, 1},
		{"broken off, and not begun again", all(four[:2], identity, again[2:]), nil, 1},
		{"second packet missing", all(four[:1], four[2:]), nil, 1},
		{"a request", all(request), nil, 0},
		{"another EAP type", frames(supplicant, login(3, 4, other, 9999)), nil, 0},
		{"empty", all(macFrame(authenticator, supplicant, etherEAPOL, nil), macFrame(authenticator, supplicant, etherEAPOL, []byte{2, 0, 0, 9})), nil, 0},
		{"a key", all(macFrame(authenticator, supplicant, etherEAPOL, bytesOf(2, 3, uint16(95), make([]byte, 95)))), nil, 0},
		{"truncated", all(four[0][:len(four[0])-6]), nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			hellos, stats := readLocal(t, pcapOf(LinkEthernet, test.frames...))
			assert.Equal(t, test.want, hellos)
			assert.Equal(t, test.begun, stats.Incomplete)
			assert.Zero(t, stats.Unknown)
		})
	}
}

// TestLocalEAPLinks reads a login in two packets over each link.
func TestLocalEAPLinks(t *testing.T) {
	message := realHello(t, "curl-openssl-3.0")
	none, ap := event.MAC{}, event.MAC{2, 0, 0, 0, 0, 3}
	snap := func(p []byte) []byte { return bytesOf("\xaa\xaa\x03\x00\x00\x00", uint16(etherEAPOL), eapolFrame(p)) }
	// wireless returns an 802.11 data frame with three addresses, and a fourth one or QoS.
	wireless := func(control, flags int, one, two, three event.MAC, more string, body []byte) []byte {
		return bytesOf(control, flags, uint16(0), one[:], two[:], three[:], uint16(0), more, body)
	}
	subframe := func(dst, src event.MAC, body []byte) []byte {
		b := bytesOf(dst[:], src[:], uint16(len(body)), body)
		return append(b, make([]byte, -len(b)&3)...)
	}
	ppp := func(p []byte) []byte { return bytesOf(uint16(pppEAP), p) }
	d, s := authenticator, supplicant
	for _, test := range []struct {
		name     string
		link     LinkType
		wrap     func(p []byte) []byte
		src, dst event.MAC
		via      string
		found    bool
	}{
		{"Ethernet", LinkEthernet, func(p []byte) []byte { return macFrame(d, s, etherEAPOL, eapolFrame(p)) }, s, d, "", true},
		{"preauthentication", LinkEthernet, func(p []byte) []byte { return macFrame(d, s, 0x88c7, eapolFrame(p)) }, s, d, "", true},
		{"VLAN", LinkEthernet, func(p []byte) []byte {
			return macFrame(d, s, etherVLAN, bytesOf(uint16(100), uint16(etherEAPOL), eapolFrame(p)))
		}, s, d, "vlan 100,", true},
		{"VXLAN", LinkRaw, func(p []byte) []byte {
			return udp(client4, addrPortOf(server4, 4789), bytesOf(uint32(8<<24), uint32(42<<8), macFrame(d, s, etherEAPOL, eapolFrame(p))))
		}, s, d, "vxlan 42,", true},
		{"SLL", LinkLinuxSLL, func(p []byte) []byte {
			return bytesOf(uint16(0), uint16(1), uint16(6), s[:], uint16(0), uint16(etherEAPOL), eapolFrame(p))
		}, s, none, "", true},
		{"SLL2", LinkLinuxSLL2, func(p []byte) []byte {
			return bytesOf(uint16(etherEAPOL), uint16(0), uint32(1), uint16(1), 0, 6, s[:], uint16(0), eapolFrame(p))
		}, s, none, "", true},
		{"802.11 to the access point", Link80211, func(p []byte) []byte { return wireless(8, 1, ap, s, d, "", snap(p)) }, s, d, "802.11,", true},
		{"802.11 from the access point", Link80211, func(p []byte) []byte { return wireless(8, 2, d, ap, s, "", snap(p)) }, s, d, "802.11,", true},
		{"802.11 without access point", Link80211, func(p []byte) []byte { return wireless(8, 0, d, s, ap, "", snap(p)) }, s, d, "802.11,", true},
		{"802.11 between access points", Link80211, func(p []byte) []byte { return wireless(8, 3, ap, ap, d, string(s[:]), snap(p)) }, s, d, "802.11,", true},
		{"802.11, QoS", Link80211, func(p []byte) []byte { return wireless(0x88, 1, d, s, d, "\x06\x00", snap(p)) }, s, d, "802.11,", true},
		{"802.11, QoS, four addresses", Link80211, func(p []byte) []byte { return wireless(0x88, 3, ap, ap, d, string(s[:])+"\x06\x00", snap(p)) }, s, d, "802.11,", true},
		{"802.11 aggregate", Link80211, func(p []byte) []byte {
			return wireless(0x88, 1, ap, ap, ap, "\x80\x00", bytesOf(subframe(s, d, []byte("other")), subframe(d, s, snap(p))))
		}, s, d, "802.11,", true},
		{"802.11, encrypted", Link80211, func(p []byte) []byte { return wireless(8, 0x41, ap, s, d, "", snap(p)) }, s, d, "", false},
		{"radiotap", LinkRadiotap, func(p []byte) []byte {
			return bytesOf("\x00\x00\x08\x00", uint32(0), wireless(8, 1, ap, s, d, "", snap(p)))
		}, s, d, "802.11,", true},
		{"Prism", LinkPrism, func(p []byte) []byte { return bytesOf(make([]byte, 144), wireless(8, 1, ap, s, d, "", snap(p))) }, s, d, "802.11,", true},
		{"AVS", LinkAVS, func(p []byte) []byte {
			return bytesOf(uint32(0x80211001), uint32(64), make([]byte, 56), wireless(8, 1, ap, s, d, "", snap(p)))
		}, s, d, "802.11,", true},
		{"CAPWAP", LinkRaw, func(p []byte) []byte {
			return udp(client4, addrPortOf(server4, 5247), bytesOf(uint32(2<<19|1<<9|1<<8), uint32(0), wireless(8, 1, ap, s, d, "", snap(p))))
		}, s, d, "capwap,802.11,", true},
		{"PPP", LinkPPP, ppp, none, none, "", true},
		{"PPP with HDLC", LinkPPPHDLC, func(p []byte) []byte { return bytesOf("\xff\x03", ppp(p)) }, none, none, "", true},
		{"PPP with direction", LinkPPPWithDir, func(p []byte) []byte { return bytesOf(1, ppp(p)) }, none, none, "", true},
		{"PPPoE", LinkEthernet, func(p []byte) []byte {
			return macFrame(d, s, etherPPPoE, bytesOf(0x11, 0, uint16(5), uint16(2+len(p)), ppp(p)))
		}, s, d, "pppoe 5,", true},
		{"L2TP", LinkEthernet, func(p []byte) []byte {
			return macFrame(d, s, etherIPv4, udp(client4, addrPortOf(server4, 1701), bytesOf(uint16(2), uint16(1), uint16(2), "\xff\x03", ppp(p))))
		}, none, none, "l2tp 2,", true},
		{"PPTP", LinkEthernet, func(p []byte) []byte {
			return macFrame(d, s, etherIPv4, ip(client4.Addr(), server4.Addr(), ipGRE, bytesOf(uint16(0x2001), uint16(0x880b), uint16(2+len(p)), uint16(12), ppp(p))))
		}, none, none, "gre 12,", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			packets := mapped(login(7, eapTLS, message, 300), test.wrap)
			require.Len(t, packets, 2)
			hellos, _ := readLocal(t, pcapOf(test.link, packets...))
			var want []local
			if test.found {
				want = []local{{test.src, test.dst, test.via + "eap 13", 2, string(message)}}
			}
			assert.Equal(t, want, hellos)
			// A monitor sees frames that are sent again, with the retry bit of 802.11.
			hellos, _ = readLocal(t, pcapOf(test.link, packets[0], packets[0], packets[1], packets[1]))
			assert.Equal(t, want, hellos)
			var cut [][]byte
			for n := range len(packets[0]) - 21 {
				cut = append(cut, packets[0][:n])
			}
			hellos, _ = readLocal(t, pcapOf(test.link, cut...))
			assert.Empty(t, hellos)
		})
	}
}

// TestEAPOLAndRADIUS: a login that is seen on both sides of the access point gives a
// hello on each, and so do two sessions over PPP.
func TestEAPOLAndRADIUS(t *testing.T) {
	message := realHello(t, "curl-openssl-3.0")
	packets := login(7, eapTLS, message, 300)
	var both [][]byte
	for _, p := range packets {
		both = append(both,
			macFrame(authenticator, supplicant, etherEAPOL, eapolFrame(p)),
			ipFrame(udp(client4, addrPortOf(server4, 1812), accessRequest("a", p))))
	}
	hellos := readAll(t, pcapOf(LinkEthernet, both...))
	require.Len(t, hellos, 2)
	assert.False(t, hellos[0].Src.IsValid())
	assert.Equal(t, client4, hellos[1].Src)
	radius := udp(client4, addrPortOf(server4, 1812), accessRequest("a", login(7, eapTLS, message, 3000)[0]))
	eachObservation(t, rawPcap(radius), func(_ *Hello, o event.Observation) { assert.Equal(t, ipUDP, o.Protocol) })

	session := func(id int, p []byte) []byte {
		return bytesOf(0x11, 0, uint16(id), uint16(2+len(p)), uint16(pppEAP), p)
	}
	assert.Len(t, readAll(t, pcapOf(LinkPPPoE, session(1, packets[0]), session(2, packets[0]), session(1, packets[1]), session(2, packets[1]))), 2)
	assert.Empty(t, readAll(t, pcapOf(LinkPPPoE, session(1, packets[0]), session(2, packets[1]))))
}

// FuzzEAPOL reads any bytes as EAP packets, and then a login, whose hello it must find.
func FuzzEAPOL(f *testing.F) {
	hello := realHello(f, "python-tls12")
	for _, p := range login(2, eapPEAP, hello, 100) {
		f.Add(p, uint8(90))
	}
	f.Add(eapPacket(2, eapTEAP, 0x90, []byte{0, 0, 7, 0, 0, 0, 0, 4}, bytesOf(record(hello), uint32(9))), uint8(1))
	f.Fuzz(func(t *testing.T, eap []byte, size uint8) {
		var last string
		s := newScanner(new(Reader), func(h *Hello) error {
			require.False(t, h.Src.IsValid())
			last = string(h.ClientHello.Raw)
			return nil
		})
		send := func(b []byte) {
			s.packet = packet{data: b, wire: len(b), link: LinkEthernet, stamp: stamp{rate: 1}}
			s.scan()
		}
		for n := 0; n < min(len(eap), 1500); n += 100 {
			send(macFrame(authenticator, supplicant, etherEAPOL, bytesOf(1, 0, uint16(len(eap[n:])), eap[n:])))
			send(macFrame(authenticator, supplicant, etherPPPoE, bytesOf(0x11, 0, uint32(0), uint16(pppEAP), eap[n:])))
		}
		total := 0
		for key, f := range s.flows.byKey {
			require.Equal(t, key, f.key)
			total += f.node.Size()
		}
		require.Equal(t, total, s.flows.awaited.Size()+s.flows.done.Size())
		for _, p := range login(int(size), eapTTLS, hello, 20+int(size)) {
			send(macFrame(authenticator, supplicant, etherEAPOL, eapolFrame(p)))
		}
		require.Equal(t, string(hello), last)
		s.finish()
	})
}
