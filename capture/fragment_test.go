package capture

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fragmented4 returns an IPv4 packet in fragments of n bytes. The last one may be
// shorter.
func fragmented4(packet []byte, id uint16, n int) [][]byte {
	var list [][]byte
	for i := 20; i < len(packet); i += n {
		end := min(i+n, len(packet))
		f := slices.Concat(packet[:20], packet[i:end])
		binary.BigEndian.PutUint16(f[2:], uint16(len(f)))
		binary.BigEndian.PutUint16(f[4:], id)
		offset := uint16(i-20) / 8
		if end < len(packet) {
			offset |= 0x2000
		}
		binary.BigEndian.PutUint16(f[6:], offset)
		list = append(list, f)
	}
	return list
}

// fragmented6 is fragmented4 for IPv6.
func fragmented6(packet []byte, id uint32, n int) [][]byte {
	var list [][]byte
	for i := 40; i < len(packet); i += n {
		end := min(i+n, len(packet))
		offset := uint16(i - 40)
		if end < len(packet) {
			offset |= 1
		}
		f := bytesOf(packet[:40], int(packet[6]), 0, offset, id, packet[i:end])
		f[6] = ipFragment
		binary.BigEndian.PutUint16(f[4:], uint16(len(f)-40))
		list = append(list, f)
	}
	return list
}

func TestFragments(t *testing.T) {
	hello := realHello(t, "chromium-156")
	four := side{client4, server4, 1}.data(0, record(hello))
	six := side{client6, server6, 1}.data(0, record(hello))
	r := rand.New(rand.NewPCG(7, 8))
	shuffle := func(list [][]byte) [][]byte {
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		return list
	}
	reverse := func(list [][]byte) [][]byte {
		slices.Reverse(list)
		return list
	}
	cut := fragmented4(four, 1, 800)
	cut[1] = cut[1][:500]
	for _, test := range []struct {
		name    string
		packets [][]byte
		want    int
	}{
		{"IPv4", fragmented4(four, 1, 1000), 1},
		{"IPv4, in reverse order", reverse(fragmented4(four, 1, 1000)), 1},
		{"IPv4, 8 bytes each, in any order", shuffle(fragmented4(four, 1, 8)), 1},
		{"IPv4, twice", all(fragmented4(four, 1, 800)[:2], fragmented4(four, 1, 800)), 1},
		{"IPv4, overlapping", all(fragmented4(four, 1, 800)[:2], fragmented4(four, 1, 504)), 1},
		{"IPv6", fragmented6(six, 1, 1000), 1},
		{"IPv6, 8 bytes each, in any order", shuffle(fragmented6(six, 1, 8)), 1},
		{"IPv6, same identification for two packets", all(fragmented6(six, 1, 1000), fragmented6(six, 1, 1000)), 1},
		{"fragments of two packets", all(fragmented4(four, 1, 1000)[:1], fragmented4(four, 2, 1000)[1:]), 0},
		{"first missing", fragmented4(four, 1, 800)[1:], 0},
		{"last missing", fragmented4(four, 1, 800)[:2], 0},
		{"a fragment truncated by the snap length", cut, 0},
		{"beyond 65535 bytes", all(func() []byte {
			f := slices.Clone(fragmented4(four, 1, 800)[0])
			binary.BigEndian.PutUint16(f[6:], 0x1fff)
			return f
		}()), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			hellos := readAll(t, rawPcap(test.packets...))
			require.Len(t, hellos, test.want)
			for _, h := range hellos {
				assert.Equal(t, string(hello), h.Message)
				assert.Equal(t, "fragments", h.Via)
			}
		})
	}
}

// TestFragmentLimits drops incomplete packets, the oldest first.
func TestFragmentLimits(t *testing.T) {
	packet := side{client4, server4, 1}.data(0, record(realHello(t, "chromium-156")))
	var packets [][]byte
	for id := range uint16(maxFragmented + 10) {
		packets = append(packets, fragmented4(packet, id, 1200)[0])
	}
	packets = append(packets, fragmented4(packet, maxFragmented+9, 1200)[1]) // the newest
	packets = append(packets, fragmented4(packet, 0, 1200)[1])               // the oldest
	hellos, stats, err := read(t, new(Reader), rawPcap(packets...))
	require.NoError(t, err)
	assert.Len(t, hellos, 1)
	assert.Equal(t, int64(10), stats.DroppedFragments)

	// Large packets reach the memory limit first.
	large := ip(client4.Addr(), server4.Addr(), ipUDP, make([]byte, 60000))
	packets = packets[:0]
	for id := range uint16(1000) {
		packets = append(packets, fragmented4(large, id, 50000)[0])
	}
	_, stats, err = read(t, new(Reader), rawPcap(packets...))
	require.NoError(t, err)
	assert.Equal(t, int64(1000-maxFragmentMemory/(50000+segmentOverhead)), stats.DroppedFragments)
}

// TestFragmentsKept requires that nothing is kept of complete packets, also after an
// incomplete one.
func TestFragmentsKept(t *testing.T) {
	packet := ip(client4.Addr(), server4.Addr(), ipUDP, make([]byte, 30000))
	packets := fragmented4(packet, 0, 16000)[:1]
	for id := range uint16(1000) {
		packets = append(packets, fragmented4(packet, 1+id, 16000)...)
	}
	s := newScanner(new(Reader), nil)
	for _, p := range packets {
		s.packet = packet4(p, 0)
		s.scan()
	}
	assert.Equal(t, 1, s.fragments.byAge.Len())
	assert.Len(t, s.fragments.packets, 1)
	assert.Equal(t, 16000+segmentOverhead, s.fragments.byAge.Size())
	assert.Zero(t, s.stats.DroppedFragments)
}

// TestFragmentAge does not mix old fragments with those of a later packet with the
// same identification.
func TestFragmentAge(t *testing.T) {
	hello := realHello(t, "chromium-156")
	old := fragmented4(side{client4, server4, 1}.data(0, record(slices.Repeat([]byte{1}, len(hello)))), 7, 800)
	packets := fragmented4(side{client4, server4, 1}.data(0, record(hello)), 7, 800)
	for _, age := range []int64{60, 61} {
		var messages []string
		s := newScanner(new(Reader), func(h *Hello) error {
			messages = append(messages, string(h.ClientHello.Raw))
			return nil
		})
		s.packet = packet4(old[1], 0)
		s.scan()
		for _, p := range packets {
			s.packet = packet4(p, age)
			s.scan()
		}
		if age > 60 {
			assert.Equal(t, []string{string(hello)}, messages)
			assert.Equal(t, int64(1), s.stats.DroppedFragments)
		} else {
			assert.NotEqual(t, []string{string(hello)}, messages)
			assert.Zero(t, s.stats.DroppedFragments)
		}
	}
}

// packet4 returns a packet of a capture with an IP packet and a time in seconds.
func packet4(b []byte, second int64) packet {
	return packet{data: b, wire: len(b), link: LinkRaw, stamp: stamp{seconds: second, rate: 1}}
}
