package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// captureFiles returns the captures in testdata.
func captureFiles(t testing.TB) [][]byte {
	names, err := filepath.Glob(filepath.Join(hellotest.Dir(), "captures", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	var files [][]byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		files = append(files, b)
	}
	return files
}

// slowPcap reads a pcap file that is in memory, whose record headers have excess more
// bytes than its magic number says. It also reports whether the file ends after a
// packet.
func slowPcap(b []byte, excess int) (packets [][]byte, whole bool) {
	le, be := binary.LittleEndian, binary.BigEndian
	order, header := binary.ByteOrder(le), 16
	switch magic := le.Uint32(b); {
	case be.Uint32(b) == pcapMicroseconds || be.Uint32(b) == pcapNanoseconds:
		order = be
	case be.Uint32(b) == pcapModified:
		order, header = be, 24
	case magic == pcapModified:
		header = 24
	}
	if len(b) < 24 {
		return nil, false
	}
	header += excess
	minor := order.Uint16(b[6:])
	for b = b[24:]; len(b) > 0; {
		if len(b) < header {
			return packets, false
		}
		n, wire := int64(order.Uint32(b[8:])), int64(order.Uint32(b[12:]))
		if minor < 3 || minor == 543 || minor == 3 && n > wire {
			n = wire
		}
		if n > maxPacket || n > int64(len(b)-header) {
			return packets, false
		}
		packets = append(packets, b[header:header+int(n)])
		b = b[header+int(n):]
	}
	return packets, true
}

// FuzzPcap compares the reader with a slow one, and the hellos with those that it
// finds when it reads one byte at a time.
func FuzzPcap(f *testing.F) {
	for _, file := range captureFiles(f) {
		f.Add(file)
	}
	for _, file := range variantFiles(f) {
		f.Add(file)
	}
	short, err := hex.DecodeString("d4c3b2a1020004000000000000e1ffffffff03000100000095ab026bee720600100000000c0100000000000000000000000000000000000800450000fedba74000401160457f0000017f0000019c5524")
	require.NoError(f, err)
	f.Add(short)
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) < 4 || formatOf([4]byte(file)) != Pcap {
			return
		}
		want, whole := slowPcap(file, excessOf(t, file, 64))
		got, err := readPackets(t, file)
		require.Len(t, got, len(want))
		require.Equal(t, whole, err == io.EOF)
		for i := range want {
			require.Equal(t, want[i], bytes.Clone(got[i].data), i)
			require.GreaterOrEqual(t, got[i].wire, len(got[i].data))
			_ = got[i].stamp.time()
		}
		require.Equal(t, excessOf(t, file, 64), excessOf(t, file, len(file)))
		requireSameInBytes(t, file)
	})
}

// FuzzSnoop is FuzzPcapng for the snoop format.
func FuzzSnoop(f *testing.F) {
	for name, file := range variantFiles(f) {
		if strings.HasSuffix(name, ".snoop") {
			f.Add(file)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) < 4 || formatOf([4]byte(file)) != Snoop {
			return
		}
		packets, err := readPackets(t, file)
		require.Error(t, err)
		for i, p := range packets {
			require.Equal(t, int64(i+1), p.number)
			require.True(t, bytes.Contains(file, p.data))
			require.GreaterOrEqual(t, p.wire, len(p.data))
			_ = p.stamp.time()
		}
		requireSameInBytes(t, file)
	})
}

// requireSameInBytes requires that a file gives the same hellos and the same error
// when it is read one byte at a time.
func requireSameInBytes(t *testing.T, file []byte) {
	want, stats, err := read(t, new(Reader), file)
	if len(file) > 1<<16 {
		return
	}
	var got []found
	r := &Reader{}
	slowStats, slowErr := r.Read(context.Background(), iotest.OneByteReader(bytes.NewReader(file)), func(h *Hello) error {
		got = append(got, found{Src: h.Src, Packet: h.Packet, Message: string(h.ClientHello.Raw)})
		return nil
	})
	require.Equal(t, stats, slowStats)
	require.Equal(t, err, slowErr)
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i].Message, got[i].Message)
		require.Equal(t, want[i].Packet, got[i].Packet)
	}
}

// FuzzPcapng requires that every packet is in the file, and that the file gives the
// same when it is read one byte at a time.
func FuzzPcapng(f *testing.F) {
	for _, file := range captureFiles(f) {
		f.Add(file)
	}
	var g ng
	g.section(binary.BigEndian)
	g.iface(LinkRaw, 60, g.option(optionTSResol, []byte{9}), g.option(optionTSOffset, make([]byte, 8)))
	g.enhanced(0, 1, []byte("enhanced"))
	g.old(0, 1, []byte("old"))
	g.simple(6, []byte("simple"))
	g.section(binary.LittleEndian)
	f.Add(g.b)
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) < 4 || formatOf([4]byte(file)) != Pcapng {
			return
		}
		packets, err := readPackets(t, file)
		require.Error(t, err)
		for i, p := range packets {
			require.Equal(t, int64(i+1), p.number)
			require.True(t, bytes.Contains(file, p.data))
			require.GreaterOrEqual(t, p.wire, len(p.data))
			_ = p.stamp.time()
		}
		requireSameInBytes(t, file)
	})
}

// FuzzDecap requires that the hello of a packet is in the packet, after all its
// encapsulations, that the same packet again gives no other hello, and that the number
// of bytes examined is linear in its length.
func FuzzDecap(f *testing.F) {
	for _, file := range captureFiles(f) {
		packets, _ := readPackets(f, file)
		for _, p := range packets {
			f.Add(uint16(p.link), p.data)
		}
	}
	g := newTraffic(f)
	for seed := range uint64(4) {
		packets, _ := readPackets(f, g.capture(seed))
		for _, p := range packets {
			f.Add(uint16(p.link), p.data)
		}
	}
	f.Fuzz(func(t *testing.T, link uint16, data []byte) {
		for _, link := range []LinkType{LinkType(link), LinkEthernet, LinkRaw} {
			hellos := 0
			s := newScanner(new(Reader), func(h *Hello) error {
				hellos++
				if h.Records == 1 {
					require.True(t, bytes.Contains(data, h.ClientHello.Raw[4:]))
				}
				require.LessOrEqual(t, len(h.Encapsulation), 3*maxDepth)
				require.Equal(t, h.Src.Addr().Is4(), h.Dst.Addr().Is4())
				return nil
			})
			s.packet = packet{data: data, wire: len(data), link: LinkType(link), stamp: stamp{rate: 1}}
			s.scanChecked(t)
			once := hellos
			s.scanChecked(t)
			require.Equal(t, once, hellos)
			require.LessOrEqual(t, s.examined, 2*maxExamined*len(data))
			requireStreams(t, &s.streams)
			s.finish()
		}
	})
}

// FuzzTCP sends segments of a stream in any order, and others, and then the rest of
// the stream. It requires that the hello is found once, and that the number of bytes
// examined is linear in those sent.
func FuzzTCP(f *testing.F) {
	f.Add(uint32(0), []byte{}, []byte("\x00\x00\xff\xff"))
	f.Add(uint32(1<<32-9), []byte("EHLO x\r\n\x16\x03"), []byte("\x01\x00\x05\x00\x00\x00\x01\x00\x02\x00\xff\x00"))
	f.Add(uint32(5), []byte("\x16\x03\x01\x00\x30\x01"), []byte("\x10\x00\x09\x00\x05\x00\x10\x00\x01\x01\xff\x00"))
	f.Add(uint32(1), []byte(warningAlert[:6]), []byte(warningAlert))
	for _, seed := range []uint64{1, 2, 3, 4, 5, 6} {
		f.Add(uint32(0), []byte{}, hostile(rand.New(rand.NewPCG(seed, 0)), 3000))
	}
	tls := [][]byte{realHello(f, "chromium-156"), realHello(f, "python-tls12")}
	f.Fuzz(func(t *testing.T, isn uint32, preface, script []byte) {
		if len(preface) > maxPreface/2 || len(script) > 4000 {
			return
		}
		message := tls[isn&1]
		stream := append(bytes.Clone(preface), record(message)...)
		if isn&2 != 0 {
			stream = append(bytes.Clone(preface), records(message, 1+len(script))...)
		}
		if strings.Contains(string(stream[:len(preface)+8]), "\x16") && bytes.IndexByte(preface, recordHandshake) >= 0 {
			return // the preface may start a hello that contains the real one
		}
		s := side{client4, server4, isn}
		hellos := 0
		sc := newScanner(new(Reader), func(h *Hello) error {
			hellos++
			require.Equal(t, string(message), string(h.ClientHello.Raw))
			return nil
		})
		came := 0
		send := func(p []byte) {
			came += len(p) - ipMinHeader - tcpMinHeader
			p = ipFrame(p)
			sc.packet = packet{data: p, wire: len(p), link: LinkEthernet, stamp: stamp{rate: 1}}
			sc.scanChecked(t)
			requireStreams(t, &sc.streams)
			require.LessOrEqual(t, sc.examined, maxExamined*came)
		}
		send(s.syn())
		for b := script; len(b) >= 4; b = b[4:] {
			from := int(binary.LittleEndian.Uint16(b)) % len(stream)
			to := min(from+int(binary.LittleEndian.Uint16(b[2:])), len(stream))
			send(s.data(from, stream[from:to]))
		}
		for _, p := range s.segments(stream, 300) {
			send(p)
		}
		require.Equal(t, 1, hellos)

		// The script as headers and payloads of segments.
		sc.f = func(*Hello) error { return errors.New("not looked at") }
		for b := script; len(b) >= 4; b = b[4:] {
			n := min(int(b[3]), len(b))
			send(s.at(int(int16(binary.LittleEndian.Uint16(b))), int(b[2]), b[:n]))
		}

		// The script as a stream, with the lengths of its segments.
		c := side{client6, server6, isn}
		send(c.syn())
		for b := script; len(b) > 0; {
			n := min(1+int(b[0]), len(b))
			send(c.data(len(script)-len(b), b[:n]))
			b = b[n:]
		}
	})
}

// requireStreams requires that the state of all streams is consistent.
func requireStreams(t *testing.T, ss *streams) {
	memory, n := 0, 0
	for st := range ss.byAge.All() {
		sl := ss.find(st.key)
		require.NotNil(t, sl)
		require.Same(t, st, ss.streamOf(sl))
		require.True(t, len(st.head) > 0 || len(st.outOfOrder.list) > 0 || st.framed != nil, "a stream of which nothing came")
		require.True(t, len(st.head) == 0 || st.start+uint32(len(st.head)) == sl.next)
		memory += st.node.Size()
		n++
	}
	require.Equal(t, memory, ss.byAge.Size())
	require.Equal(t, len(ss.all), n+len(ss.unused))
	require.GreaterOrEqual(t, ss.young.used+ss.old.used, n)
}
