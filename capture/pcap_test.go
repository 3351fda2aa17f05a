package capture

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// readPackets returns copies of the packets of a file.
func readPackets(t testing.TB, file []byte) ([]packet, error) {
	t.Helper()
	w := &window{ctx: context.Background(), r: bytes.NewReader(file), buf: make([]byte, 64)}
	r, _, done, err := open(w, 1<<30)
	defer done()
	if err != nil {
		return nil, err
	}
	var packets []packet
	for {
		var p packet
		if err := r.read(&p); err != nil {
			return packets, err
		}
		p.data = bytes.Clone(p.data)
		packets = append(packets, p)
	}
}

// pcapVariant returns a pcap file with one packet in a variant of the format.
func pcapVariant(order binary.AppendByteOrder, magic uint32, more int, data []byte) []byte {
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint16(b, 4)
	b = append(b, make([]byte, 8)...)
	b = order.AppendUint32(b, 8)          // a snap length shorter than the packet
	b = order.AppendUint32(b, 0x14000001) // Ethernet, with a checksum of 4 bytes
	b = order.AppendUint32(b, 1700000000)
	b = order.AppendUint32(b, 123456)
	b = order.AppendUint32(b, uint32(len(data)))
	b = order.AppendUint32(b, 1500)
	b = append(b, make([]byte, more)...)
	return append(b, data...)
}

func TestPcapVariants(t *testing.T) {
	data := []byte("a packet of 21 bytes.")
	for _, test := range []struct {
		name  string
		magic uint32
		more  int
		nano  int
	}{
		{"microseconds", pcapMicroseconds, 0, 123456000},
		{"nanoseconds", pcapNanoseconds, 0, 123456},
		{"modified", pcapModified, 8, 123456000},
	} {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			t.Run(test.name+" "+order.String(), func(t *testing.T) {
				file := pcapVariant(order, test.magic, test.more, data)
				packets, err := readPackets(t, file)
				require.Equal(t, io.EOF, err)
				require.Len(t, packets, 1)
				p := packets[0]
				assert.Equal(t, data, p.data)
				assert.Equal(t, 1500, p.wire)
				assert.Equal(t, LinkEthernet, p.link)
				assert.Equal(t, time.Unix(1700000000, int64(test.nano)).UTC(), p.stamp.time())

				// Every prefix ends too early.
				for n := 1; n < len(file); n++ {
					_, err := readPackets(t, file[:n])
					if n == pcapFileHeader {
						assert.Equal(t, io.EOF, err)
					} else {
						assert.Equal(t, io.ErrUnexpectedEOF, err, n)
					}
				}
			})
		}
	}
}

// TestDamage finds the hellos before the damage, and requires that the error says
// where that is.
func TestDamage(t *testing.T) {
	hello := record(realHello(t, "python-tls12"))
	s := side{client4, server4, 1}
	file := rawPcap(s.syn(), s.data(0, hello))
	length := func(n uint32) []byte {
		return binary.LittleEndian.AppendUint32(append(bytes.Clone(file), make([]byte, 8)...), n)
	}
	for _, test := range []struct {
		name string
		file []byte
		err  string
	}{
		{"truncated header", append(bytes.Clone(file), 1, 2, 3), "capture: after packet 2, at byte 345: unexpected EOF: the file is cut off"},
		{"truncated packet", append(length(8), 0, 0, 0, 0, 1), "capture: after packet 2, at byte 345: unexpected EOF: the file is cut off"},
		{"length", append(length(maxPacket+1), 0, 0, 0, 0), "capture: after packet 2, at byte 345: packet length out of bounds: 4194305 bytes"},
		{"length of all ones", append(length(1<<32-1), 0, 0, 0, 0), "capture: after packet 2, at byte 345: packet length out of bounds: 4294967295 bytes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			hellos, stats, err := read(t, new(Reader), test.file)
			assert.EqualError(t, err, test.err)
			assert.Len(t, hellos, 1)
			assert.Equal(t, int64(2), stats.Packets)
		})
	}
}

// TestPipe reads a packet of a file that is still being written as soon as it is
// complete.
func TestPipe(t *testing.T) {
	hello := record(realHello(t, "python-tls12"))
	s := side{client4, server4, 1}
	file := rawPcap(s.data(0, hello))
	r, w := io.Pipe()
	got := make(chan int64)
	done := make(chan error)
	go func() {
		_, err := Read(context.Background(), r, func(h *Hello) error {
			got <- h.Packet
			return nil
		})
		done <- err
	}()
	for n := range file { // one byte at a time
		_, err := w.Write(file[n : n+1])
		require.NoError(t, err)
	}
	assert.Equal(t, int64(1), <-got)
	require.NoError(t, w.Close())
	require.NoError(t, <-done)
}

// TestCancel ends the reading with a context and with an error of the function.
func TestCancel(t *testing.T) {
	hello := record(realHello(t, "python-tls12"))
	file := rawPcap(side{client4, server4, 1}.data(0, hello), side{client6, server6, 1}.data(0, hello))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	stats, err := Read(ctx, bytes.NewReader(file), func(*Hello) error { return nil })
	assert.Equal(t, context.Canceled, err)
	assert.Zero(t, stats)

	stats, err = Read(context.Background(), bytes.NewReader(file), func(*Hello) error { return io.ErrClosedPipe })
	assert.Equal(t, io.ErrClosedPipe, err)
	assert.Equal(t, int64(1), stats.Hellos)
}
