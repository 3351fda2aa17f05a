package capture

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
)

// An sctpSide sends DATA or I-DATA chunks.
type sctpSide struct {
	interleaved bool
	flags       int // of all chunks
	size        int // of the data in a chunk
	tsn         uint32
	message     map[uint16]uint32 // the next one of each stream
}

// chunk returns a chunk with its padding.
func chunk(kind, flags int, value []byte) []byte {
	return bytesOf(kind, flags, uint16(4+len(value)), value, make([]byte, -len(value)&3))
}

// send returns the chunks of a message on a stream.
func (c *sctpSide) send(stream uint16, message []byte) (chunks [][]byte) {
	if c.message == nil {
		c.message = make(map[uint16]uint32)
	}
	parts := slices.Collect(slices.Chunk(message, c.size))
	for i, part := range parts {
		flags := c.flags
		if i == 0 {
			flags |= sctpBegins
		}
		if i == len(parts)-1 {
			flags |= sctpEnds
		}
		number := c.message[stream]
		if c.interleaved {
			fsn := uint32(i)
			if i == 0 {
				fsn = 47 // the protocol
			}
			chunks = append(chunks, chunk(sctpIData, flags, bytesOf(c.tsn, stream, uint16(0), number, fsn, part)))
		} else {
			chunks = append(chunks, chunk(sctpData, flags, bytesOf(c.tsn, stream, uint16(number), uint32(0), part)))
		}
		c.tsn++
	}
	c.message[stream]++
	return chunks
}

// sctpPacket returns an SCTP packet.
func sctpPacket(tag uint32, chunks ...[]byte) []byte {
	return bytesOf(client4.Port(), server4.Port(), tag, uint32(0), slices.Concat(chunks...))
}

// TestSCTP reads the hellos in an association.
func TestSCTP(t *testing.T) {
	hello, other := realHello(t, "chromium-156"), realHello(t, "python-tls12")
	second := realHello(t, "curl-openssl-3.0")
	dtls := realHello(t, "openssl-dtls")
	n := len(dtls) - 4
	whole := dtlsFragment(dtls, 0, 0, n)
	heartbeat := chunk(4, 0, []byte("heartbeat info"))
	type want struct {
		message []byte
		via     string
		parts   int // 0 is not compared
	}
	one := func(chunks ...[]byte) (packets [][]byte) { // a chunk in a packet
		for _, c := range chunks {
			packets = append(packets, sctpPacket(7, c))
		}
		return packets
	}
	reversed := func(chunks [][]byte) [][]byte { c := slices.Clone(chunks); slices.Reverse(c); return c }
	for _, interleaved := range []bool{false, true} {
		side := func(size int) *sctpSide { return &sctpSide{interleaved: interleaved, size: size, tsn: 1<<32 - 2} }
		send := func(size int, stream uint16, messages ...[]byte) (chunks [][]byte) {
			c := side(size)
			for _, m := range messages {
				chunks = append(chunks, c.send(stream, m)...)
			}
			return chunks
		}
		shuffled := send(100, 1, record(hello))
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		unordered := &sctpSide{interleaved: interleaved, size: 100, flags: sctpUnordered}
		two := side(300)
		mixed := all(two.send(1, record(hello)), two.send(2, record(other)))
		inParts := records(hello, 500)
		var messages [][]byte
		for part := range slices.Chunk(inParts, 505) {
			messages = append(messages, part)
		}
		for _, test := range []struct {
			name    string
			packets [][]byte
			want    []want
			begun   int64
		}{
			{"one message", one(send(9999, 0, record(other))...), []want{{other, "sctp", 1}}, 0},
			{"a stream", one(send(9999, 5, record(other))...), []want{{other, "sctp 5", 1}}, 0},
			{"fragments", one(send(400, 1, record(hello))...), []want{{hello, "sctp 1", 5}}, 0},
			{"small fragments", one(send(40, 1, record(hello))...), []want{{hello, "sctp 1", 0}}, 0},
			{"bytes", one(send(3, 1, record(other))...), []want{{other, "sctp 1", 0}}, 0},
			{"bundled", [][]byte{sctpPacket(7, append([][]byte{heartbeat}, send(400, 1, record(hello))...)...)}, []want{{hello, "sctp 1", 5}}, 0},
			{"reversed", one(reversed(send(100, 1, record(hello)))...), []want{{hello, "sctp 1", 0}}, 0},
			{"shuffled", one(shuffled...), []want{{hello, "sctp 1", 0}}, 0},
			{"each twice", one(func() (c [][]byte) {
				for _, x := range send(300, 1, record(hello)) {
					c = append(c, x, x)
				}
				return c
			}()...), []want{{hello, "sctp 1", 6}}, 0},
			{"all twice", one(all(send(300, 1, record(hello)), send(300, 1, record(hello)))...), []want{{hello, "sctp 1", 6}}, 0},
			{"records in messages", one(send(9999, 1, messages...)...), []want{{hello, "sctp 1", len(messages)}}, 0},
			{"records in messages, reversed", one(reversed(send(9999, 1, messages...))...), []want{{hello, "sctp 1", len(messages)}}, 0},
			{"records in messages, in fragments, reversed", one(reversed(send(200, 1, messages...))...), []want{{hello, "sctp 1", 0}}, 0},
			{"two streams", one(mixed...), []want{{hello, "sctp 1", 0}, {other, "sctp 2", 0}}, 0},
			{"two streams, mixed", one(slices.Concat(mixed[:2], mixed[6:], mixed[2:6])...), []want{{other, "sctp 2", 0}, {hello, "sctp 1", 0}}, 0},
			{"after a HelloRetryRequest", one(send(300, 1, record(other), hrrHello(second))...), []want{{other, "sctp 1", 0}, {second, "sctp 1", 0}}, 0},
			{"after a HelloRetryRequest, in messages", one(send(300, 1, record(other), hrrHello(second)[:6], record(second))...), []want{{other, "sctp 1", 0}, {second, "sctp 1", 0}}, 0},
			{"then data", one(send(300, 1, record(other), []byte("\x17\x03\x03\x00\x03abc"), record(second))...), []want{{other, "sctp 1", 0}, {second, "sctp 1", 0}}, 0},
			{"after another protocol", one(send(100, 1, make([]byte, 350), []byte("hello"), record(other))...), []want{{other, "sctp 1", 0}}, 0},
			{"after the end of another protocol", one(send(100, 1, make([]byte, 350), record(other))[2:]...), []want{{other, "sctp 1", 0}}, 0},
			{"unordered", one(reversed(unordered.send(1, record(other)))...), []want{{other, "sctp 1", 0}}, 0},
			{"without its end", one(send(100, 1, record(hello))[:9]...), nil, 1},
			{"without its beginning", one(send(100, 1, record(hello))[1:]...), nil, 0},
			{"without its middle", one(slices.Delete(send(100, 1, record(hello)), 5, 6)...), nil, 1},
			{"DTLS", one(send(9999, 0, whole)...), []want{{dtls, "sctp", 1}}, 0},
			{"DTLS in fragments", one(send(50, 0, whole)...), []want{{dtls, "sctp", 1}}, 0},
			{"DTLS in small fragments, reversed", one(reversed(send(5, 0, whole))...), []want{{dtls, "sctp", 1}}, 0},
			{"DTLS, unordered", one((&sctpSide{interleaved: interleaved, size: 50, flags: sctpUnordered}).send(3, whole)...), []want{{dtls, "sctp 3", 1}}, 0},
			{"DTLS in two messages", one(send(70, 0, dtlsFragment(dtls, 0, 0, 100), dtlsFragment(dtls, 0, 100, n))...), []want{{dtls, "sctp", 2}}, 0},
			{"DTLS, repeated", one(all(send(50, 0, whole), send(50, 0, whole))...), []want{{dtls, "sctp", 1}}, 0},
			{"two tags", [][]byte{sctpPacket(7, send(999, 1, record(hello))[0]), sctpPacket(8, send(999, 1, record(hello))[1])}, nil, 1},
			{"length too long", [][]byte{sctpPacket(7, func() []byte { c := send(9999, 0, record(other))[0]; c[2]++; return c }())}, nil, 0},
			{"length too short", [][]byte{sctpPacket(7, chunk(4, 0, nil)[:2], []byte{0, 3}, send(9999, 0, record(other))[0])}, nil, 0},
			{"no data", [][]byte{sctpPacket(7, chunk(sctpData, 3, make([]byte, 12)), chunk(sctpIData, 3, make([]byte, 16)), chunk(sctpData, 3, nil))}, nil, 0},
		} {
			t.Run(fmt.Sprintf("%s, I-DATA %v", test.name, interleaved), func(t *testing.T) {
				for name, file := range map[string][]byte{
					"IPv4": rawPcap(mapped(test.packets, func(p []byte) []byte { return ip(client4.Addr(), server4.Addr(), ipSCTP, p) })...),
					"IPv6": rawPcap(mapped(test.packets, func(p []byte) []byte { return ip(client6.Addr(), server6.Addr(), ipSCTP, p) })...),
					"UDP": rawPcap(mapped(test.packets, func(p []byte) []byte {
						return udp(addrPortOf(client4, 9899), addrPortOf(server4, 9899), p)
					})...),
					"link": pcapOf(LinkSCTP, test.packets...),
				} {
					hellos, stats, err := read(t, new(Reader), file)
					require.NoError(t, err)
					require.Len(t, hellos, len(test.want), name)
					assert.Equal(t, test.begun, stats.Incomplete, name)
					for i, w := range test.want {
						assert.Equal(t, string(w.message), hellos[i].Message, name)
						assert.Equal(t, w.via, hellos[i].Via, name)
						assert.Equal(t, client4.Port(), hellos[i].Src.Port(), name)
						assert.Equal(t, server4.Port(), hellos[i].Dst.Port(), name)
						assert.Equal(t, name != "link", hellos[i].Src.Addr().IsValid(), name)
					}
				}
			})
		}
	}
}

// mapped returns the results of f.
func mapped(packets [][]byte, f func([]byte) []byte) (all [][]byte) {
	for _, p := range packets {
		all = append(all, f(p))
	}
	return all
}

// TestSCTPAddresses: the packets of an association may come from several addresses, and
// in IP fragments.
func TestSCTPAddresses(t *testing.T) {
	hello := realHello(t, "chromium-156")
	c := sctpSide{size: 700}
	chunks := c.send(4, record(hello))
	require.Len(t, chunks, 3)
	first := ip(client4.Addr(), server4.Addr(), ipSCTP, sctpPacket(7, chunks[0]))
	second := ip(client4.Addr().Next(), server4.Addr().Next(), ipSCTP, sctpPacket(7, chunks[1]))
	third := udp(addrPortOf(client6, 9899), addrPortOf(server6, 4000), sctpPacket(7, chunks[2]))
	hellos := readAll(t, rawPcap(first, second, third))
	require.Len(t, hellos, 1)
	assert.Equal(t, found{
		Src: addrPortOf(client6, client4.Port()), Dst: addrPortOf(server6, server4.Port()),
		Transport: parser.TLS, Index: 1, Packet: 3, Via: "sctp 4", Message: string(hello),
	}, hellos[0])

	// Where the tag is missing, the addresses count.
	for tag, want := range []int{0, 1} {
		tagged := func(c []byte) []byte { return sctpPacket(uint32(tag), c) }
		assert.Len(t, readAll(t, rawPcap(
			ip(client4.Addr(), server4.Addr(), ipSCTP, tagged(chunks[0])),
			ip(client4.Addr().Next(), server4.Addr(), ipSCTP, tagged(chunks[1])),
			ip(client4.Addr(), server4.Addr(), ipSCTP, tagged(chunks[2])),
		)), want)
	}

	packet := ip(client4.Addr(), server4.Addr(), ipSCTP, sctpPacket(7, chunks...))
	cut := slices.Clone(packet[:20+800])
	binary.BigEndian.PutUint16(cut[2:], uint16(len(cut)))
	binary.BigEndian.PutUint16(cut[6:], 0x2000)
	rest := append(slices.Clone(packet[:20]), packet[20+800:]...)
	binary.BigEndian.PutUint16(rest[2:], uint16(len(rest)))
	binary.BigEndian.PutUint16(rest[6:], 100)
	hellos = readAll(t, rawPcap(cut, rest))
	require.Len(t, hellos, 1)
	assert.Equal(t, "fragments,sctp 4", hellos[0].Via)
	eachObservation(t, rawPcap(packet), func(_ *Hello, o event.Observation) { assert.Equal(t, ipSCTP, o.Protocol) })
}

// TestSCTPMemory: what streams hold is bounded, however many parts and streams there are.
func TestSCTPMemory(t *testing.T) {
	const maxMemory = 4 << 20
	s := newScanner(&Reader{MaxMemory: maxMemory}, func(*Hello) error { return nil })
	start := record(realHello(t, "chromium-156"))[:200]
	for i := range uint32(200_000) {
		flags := i % 4
		b := sctpPacket(i>>12, chunk(sctpData, int(flags), bytesOf(i*7%4096, uint16(i%3), uint16(i), uint32(0), start)))
		s.packet = packet{data: b, wire: len(b), link: LinkSCTP, stamp: stamp{rate: 1}}
		s.scan()
		require.LessOrEqual(t, s.flows.awaited.Size(), maxMemory/16)
		require.LessOrEqual(t, s.flows.done.Size(), maxMemory/64)
	}
	held := 0
	for key, f := range s.flows.byKey {
		require.Equal(t, key, f.key)
		require.LessOrEqual(t, f.sctp.size(), f.node.Size())
		require.LessOrEqual(t, len(f.sctp.held), sctpMaxHeld)
		held += f.sctp.size()
	}
	require.NotZero(t, held)
}

// FuzzSCTP reads any bytes as the chunks of packets, and then an association, in which
// it must find the hello.
func FuzzSCTP(f *testing.F) {
	hello := realHello(f, "python-tls12")
	c := sctpSide{size: 60}
	f.Add(uint32(9), slices.Concat(c.send(1, record(hello))...), uint16(60))
	c = sctpSide{size: 200, interleaved: true}
	f.Add(uint32(1<<32-3), slices.Concat(c.send(0, dtlsFragment(realHello(f, "openssl-dtls"), 0, 0, 100))...), uint16(7))
	f.Fuzz(func(t *testing.T, tag uint32, chunks []byte, size uint16) {
		if len(chunks) > 4000 {
			return
		}
		seen := 0
		s := newScanner(new(Reader), func(h *Hello) error {
			if string(h.ClientHello.Raw) == string(hello) {
				seen++
			}
			return nil
		})
		send := func(b []byte) {
			s.packet = packet{data: b, wire: len(b), link: LinkSCTP, stamp: stamp{rate: 1}}
			s.scan()
		}
		packet := sctpPacket(tag, chunks)
		send(packet)
		send(packet)
		for n := range min(len(packet), 64) {
			send(packet[n:])
		}
		total := 0
		for key, f := range s.flows.byKey {
			require.Equal(t, key, f.key)
			if f.sctp != nil {
				taken := 0
				for _, p := range f.sctp.held {
					taken += len(p.data) + sctpPartOverhead
				}
				require.Equal(t, taken, f.sctp.taken)
			}
			total += f.node.Size()
		}
		require.Equal(t, total, s.flows.awaited.Size()+s.flows.done.Size())
		c := sctpSide{size: 1 + int(size)%600, interleaved: size&1 != 0}
		parts := c.send(size, record(hello))
		rand.New(rand.NewPCG(uint64(size), 0)).Shuffle(min(len(parts), sctpMaxHeld), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		before := seen
		for _, c := range parts {
			send(sctpPacket(^tag, c))
		}
		if seen == 0 {
			require.Equal(t, 1, seen-before)
		}
		s.finish()
	})
}
