package capture

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/lru"
	"github.com/tlspeek/tlspeek/parser"
)

// initialDatagrams returns the first datagrams of a QUIC client and of its server. The
// client's has the whole hello.
func initialDatagrams(t testing.TB) (client, server []byte) {
	b, err := os.ReadFile(filepath.Join(hellotest.Dir(), "captures", "quic-go.pcap"))
	require.NoError(t, err)
	packets, _ := readPackets(t, b)
	for _, p := range packets {
		if p.data[23] != ipUDP {
			continue
		}
		if client == nil {
			client = p.data[42:]
		} else if p.data[36] != packets[0].data[36] || p.data[37] != packets[0].data[37] {
			return client, p.data[42:]
		}
	}
	require.Fail(t, "no datagrams")
	return nil, nil
}

// dtlsFragment returns a DTLS record with a fragment of a message.
func dtlsFragment(message []byte, sequence, from, to int) []byte {
	body := message[4:]
	return bytesOf(recordHandshake, 0xfe, 0xfd, make([]byte, 8), uint16(12+to-from),
		message[:4], 0, sequence, 0, uint16(from), 0, uint16(to-from), body[from:to])
}

func TestDatagrams(t *testing.T) {
	initial, reply := initialDatagrams(t)
	dtls := realHello(t, "openssl-dtls")
	cookie := realHello(t, "openssl-dtls-cookie")
	n := len(dtls) - 4
	whole := dtlsFragment(dtls, 0, 0, n)
	channel := func(p []byte) []byte { return bytesOf(uint16(0x4001), uint16(len(p)), p, make([]byte, -len(p)&3)) }
	indication := func(typ uint16, p []byte) []byte {
		attribute := bytesOf(uint16(0x8022), uint16(1), "x\x00\x00\x00", uint16(0x13), uint16(len(p)), p, make([]byte, -len(p)&3))
		return bytesOf(typ, uint16(len(attribute)), uint32(0x2112a442), make([]byte, 12), attribute)
	}
	type want struct {
		transport parser.Transport
		index     int
		via       string
	}
	for _, test := range []struct {
		name      string
		datagrams [][]byte
		want      []want
	}{
		{"QUIC", all(initial), []want{{parser.QUIC, 1, ""}}},
		{"QUIC, repeated", all(initial, initial), []want{{parser.QUIC, 1, ""}}},
		{"QUIC in a TURN channel", all(channel(initial)), []want{{parser.QUIC, 1, "stun 16385"}}},
		{"QUIC, last byte changed", all(append(slices.Clone(initial[:len(initial)-1]), initial[len(initial)-1]^1)), nil},
		{"QUIC, truncated", all(initial[:len(initial)-1]), nil},
		{"QUIC, from a server", all(reply), nil},
		{"DTLS", all(whole), []want{{parser.DTLS, 1, ""}}},
		{"DTLS, repeated", all(whole, whole), []want{{parser.DTLS, 1, ""}}},
		{"DTLS, with cookie", all(whole, dtlsFragment(cookie, 1, 0, len(cookie)-4)), []want{{parser.DTLS, 1, ""}, {parser.DTLS, 2, ""}}},
		{"DTLS, fragments in any order", all(dtlsFragment(dtls, 0, 50, n), dtlsFragment(dtls, 0, 0, 30), dtlsFragment(dtls, 0, 20, 50)), []want{{parser.DTLS, 1, ""}}},
		{"DTLS, a fragment missing", all(dtlsFragment(dtls, 0, 50, n), dtlsFragment(dtls, 0, 0, 30)), nil},
		{"DTLS between STUN and RTP", all(indication(1, nil), append([]byte{0x80, 96}, make([]byte, 160)...), whole), []want{{parser.DTLS, 1, ""}}},
		{"DTLS in a TURN channel", all(channel(whole)), []want{{parser.DTLS, 1, "stun 16385"}}},
		{"DTLS in a Send indication", all(indication(0x16, whole)), []want{{parser.DTLS, 1, "stun"}}},
		{"DTLS in a Data indication", all(indication(0x17, whole)), []want{{parser.DTLS, 1, "stun"}}},
		{"DTLS in a STUN request", all(indication(1, whole)), nil},
		{"DTLS, encrypted", all(func() []byte { b := slices.Clone(whole); b[4] = 1; return b }()), nil},
		{"DTLS, truncated", all(whole[:len(whole)-1]), nil},
		{"one byte", all([]byte{0x40}, []byte{0x16}, []byte{0x80}, []byte{0}), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var packets [][]byte
			for _, d := range test.datagrams {
				packets = append(packets, udp(client6, server6, d))
			}
			var got []want
			for _, h := range readAll(t, rawPcap(packets...)) {
				got = append(got, want{h.Transport, h.Index, h.Via})
				assert.Equal(t, client6, h.Src)
				assert.Equal(t, server6, h.Dst)
			}
			assert.Equal(t, test.want, got)
		})
	}
}

// TestQUICFacts checks what a Hello says of its Initial.
func TestQUICFacts(t *testing.T) {
	initial, reply := initialDatagrams(t)
	var hellos int
	_, err := Read(t.Context(), file(rawPcap(udp(client4, server4, initial), udp(server4, client4, reply))), func(h *Hello) error {
		hellos++
		assert.Equal(t, 1, h.Datagrams)
		assert.Equal(t, uint32(1), uint32(h.QUIC.Version))
		assert.Equal(t, string(h.ClientHello.Raw), string(h.QUIC.Message))
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, 1, hellos)
}

// TestFlowAtHandDropped reads the rest of a datagram whose flow is dropped meanwhile.
func TestFlowAtHandDropped(t *testing.T) {
	initial, _ := initialDatagrams(t)
	dtls := realHello(t, "openssl-dtls")
	n := len(dtls) - 4
	whole := dtlsFragment(dtls, 0, 0, n)
	login := accessRequest("a", eapPacket(2, eapPEAP, 0, nil, record(realHello(t, "python-tls12"))))
	for _, memory := range []int64{1, 4 << 10, 64 << 10, 512 << 10} {
		var packets [][]byte
		for i := range 40 {
			from := addrPort(client4, i%7)
			packets = append(packets, udp(from, server4, initial), udp(from, server4, whole), udp(from, server4, firstOfTwo(t)),
				udp(from, server4, login), udp(from, server4, dtlsFragment(dtls, i, 0, n)))
		}
		hellos, stats, err := read(t, &Reader{MaxMemory: memory}, rawPcap(packets...))
		require.NoError(t, err)
		assert.Greater(t, len(hellos), 7)
		assert.Equal(t, int64(len(hellos)), stats.Hellos)
	}

	// A flow that takes more than the limit of done.
	packets := all(udp(client4, server4, dtlsFragment(dtls, 0, 0, 100)))
	padding := make([]byte, 50000)
	for range 12 {
		packets = append(packets, udp(client4, server4, append(dtlsFragment(dtls, 0, 0, 100), padding...)))
	}
	packets = append(packets, udp(client4, server4, dtlsFragment(dtls, 0, 100, n)))
	hellos, _, err := read(t, &Reader{MaxMemory: 16 << 20}, rawPcap(packets...))
	require.NoError(t, err)
	assert.Len(t, hellos, 1)
}

// TestFlowLimits drops flows whose hello is awaited, the oldest first.
func TestFlowLimits(t *testing.T) {
	dtls := realHello(t, "openssl-dtls")
	n := len(dtls) - 4
	var packets [][]byte
	for i := range 1000 {
		packets = append(packets, udp(addrPort(client4, i), server4, dtlsFragment(dtls, 0, 0, 100)))
	}
	for i := range 1000 {
		packets = append(packets, udp(addrPort(client4, 999-i), server4, dtlsFragment(dtls, 0, 100, n)))
	}
	hellos, stats, err := read(t, &Reader{MaxMemory: 16 << 20}, rawPcap(packets...))
	require.NoError(t, err)
	assert.Positive(t, len(hellos))
	assert.Less(t, len(hellos), 1000)
	assert.GreaterOrEqual(t, stats.DroppedFlows, int64(1000-len(hellos)))

	hellos, stats, err = read(t, new(Reader), rawPcap(packets...))
	require.NoError(t, err)
	assert.Len(t, hellos, 1000)
	assert.Zero(t, stats.DroppedFlows)
}

// firstOfTwo returns the first of the two datagrams in which Chromium sends its
// hello.
func firstOfTwo(t testing.TB) []byte {
	b, err := os.ReadFile(filepath.Join("..", "quichello", "testdata", "chromium156-1.hex"))
	require.NoError(t, err)
	b, err = hex.DecodeString(strings.Join(strings.Fields(string(b)), ""))
	require.NoError(t, err)
	return b
}

// TestFlowMemory requires that the sizes of flows are those of their Assemblers, and
// that the oldest flows beyond the limits are dropped.
func TestFlowMemory(t *testing.T) {
	initial, _ := initialDatagrams(t)
	half := firstOfTwo(t)
	s := newScanner(&Reader{MaxMemory: 16 << 20}, func(*Hello) error { return nil })
	for i := range 1000 {
		from := addrPort(client4, i)
		datagrams := all(half, half, half)
		if i%2 == 0 {
			datagrams = all(initial, half)
		}
		for _, d := range datagrams {
			b := udp(from, server4, d)
			s.packet = packet{data: b, wire: len(b), link: LinkRaw, stamp: stamp{rate: 1}}
			s.scan()
		}
	}
	flows := 0
	check := func(l *lru.List[flow], maxSize int) {
		memory := 0
		for f := range l.All() {
			assert.Equal(t, flowOverhead+f.quic.Buffered(), f.node.Size())
			memory += f.node.Size()
			flows++
		}
		assert.Equal(t, memory, l.Size())
		assert.LessOrEqual(t, l.Size(), maxSize)
		assert.Greater(t, l.Size(), maxSize/2)
	}
	check(&s.flows.awaited, s.flows.maxAwaited)
	check(&s.flows.done, s.flows.maxDone)
	assert.Len(t, s.flows.byKey, flows)
}

// TestIncompleteDatagrams counts hellos of which datagrams are missing.
func TestIncompleteDatagrams(t *testing.T) {
	initial, reply := initialDatagrams(t)
	half := firstOfTwo(t)
	dtls := realHello(t, "openssl-dtls")
	for _, test := range []struct {
		name       string
		datagrams  [][]byte
		incomplete int64
	}{
		{"QUIC", all(half, half), 1},
		{"QUIC, after a hello", all(initial, half), 1},
		{"QUIC, complete", all(initial, initial), 0},
		{"QUIC, from a server", all(reply), 0},
		{"DTLS", all(dtlsFragment(dtls, 0, 0, 50)), 1},
		{"DTLS, complete", all(dtlsFragment(dtls, 0, 0, len(dtls)-4)), 0},
	} {
		var packets [][]byte
		for _, d := range test.datagrams {
			packets = append(packets, udp(client6, server6, d))
		}
		_, stats, err := read(t, new(Reader), rawPcap(packets...))
		require.NoError(t, err, test.name)
		assert.Equal(t, test.incomplete, stats.Incomplete, test.name)
	}
}

// TestDroppedConnections counts the connections of one flow that are dropped because
// it has more than four.
func TestDroppedConnections(t *testing.T) {
	var packets [][]byte
	for range 6 {
		packets = append(packets, udp(client4, server4, firstDatagram(t)))
	}
	hellos, stats, err := read(t, new(Reader), rawPcap(packets...))
	require.NoError(t, err)
	assert.Empty(t, hellos)
	assert.Equal(t, int64(4), stats.Incomplete)
	assert.Equal(t, int64(2), stats.DroppedFlows)
}

// firstDatagram returns the first datagram of a quic-go client whose hello takes
// more than one.
func firstDatagram(t testing.TB) []byte {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	dialed := make(chan error)
	go func() {
		long := slices.Repeat([]string{strings.Repeat("x", 250)}, 8)
		_, err := quic.DialAddr(ctx, server.LocalAddr().String(), &tls.Config{NextProtos: long}, nil)
		dialed <- err
	}()
	datagram := make([]byte, 1500)
	n, _, err := server.ReadFrom(datagram)
	cancel()
	<-dialed
	require.NoError(t, err)
	return datagram[:n]
}

// TestRandomDatagrams finds no hello in random datagrams and segments, even with the
// first bytes of a hello.
func TestRandomDatagrams(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	s := newScanner(new(Reader), func(*Hello) error { return nil })
	p := udp(client4, server4, make([]byte, 1200))
	segment := side{client4, server4, 1}.data(0, make([]byte, 1200))
	for i := range 1_000_000 {
		for _, b := range [][]byte{p[28:], segment[40:]} {
			for j := 0; j < 64; j += 8 {
				v := r.Uint64()
				for k := range 8 {
					b[j+k] = byte(v >> (8 * k))
				}
			}
			switch i % 5 {
			case 1:
				copy(b, "\x16\xfe\xfd\x00\x00")
			case 2:
				copy(b, "\xc0\x00\x00\x00\x01\x08")
			case 3:
				copy(b, "\x16\x03\x01")
			case 4:
				copy(b, "\x20session!\x00\x00\x00\x00\x01\x16\x03\x01")
			}
		}
		for _, b := range [][]byte{p, segment} {
			b[20], b[21] = byte(i>>8), byte(i)
			s.packet = packet{data: b, wire: len(b), link: LinkRaw, stamp: stamp{rate: 1}}
			s.scan()
		}
	}
	s.finish()
	assert.Zero(t, s.stats.Hellos)
	assert.Zero(t, s.stats.Incomplete)
}

func TestDatagramKinds(t *testing.T) {
	docs, err := os.ReadFile("../docs/capture.md")
	require.NoError(t, err)
	s := newScanner(new(Reader), nil)
	for i, kind := range datagramKinds {
		assert.LessOrEqual(t, kind.first, kind.last)
		if i > 0 {
			assert.Less(t, datagramKinds[i-1].last, kind.first)
		}
		assert.Equal(t, uint8(i+1), s.kindOfByte[kind.first])
		assert.Equal(t, uint8(i+1), s.kindOfByte[kind.last])
		assert.NotNil(t, kind.read)
		for b := int(kind.first); b <= int(kind.last); b++ {
			assert.False(t, kind.match([]byte{byte(b)}), "%#x alone", b)
		}
		if kind.layer != 0 {
			assert.Regexp(t, fmt.Sprintf("(?m)^\\| `%v` .*\\bon any (UDP )?port\\b", kind.layer), string(docs))
		}
	}
	assert.Zero(t, s.kindOfByte[0x50])
	assert.Nil(t, s.classify([]byte{0x50}))
}
