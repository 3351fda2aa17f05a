package capture

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestOddFiles reads files that other readers refuse, or of which they read nothing.
func TestOddFiles(t *testing.T) {
	hello := record(realHello(t, "python-tls12"))
	s := side{client4, server4, 1}
	packet := s.data(0, hello)
	le := binary.LittleEndian
	build := func(f func(g *ng)) []byte {
		var g ng
		g.section(le)
		f(&g)
		return g.b
	}
	snapLen := func(n uint32) []byte {
		file := rawPcap(packet)
		le.PutUint32(file[16:], n)
		return file
	}
	wire := func(n uint32) []byte {
		file := rawPcap(packet)
		le.PutUint32(file[36:], n)
		return file
	}
	for _, test := range []struct {
		name   string
		file   []byte
		hellos int
		notes  []Note
	}{
		{"interface without bounds", build(func(g *ng) { g.iface(LinkRaw, 0xffffffff); g.enhanced(0, 0, packet) }), 1, nil},
		{"interfaces that differ", build(func(g *ng) {
			g.iface(LinkEthernet, 0)
			g.iface(LinkRaw, 65535)
			g.iface(147, 262144)
			g.enhanced(2, 0, packet)
			g.enhanced(1, 0, packet)
			g.enhanced(0, 0, ipFrame(udp(client4, server4, []byte("nothing"))))
		}), 1, []Note{{1, "packet of link type 147 (USER0): not read"}}},
		{"interfaces without packets", build(func(g *ng) { g.iface(LinkRaw, 0) }), 0, nil},
		{"names, statistics and secrets", build(func(g *ng) {
			g.iface(LinkRaw, 0)
			g.block(blockNames, make([]byte, 4))
			g.block(blockStatistics, make([]byte, 12))
			g.block(blockSecrets, make([]byte, 8))
			g.enhanced(0, 0, packet)
		}), 1, nil},
		{"custom and unassigned blocks", build(func(g *ng) {
			g.iface(LinkRaw, 0)
			g.block(0x0bad, make([]byte, 4))
			g.block(0x80000001, make([]byte, 12))
			g.enhanced(0, 0, packet)
		}), 1, []Note{{2, "pcapng blocks of unknown type or version: skipped"}}},
		{"section of another version", build(func(g *ng) {
			g.iface(LinkRaw, 0)
			g.section(le)
			g.b[len(g.b)-16] = 2
			g.iface(LinkRaw, 0)
			g.enhanced(0, 0, packet)
			g.section(le)
			g.iface(LinkRaw, 0)
			g.enhanced(0, 0, packet)
		}), 1, []Note{{2, "pcapng blocks of unknown type or version: skipped"}}},
		{"no snap length", snapLen(0), 1, nil},
		{"packets beyond the snap length", snapLen(70), 1, nil},
		{"length on the wire beyond the snap length", wire(1 << 20), 1, nil},
		{"length on the wire below that in the file", wire(1), 1, nil},
		{"no length on the wire", wire(0), 1, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			hellos, stats, err := read(t, new(Reader), test.file)
			require.NoError(t, err)
			assert.Len(t, hellos, test.hellos)
			assert.Equal(t, test.notes, stats.Notes())
		})
	}
}
