package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// variantFiles returns captures in variants of pcap, and in snoop format, by name.
func variantFiles(t testing.TB) map[string][]byte {
	names, err := filepath.Glob("testdata/variants/*")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	files := make(map[string][]byte)
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		files[filepath.Base(name)] = b
	}
	return files
}

// excessOf returns how much longer the record headers of a pcap file are than its magic
// number says, as the reader finds when at first n bytes of the file are in memory.
func excessOf(t testing.TB, file []byte, n int) int {
	w := &window{ctx: context.Background(), r: bytes.NewReader(file), buf: make([]byte, n)}
	r, err := newPcapReader(w)
	if err != nil {
		return 0
	}
	before := r.header
	r.choose()
	return r.header - before
}

// TestVariants reads what editcap writes.
func TestVariants(t *testing.T) {
	excess := map[string]int{".modpcap": 0, ".nokiapcap": 4, ".rh6_1pcap": 8, ".suse6_3pcap": 4}
	for name, file := range variantFiles(t) {
		t.Run(name, func(t *testing.T) {
			original := "curl.pcap"
			if name[:3] == "sll" {
				original = "curl-sll.pcap"
			}
			plain, err := os.ReadFile(filepath.Join(hellotest.Dir(), "captures", original))
			require.NoError(t, err)
			want, err := readPackets(t, plain)
			require.Equal(t, io.EOF, err)
			got, err := readPackets(t, file)
			require.Equal(t, io.EOF, err)
			require.Len(t, got, len(want))
			for i := range want {
				assert.Equal(t, want[i].data, got[i].data)
				assert.Equal(t, want[i].stamp.time(), got[i].stamp.time())
				assert.Equal(t, want[i].wire, got[i].wire)
				assert.Equal(t, want[i].link, got[i].link)
			}
			assert.Equal(t, readAll(t, plain), readAll(t, file))
			if ext := filepath.Ext(name); ext != ".snoop" {
				assert.Equal(t, excess[ext], excessOf(t, file, 24))
				assert.Equal(t, excess[ext], excessOf(t, file, 1<<16))
			}
			for n := 1; n < len(file); n += 97 {
				_, err := readPackets(t, file[:n])
				assert.Error(t, err)
				_, _, err = read(t, new(Reader), file[:n])
				if err != nil {
					assert.ErrorContains(t, err, "capture: ")
				}
			}
			requireSameInBytes(t, file)
		})
	}
}

// variant returns a pcap file whose record headers have more bytes than usual.
func variant(order binary.AppendByteOrder, excess int, link LinkType, packets ...[]byte) []byte {
	b := order.AppendUint32(nil, pcapMicroseconds)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(b, 65535)
	b = order.AppendUint32(b, uint32(link))
	for i, p := range packets {
		for _, v := range []int{1700000000 + i, i, len(p), len(p)} {
			b = order.AppendUint32(b, uint32(v))
		}
		b = append(b, bytes.Repeat([]byte{0x07}, excess)...)
		b = append(b, p...)
	}
	return b
}

// TestChoose: record headers are longer than the magic number says only if all else is
// impossible.
func TestChoose(t *testing.T) {
	hello := record(realHello(t, "python-tls12"))
	s := side{client4, server4, 1}
	syn, data := ipFrame(s.syn()), ipFrame(s.data(0, hello))
	unknown := ether(0x1234, []byte("of an unknown EtherType"))
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, excess := range []int{0, 4, 8} {
			assert.Equal(t, excess, excessOf(t, variant(order, excess, LinkEthernet, syn, data), 24))
			assert.Equal(t, excess, excessOf(t, variant(order, excess, LinkEthernet, syn), 24), "one packet")
			assert.Equal(t, excess, excessOf(t, variant(order, excess, LinkRaw, s.syn(), s.data(0, hello)), 24))
			assert.Len(t, readAll(t, variant(order, excess, LinkEthernet, syn, data)), 1)
		}
		assert.Zero(t, excessOf(t, variant(order, 0, LinkEthernet, unknown, data), 24))
		assert.Zero(t, excessOf(t, variant(order, 0, LinkEthernet, unknown), 24))
		assert.Zero(t, excessOf(t, variant(order, 0, LinkEthernet, make([]byte, 60), make([]byte, 60)), 24), "zeros")
		plain := variant(order, 0, LinkEthernet, unknown, data)
		for n := range plain {
			assert.Zero(t, excessOf(t, plain[:n], 24), n)
		}
	}
}

// TestChooseWaits: a pipe is not held up by its first packet, unless it is none.
func TestChooseWaits(t *testing.T) {
	hello := record(realHello(t, "python-tls12"))
	frame := ipFrame(side{client4, server4, 1}.data(0, hello))
	for _, link := range []LinkType{LinkEthernet, LinkRadiotap} {
		file := variant(binary.LittleEndian, 0, link, frame)
		src := io.MultiReader(iotest.OneByteReader(bytes.NewReader(file)), iotest.ErrReader(assert.AnError))
		p, err := newPcapReader(&window{ctx: context.Background(), r: src, buf: make([]byte, 64)})
		require.NoError(t, err)
		var first packet
		require.NoError(t, p.read(&first))
		assert.Equal(t, frame, slices.Clone(first.data))
	}
}

// TestOldVersions: files before version 2.3 have the two lengths of a packet the other
// way round, and those of version 2.3 have either.
func TestOldVersions(t *testing.T) {
	data := []byte("a packet of 21 bytes.")
	for minor, swapped := range map[uint16][]bool{2: {true}, 3: {false, true}, 4: {false}, 543: {true}} {
		for _, s := range swapped {
			file := pcapVariant(binary.LittleEndian, pcapMicroseconds, 0, data)
			binary.LittleEndian.PutUint16(file[6:], minor)
			if s {
				binary.LittleEndian.PutUint32(file[32:], 1500)
				binary.LittleEndian.PutUint32(file[36:], uint32(len(data)))
			}
			packets, err := readPackets(t, file)
			require.Equal(t, io.EOF, err, minor)
			require.Len(t, packets, 1)
			assert.Equal(t, data, packets[0].data)
			assert.Equal(t, 1500, packets[0].wire)
		}
	}
}
