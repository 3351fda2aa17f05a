package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// maxPacket is the length of the longest packet, in bytes. Larger lengths are damage:
// Wireshark and tcpdump write at most 256 KiB.
const maxPacket = 4 << 20

// Magic numbers of the pcap format (draft-ietf-opsawg-pcap), read in little-endian
// order.
const (
	pcapMicroseconds        = 0xa1b2c3d4
	pcapNanoseconds         = 0xa1b23c4d
	pcapModified            = 0xa1b2cd34 // Kuznetzov's format: 8 more bytes in each record header
	pcapMicrosecondsSwapped = 0xd4c3b2a1
	pcapNanosecondsSwapped  = 0x4d3cb2a1
	pcapModifiedSwapped     = 0x34cdb2a1
)

// Lengths of the file header and of a record header, in bytes.
const (
	pcapFileHeader   = 24
	pcapRecordHeader = 16
)

var errPacketLength = errors.New("packet length out of bounds")

// A pcapReader reads a file in pcap format.
type pcapReader struct {
	*window
	big    bool   // numbers are big-endian
	header int    // length of a record header
	rate   uint64 // ticks of the time stamps in a second
	link   LinkType
	number int64 // of the last packet
	chosen bool  // header is right

	lengths lengthOrder
}

// A lengthOrder says in which order a record header has the length in the file and
// that on the wire.
type lengthOrder uint8

const (
	capturedFirst lengthOrder = iota
	wireFirst                 // before version 2.3, and in that of DG/UX
	longerFirst               // in version 2.3, which has both orders
)

// number32 returns the number at the start of b.
func (r *pcapReader) number32(b []byte) uint32 {
	n := binary.LittleEndian.Uint32(b)
	if r.big {
		n = bits.ReverseBytes32(n)
	}
	return n
}

// newPcapReader reads the file header.
func newPcapReader(w *window) (*pcapReader, error) {
	b, err := w.next(pcapFileHeader)
	if err != nil {
		return nil, err
	}
	r := &pcapReader{window: w, header: pcapRecordHeader, rate: 1e6}
	switch magic := binary.LittleEndian.Uint32(b); magic {
	case pcapMicrosecondsSwapped, pcapNanosecondsSwapped, pcapModifiedSwapped:
		r.big = true
	}
	switch r.number32(b) {
	case pcapNanoseconds:
		r.rate = 1e9
	case pcapModified:
		r.header += 8
	}
	minor := uint16(r.number32(b[4:]) >> 16)
	if r.big {
		minor = uint16(r.number32(b[4:]))
	}
	switch minor {
	case 0, 1, 2, 543:
		r.lengths = wireFirst
	case 3:
		r.lengths = longerFirst
	}
	// The upper half of the word says whether frames end with a checksum.
	r.link = LinkType(r.number32(b[20:]))
	return r, nil
}

// isPlain reports whether the file has the most frequent format, which the fast path
// reads.
func (r *pcapReader) isPlain() bool {
	return !r.big && r.header == pcapRecordHeader && r.lengths == capturedFirst
}

func (r *pcapReader) read(p *packet) error {
	if !r.chosen {
		r.choose()
	}
	b := r.buf[r.pos:r.end]
	if len(b) < r.header {
		var err error
		if b, err = r.peek(r.header); err != nil {
			return err
		}
	}
	h := (*[pcapRecordHeader]byte)(b)
	seconds, ticks := binary.LittleEndian.Uint32(h[:]), binary.LittleEndian.Uint32(h[4:])
	captured, wire := binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[12:])
	if r.big {
		seconds, ticks = bits.ReverseBytes32(seconds), bits.ReverseBytes32(ticks)
		captured, wire = bits.ReverseBytes32(captured), bits.ReverseBytes32(wire)
	}
	if r.lengths == wireFirst || r.lengths == longerFirst && captured > wire {
		captured, wire = wire, captured
	}
	if captured > maxPacket {
		return fmt.Errorf("%w: %d bytes", errPacketLength, captured)
	}
	n := r.header + int(captured)
	if len(b) < n {
		var err error
		if b, err = r.peek(n); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	r.pos += n
	r.number++
	p.number = r.number
	p.data = b[r.header:n]
	p.wire = int(max(captured, wire))
	p.link = r.link
	p.stamp = stamp{int64(seconds), uint64(ticks), r.rate}
	return nil
}
