package capture

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRareEtherTypes reads a hello behind the EtherTypes that differ from one of
// TestEncapsulations by their number only.
func TestRareEtherTypes(t *testing.T) {
	packet := side{client4, server4, 1}.data(0, record(realHello(t, "python-tls12")))
	tag := bytesOf(uint16(7), uint16(etherIPv4), packet)
	for _, c := range []struct {
		etherType uint16
		payload   []byte
		via       string
	}{
		{0x8848, bytesOf(uint32(16<<12|1<<8), packet), "mpls 16"},
		{0x892f, bytesOf(uint32(1), uint16(etherIPv4), packet), "tag"},
		{0x9100, tag, "vlan 7"},
		{0x9200, tag, "vlan 7"},
		{0x9300, tag, "vlan 7"},
	} {
		hellos := readAll(t, pcapOf(LinkEthernet, ether(c.etherType, c.payload)))
		if assert.Len(t, hellos, 1, "EtherType %04x", c.etherType) {
			assert.Equal(t, c.via, hellos[0].Via, "EtherType %04x", c.etherType)
		}
	}
}

// TestUnknownEtherTypes: packets that never carry a hello are known.
func TestUnknownEtherTypes(t *testing.T) {
	for etherType, want := range map[uint16]int64{0x0806: 0, 0x1234: 1} {
		_, stats, err := read(t, new(Reader), pcapOf(LinkEthernet, ether(etherType, make([]byte, 46))))
		require.NoError(t, err)
		assert.Equal(t, want, stats.Unknown, "EtherType %04x", etherType)
	}
}
