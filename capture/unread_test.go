package capture

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestUnread: the notes name what was not read, and how many packets it was.
func TestUnread(t *testing.T) {
	const protected, toDS = 0x40, 1
	unknown := func(n int, etherType uint16) [][]byte {
		return slices.Repeat([][]byte{ether(etherType, make([]byte, 46))}, n)
	}
	esp := ip(client4.Addr(), server4.Addr(), 50, make([]byte, 40))
	esp6 := ip(client6.Addr(), server6.Addr(), 50, make([]byte, 40))
	icmp := ip(client4.Addr(), server4.Addr(), ipICMP, make([]byte, 40))
	dot11 := func(flags int) []byte {
		return bytesOf(0x08, flags, make([]byte, 22), "\xaa\xaa\x03\x00\x00\x00", uint16(etherIPv4), icmp)
	}
	for _, test := range []struct {
		name    string
		link    LinkType
		packets [][]byte
		notes   []Note
	}{
		{"FCoE and others", LinkEthernet, all(unknown(3, 0x8906), unknown(1, 0x88b5), unknown(2, 0x1234)), []Note{
			{3, "packets of EtherType 0x8906 (FCoE): not read"},
			{2, "packets of EtherType 0x1234: not read"},
			{1, "packet of EtherType 0x88b5 (local experimental 1): not read"},
		}},
		{"six EtherTypes", LinkEthernet, all(unknown(2, 0x5001), unknown(1, 0x5002), unknown(1, 0x5003), unknown(1, 0x5004), unknown(1, 0x5005), unknown(1, 0x5006)), []Note{
			{2, "packets of EtherType 0x5001: not read"},
			{1, "packet of EtherType 0x5002: not read"},
			{1, "packet of EtherType 0x5003: not read"},
			{1, "packet of EtherType 0x5004: not read"},
			{1, "packet of EtherType 0x5005: not read"},
			{1, "packet of EtherType 0x5006: not read"},
		}},
		{"seven EtherTypes", LinkEthernet, all(unknown(3, 0x5001), unknown(2, 0x5002), unknown(2, 0x5003), unknown(2, 0x5004), unknown(2, 0x5005), unknown(1, 0x5006), unknown(1, 0x5007)), []Note{
			{3, "packets of EtherType 0x5001: not read"},
			{2, "packets of EtherType 0x5002: not read"},
			{2, "packets of EtherType 0x5003: not read"},
			{2, "packets of EtherType 0x5004: not read"},
			{2, "packets of EtherType 0x5005: not read"},
			{2, "packets of 2 other EtherTypes: not read"},
		}},
		{"in a VLAN", LinkEthernet, all(ether(etherVLAN, bytesOf(uint16(5), uint16(0x8906), make([]byte, 42)))), []Note{
			{1, "packet of EtherType 0x8906 (FCoE): not read"},
		}},
		{"what carries no hello", LinkEthernet, all(unknown(5, 0x0806), unknown(5, 0x88cc), unknown(5, 0x8809), unknown(5, 0x9000), unknown(5, 38), ipFrame(icmp)), nil},
		{"ESP", LinkEthernet, all(ipFrame(esp), ipFrame(icmp), ipFrame(esp6)), []Note{
			{2, "packets of IP protocol 50 (ESP): not read"},
		}},
		{"an unassigned protocol", LinkRaw, all(ip(client4.Addr(), server4.Addr(), 200, make([]byte, 40))), []Note{
			{1, "packet of IP protocol 200: not read"},
		}},
		{"encrypted 802.11", Link80211, all(dot11(toDS), dot11(toDS|protected), dot11(protected)), []Note{
			{2, "packets encrypted by IEEE 802.11, MACsec or PPP: not read"},
		}},
		{"encrypted MACsec", LinkEthernet, all(ether(0x88e5, bytesOf(0x0c, make([]byte, 60)))), []Note{
			{1, "packets encrypted by IEEE 802.11, MACsec or PPP: not read"},
		}},
		{"MPPE", LinkPPP, all(bytesOf("\xff\x03\x00\xfd", make([]byte, 60))), []Note{
			{1, "packets encrypted by IEEE 802.11, MACsec or PPP: not read"},
		}},
		{"Ethernet that is said to be IP", LinkRaw, all(ipFrame(icmp)), []Note{
			{1, "packets that do not begin with an IP header, against their link type: not read"},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, stats, err := read(t, new(Reader), pcapOf(test.link, test.packets...))
			require.NoError(t, err)
			assert.Equal(t, test.notes, stats.Notes())
		})
	}
}

// TestCut: packets that lack a part of a hello are counted, others that were cut short
// are not.
func TestCut(t *testing.T) {
	hello := record(realHello(t, "chromium-156"))
	s := side{client4, server4, 1}
	server := side{server4, client4, 1}
	answer := append([]byte{22, 3, 3, 0, 80, 2, 0, 0, 76, 3, 3}, make([]byte, 74)...)
	dtls := udp(client4, server4, bytesOf(22, 0xfe, 0xfd, make([]byte, 8), uint16(500), 1, make([]byte, 500)))
	for _, test := range []struct {
		name    string
		packets [][]byte
		length  int // to which they are cut
		cut     int64
	}{
		{"whole", all(s.syn(), s.segments(hello, 1000)), 2000, 0},
		{"half", all(s.syn(), s.segments(hello, 1000)), 500, 2},
		{"two bytes", all(s.syn(), s.segments(hello, 1000)), 42, 2},
		{"the answer", all(server.data(0, answer)), 60, 0},
		{"DTLS", all(dtls), 200, 1},
		{"after the hello", all(s.syn(), s.data(0, hello), s.data(len(hello), make([]byte, 500))), 40 + len(hello), 0},
		{"no payload", all(s.syn()), 30, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := rawPcap()
			for i, p := range test.packets {
				n := min(len(p), test.length)
				for _, v := range []int{1700000000, i, n, len(p)} {
					b = binary.LittleEndian.AppendUint32(b, uint32(v))
				}
				b = append(b, p[:n]...)
			}
			_, stats, err := read(t, new(Reader), b)
			require.NoError(t, err)
			assert.Equal(t, test.cut, stats.Cut)
		})
	}
}

// TestUnknownIsBounded: a capture with every EtherType takes a few MB, and few notes.
func TestUnknownIsBounded(t *testing.T) {
	var packets [][]byte
	for i := range 1 << 16 {
		packets = append(packets, ether(uint16(i), make([]byte, 2)))
	}
	_, stats, err := read(t, new(Reader), pcapOf(LinkEthernet, packets...))
	require.NoError(t, err)
	assert.Less(t, len(stats.UnknownEtherTypes), 1<<16)
	assert.Greater(t, len(stats.UnknownEtherTypes), 60000)
	assert.Len(t, stats.Notes(), maxTypeNotes+1)
}

func TestEtherNames(t *testing.T) {
	assert.True(t, slices.IsSortedFunc(etherNames, func(a, b etherName) int { return cmp.Compare(a.number, b.number) }))
	names := make(map[string]EtherType)
	for _, row := range etherNames {
		assert.NotContains(t, names, row.name)
		names[row.name] = row.number
		assert.Equal(t, fmt.Sprintf("0x%04x (%s)", uint16(row.number), row.name), row.number.String())
	}
	assert.Equal(t, "0x1234", EtherType(0x1234).String())
	assert.Contains(t, slices.Collect(maps.Keys(names)), "LLDP")
}

func TestProtocolString(t *testing.T) {
	assert.Equal(t, "50 (ESP)", Protocol(50).String())
	assert.Equal(t, "200", Protocol(200).String())
	for p := range 256 {
		if Protocol(p).isQuiet() {
			assert.NotEmpty(t, Protocol(p).name(), p)
		}
	}
}
