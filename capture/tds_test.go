package capture

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

// tdsOptions is a PRELOGIN packet with options, as FreeTDS sends it.
const tdsOptions = "\x12\x01\x00\x2f\x00\x00\x01\x00" +
	"\x00\x00\x1a\x00\x06\x01\x00\x20\x00\x01\x02\x00\x21\x00\x01\x03\x00\x22\x00\x04\x04\x00\x26\x00\x01\xff" +
	"\x0e\x00\x0a\x44\x00\x00\x01\x00\x00\x00\x00\x00\x00"

// tdsPackets returns a TLS stream in PRELOGIN packets of at most n bytes.
func tdsPackets(stream []byte, n int) []byte {
	var b []byte
	id := 0
	for part := range slices.Chunk(stream, n-tdsHeader) {
		id++
		last := 0
		if id*(n-tdsHeader) >= len(stream) {
			last = tdsEndOfMsg
		}
		b = bytesOf(b, tdsPrelogin, last, uint16(tdsHeader+len(part)), uint16(0), id&0xff, 0, part)
	}
	return b
}

func TestTDS(t *testing.T) {
	message := realHello(t, "chromium-156")
	second := slices.Clone(message)
	second[10]++
	hello, n := record(message), len(tdsOptions)
	whole := tdsPackets(hello, maxTDS)
	packets := tdsPackets(hello, 512)
	stream := bytesOf(tdsOptions, packets)
	keyExchange := tdsPackets(record([]byte{16, 0, 0, 4, 1, 2, 3, 4}), 4096)
	s := side{client4, server4, 0xfffffff0}
	type want struct {
		index, records, segments int
		prefix                   int64
	}
	const header = tdsHeader
	for _, test := range []struct {
		name    string
		packets [][]byte
		want    []want
	}{
		{"a packet", all(s.syn(), s.data(0, []byte(tdsOptions)), s.data(n, whole)), []want{{1, 1, 1, int64(n + header)}}},
		{"all in a segment", all(s.syn(), s.data(0, bytesOf(tdsOptions, whole))), []want{{1, 1, 1, int64(n + header)}}},
		{"packets of 512 bytes", all(s.syn(), s.data(0, []byte(tdsOptions)), s.data(n, packets)), []want{{1, 1, 1, int64(n + header)}}},
		{"packets of 512 bytes, two segments", all(s.syn(), s.data(0, []byte(tdsOptions)), s.segmentsAt(n, packets, 1100)), []want{{1, 1, 2, int64(n + header)}}},
		{"packets of 9 bytes", all(s.syn(), s.data(0, []byte(tdsOptions)), s.data(n, tdsPackets(hello, 9))), []want{{1, 1, 1, int64(n + header)}}},
		{"records of 100 bytes", all(s.syn(), s.data(0, bytesOf(tdsOptions, tdsPackets(records(message, 100), 512)))), []want{{1, (len(message) + 99) / 100, 1, int64(n + header)}}},
		{"an empty packet", all(s.syn(), s.data(0, bytesOf(tdsOptions, "\x12\x01\x00\x08\x00\x00\x01\x00", packets))), []want{{1, 1, 1, int64(n + 2*header)}}},
		{"a warning alert before the hello", all(s.syn(), s.data(0, bytesOf(tdsOptions, tdsPackets(bytesOf(warningAlert, hello), 512)))), []want{{1, 1, 1, int64(n + header)}}},
		{"no options", all(s.syn(), s.data(0, packets)), []want{{1, 1, 1, header}}},
		{"a header in a segment of its own", all(s.syn(), s.data(0, []byte(tdsOptions)), s.data(n, whole[:header]), s.data(n+header, whole[header:])), []want{{1, 1, 2, int64(n + header)}}},
		{"segments of a byte", all(s.syn(), s.segments(stream, 1)), []want{{1, 1, len(packets), int64(n + header)}}},
		{"segments of 511 bytes", all(s.syn(), s.segments(stream, 511)), []want{{1, 1, (len(stream) + 510) / 511, int64(n + header)}}},
		{"out of order", all(s.syn(), s.data(0, []byte(tdsOptions)), s.data(500, stream[500:]), s.data(60, stream[60:500]), s.data(n, stream[n:60])), []want{{1, 1, 3, int64(n + header)}}},
		{"retransmitted", all(s.syn(), s.data(0, stream[:700]), s.data(0, stream[:700]), s.data(0, stream), s.data(0, stream)), []want{{1, 1, 2, int64(n + header)}}},
		{"after a proxy's header", all(s.syn(), s.data(0, []byte("PROXY UNKNOWN\r\n")), s.data(15, stream)), []want{{1, 1, 1, int64(15 + n + header)}}},
		{"after a proxy's header in the same segment", all(s.syn(), s.data(0, bytesOf("PROXY UNKNOWN\r\n", tdsOptions, whole))), []want{{1, 1, 1, int64(15 + n + header)}}},
		{"TLS without packets", all(s.syn(), s.data(0, bytesOf(tdsOptions, hello))), []want{{1, 1, 1, int64(n)}}},
		{"a header with a wrong length before TLS", all(s.syn(), s.data(0, bytesOf(tdsOptions[:header], hello))), []want{{1, 1, 1, header}}},
		{"a header with a wrong length before TLS, segments of 100 bytes", all(s.syn(), s.segments(bytesOf(tdsOptions[:header], hello), 100)), []want{{1, 1, (header + len(hello) + 99) / 100, header}}},
		{"no SYN", all(s.data(0, []byte(tdsOptions)), s.data(n, packets)), []want{{1, 1, 1, int64(n + header)}}},
		{"no SYN, no options", all(s.data(n, packets)), []want{{1, 1, 1, header}}},
		{"no SYN, no options, segments of 100 bytes", all(s.segmentsAt(n, packets, 100)), []want{{1, 1, (len(packets) + 99) / 100, header}}},
		{"no SYN, no options, a header in a segment of its own", all(s.data(n, whole[:header]), s.data(n+header, whole[header:])), []want{{1, 1, 2, header}}},
		{"no SYN, the last two segments swapped", all(s.data(n, packets[:500]), s.data(n+1000, packets[1000:]), s.data(n+500, packets[500:1000])), []want{{1, 1, 3, header}}},
		{"no SYN, the options last", all(s.data(n, packets[:500]), s.data(0, []byte(tdsOptions)), s.data(n, packets)), []want{{1, 1, 2, header}}},
		{"options lost", all(s.syn(), s.data(n, packets)), []want{{1, 1, 1, header}}},
		{"second hello", all(s.syn(), s.data(0, stream), s.data(len(stream), tdsPackets(hrrHello(second), 512))), []want{{1, 1, 1, int64(n + header)}, {2, 1, 1, 0}}},
		{"no second hello", all(s.syn(), s.data(0, bytesOf(stream, keyExchange, "\x17\x03\x03\x00\x10", make([]byte, 16), packets))), []want{{1, 1, 1, int64(n + header)}}},
		{"a server", all(s.data(0, tdsPackets(record(bytesOf("\x02\x00\x00\x46\x03\x03", make([]byte, 68))), 512))), nil},
		{"another packet type", all(s.data(0, bytesOf(0x10, packets[1:]))), nil},
		{"another record type", all(s.data(0, tdsPackets(bytesOf(23, hello[1:]), 512))), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []want
			sc := newScanner(new(Reader), func(h *Hello) error {
				sent := message
				if h.Index == 2 {
					sent = second
				}
				assert.Equal(t, string(sent), string(h.ClientHello.Raw))
				assert.Equal(t, parser.TLS, h.Transport)
				assert.Equal(t, parser.Version(0x301), h.RecordVersion)
				switch {
				case test.name == "TLS without packets", test.name == "after a proxy's header in the same segment", strings.Contains(test.name, "wrong length"):
					assert.Empty(t, h.Encapsulation)
				default:
					assert.Equal(t, []Layer{{Kind: LayerTDS}}, h.Encapsulation)
				}
				assert.Equal(t, client4, h.Src)
				got = append(got, want{h.Index, h.Records, h.Segments, h.Prefix})
				return nil
			})
			for _, p := range test.packets {
				p = ipFrame(p)
				sc.packet = packet{data: p, wire: len(p), link: LinkEthernet, stamp: stamp{rate: 1}}
				sc.scanChecked(t)
				requireStreams(t, &sc.streams)
			}
			assert.Equal(t, test.want, got)
		})
	}
}

// TestTDSIncomplete counts a hello whose end is missing.
func TestTDSIncomplete(t *testing.T) {
	stream := bytesOf(tdsOptions, tdsPackets(record(realHello(t, "chromium-156")), 512))
	s := side{client4, server4, 1}
	for _, packets := range [][][]byte{{s.syn(), s.data(0, stream[:900])}, {s.data(0, stream[:200])}, {s.syn(), s.data(0, stream[:900]), s.reset(900)}} {
		_, stats, err := read(t, new(Reader), rawPcap(packets...))
		require.NoError(t, err)
		assert.Equal(t, int64(1), stats.Incomplete)
	}
}

// TestTDSMemory holds no more of packets than came, and drops the oldest connections.
func TestTDSMemory(t *testing.T) {
	part := tdsPackets(record(bytesOf("\x01\x00\xff\xff\x03\x03", bytes.Repeat([]byte{7}, 16000))), 512)
	sc := newScanner(&Reader{MaxMemory: 1 << 20}, nil)
	for i := range 100 {
		p := side{addrPort(client4, i), server4, 1}.data(0, part)
		sc.packet = packet{data: p, wire: len(p), link: LinkRaw, stamp: stamp{rate: 1}}
		sc.scan()
		require.LessOrEqual(t, sc.streams.byAge.Size(), sc.streams.maxMemory)
	}
	assert.Greater(t, sc.streams.droppedHellos, int64(50))
	assert.Less(t, sc.streams.droppedHellos, int64(100))
}
