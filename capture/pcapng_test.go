package capture

import (
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An ng builds a pcapng file.
type ng struct {
	binary.AppendByteOrder
	b []byte
}

func (g *ng) block(typ uint32, body []byte) {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	g.b = g.AppendUint32(g.b, typ)
	g.b = g.AppendUint32(g.b, uint32(12+len(body)))
	g.b = append(g.b, body...)
	g.b = g.AppendUint32(g.b, uint32(12+len(body)))
}

func (g *ng) section(order binary.AppendByteOrder) {
	g.AppendByteOrder = order
	body := g.AppendUint32(nil, byteOrderMagic)
	body = g.AppendUint16(body, 1)
	body = g.AppendUint16(body, 0)
	g.block(blockSectionHeader, g.AppendUint64(body, 1<<64-1))
}

func (g *ng) iface(link LinkType, snapLen uint32, options ...[]byte) {
	body := g.AppendUint16(nil, uint16(link))
	body = g.AppendUint16(body, 0)
	body = g.AppendUint32(body, snapLen)
	for _, o := range options {
		body = append(body, o...)
	}
	g.block(blockInterface, body)
}

func (g *ng) option(code uint16, value []byte) []byte {
	o := g.AppendUint16(nil, code)
	o = g.AppendUint16(o, uint16(len(value)))
	o = append(o, value...)
	for len(o)%4 != 0 {
		o = append(o, 0)
	}
	return o
}

func (g *ng) enhanced(id uint32, ticks uint64, data []byte) {
	body := g.AppendUint32(nil, id)
	body = g.AppendUint32(body, uint32(ticks>>32))
	body = g.AppendUint32(body, uint32(ticks))
	body = g.AppendUint32(body, uint32(len(data)))
	body = g.AppendUint32(body, 1500)
	g.block(blockEnhancedPacket, append(body, data...))
}

func (g *ng) old(id uint16, ticks uint64, data []byte) {
	body := g.AppendUint16(nil, id)
	body = g.AppendUint16(body, 3) // dropped packets
	body = g.AppendUint32(body, uint32(ticks>>32))
	body = g.AppendUint32(body, uint32(ticks))
	body = g.AppendUint32(body, uint32(len(data)))
	body = g.AppendUint32(body, 1500)
	g.block(blockPacket, append(body, data...))
}

func (g *ng) simple(wire uint32, data []byte) {
	g.block(blockSimplePacket, append(g.AppendUint32(nil, wire), data...))
}

func TestPcapng(t *testing.T) {
	data := []byte("five!")
	var g ng
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		g.section(order)
		g.block(0x0bad, []byte("a block of a kind that nobody knows"))
		g.iface(LinkEthernet, 3, g.option(2, []byte("eth0")))
		g.iface(LinkRaw, 0,
			g.option(optionTSResol, []byte{9}),
			g.option(optionTSOffset, g.AppendUint64(nil, 1000)),
			g.option(optionEnd, nil),
			g.option(optionTSResol, []byte{3})) // after the end of options
		g.iface(LinkLinuxSLL2, 0, g.option(optionTSResol, []byte{0x80 | 20}))
		g.enhanced(0, 1700000000_000001, data)
		g.enhanced(1, 1700000000_000000001, data)
		g.block(5, make([]byte, 12)) // statistics
		g.enhanced(2, 1700000000<<20|1<<19, data)
		g.old(1, 5, data)
		g.simple(5, data)
		g.simple(2, data[:2])
	}
	packets, err := readPackets(t, g.b)
	require.Equal(t, io.EOF, err)
	require.Len(t, packets, 12)
	for i, p := range packets {
		want := []struct {
			data string
			wire int
			link LinkType
			time time.Time
		}{
			{"five!", 1500, LinkEthernet, time.Unix(1700000000, 1000)},
			{"five!", 1500, LinkRaw, time.Unix(1700001000, 1)},
			{"five!", 1500, LinkLinuxSLL2, time.Unix(1700000000, 5e8)},
			{"five!", 1500, LinkRaw, time.Unix(1000, 5)},
			{"fiv", 5, LinkEthernet, time.Unix(0, 0)},
			{"fi", 2, LinkEthernet, time.Unix(0, 0)},
		}[i%6]
		assert.Equal(t, int64(i+1), p.number)
		assert.Equal(t, want.data, string(p.data))
		assert.Equal(t, want.wire, p.wire)
		assert.Equal(t, want.link, p.link)
		assert.Equal(t, want.time.UTC(), p.stamp.time())
	}
	for n := 1; n < len(g.b); n++ {
		_, err := readPackets(t, g.b[:n])
		assert.ErrorContains(t, err, "EOF", n)
	}
}

func TestPcapngErrors(t *testing.T) {
	for _, test := range []struct {
		name  string
		build func(g *ng)
		err   string
	}{
		{"no interface", func(g *ng) { g.enhanced(0, 0, nil) }, "packet of an interface that is not described: number 0"},
		{"simple packet without interface", func(g *ng) { g.simple(0, nil) }, "packet of an interface that is not described: number 0"},
		{"interface of the section before", func(g *ng) {
			g.iface(LinkRaw, 0)
			g.section(binary.LittleEndian)
			g.enhanced(0, 0, nil)
		}, "packet of an interface that is not described: number 0"},
		{"short interface block", func(g *ng) { g.block(blockInterface, []byte("four")) }, "block length out of bounds"},
		{"short packet block", func(g *ng) { g.block(blockEnhancedPacket, make([]byte, 16)) }, "block length out of bounds"},
		{"captured length", func(g *ng) {
			g.iface(LinkRaw, 0)
			body := make([]byte, 24)
			body[12] = 5
			g.block(blockEnhancedPacket, body)
		}, "packet length out of bounds: 5 bytes"},
		{"length below 12", func(g *ng) { g.b = append(g.b, 6, 0, 0, 0, 8, 0, 0, 0) }, "block length out of bounds: 8 bytes"},
		{"odd length", func(g *ng) { g.b = append(g.b, 6, 0, 0, 0, 13, 0, 0, 0) }, "block length out of bounds: 13 bytes"},
		{"long packet block", func(g *ng) { g.b = append(g.b, 6, 0, 0, 0, 0, 0, 0, 0x80) }, "block length out of bounds: 2147483648 bytes"},
		{"long unknown block", func(g *ng) { g.b = append(g.b, 7, 0, 0, 0, 0, 0, 0, 0x80) }, "unexpected EOF"},
		{"trailer", func(g *ng) {
			g.iface(LinkRaw, 0)
			g.b[len(g.b)-4]++
		}, "block ends in another length than it begins with"},
		{"byte order", func(g *ng) {
			g.section(binary.LittleEndian)
			g.b[len(g.b)-20]++
		}, "unknown byte-order magic"},
		{"section length", func(g *ng) {
			g.section(binary.LittleEndian)
			g.b[len(g.b)-24] = 20
		}, "block length out of bounds: 20 bytes"},
		{"decimal resolution", func(g *ng) { g.iface(LinkRaw, 0, g.option(optionTSResol, []byte{20})) }, "time stamp resolution too fine"},
		{"binary resolution", func(g *ng) { g.iface(LinkRaw, 0, g.option(optionTSResol, []byte{0xc0})) }, "time stamp resolution too fine"},
		{"many interfaces", func(g *ng) {
			for range maxInterfaces + 1 {
				g.iface(LinkRaw, 0)
			}
		}, "more than 65536 interfaces"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var g ng
			g.section(binary.LittleEndian)
			test.build(&g)
			_, err := readPackets(t, g.b)
			assert.EqualError(t, err, test.err)
		})
	}
}

// TestTickRate converts times with the finest resolutions that are supported.
func TestTickRate(t *testing.T) {
	for _, test := range []struct {
		resolution byte
		rate       uint64
	}{
		{0, 1}, {6, 1e6}, {9, 1e9}, {19, 1e19}, {20, 0}, {127, 0}, {0x80, 1}, {0x80 | 63, 1 << 63}, {0x80 | 64, 0}, {255, 0},
	} {
		assert.Equal(t, test.rate, tickRate(test.resolution), "%#x", test.resolution)
	}
	assert.Equal(t, time.Unix(1, 844674407).UTC(), stamp{0, 1<<64 - 1, 1e19}.time())
	assert.Equal(t, time.Unix(-6, 5e8).UTC(), stamp{-7, 3, 2}.time())
}
