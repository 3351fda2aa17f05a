package capture

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Lengths of the file header and of a record header of the snoop format (RFC 1761),
// in bytes.
const (
	snoopFileHeader   = 16
	snoopRecordHeader = 24
)

const snoopMagic = "snoop\x00\x00\x00"

// snoopLinks has the link types of the data link types of snoop.
var snoopLinks = map[uint32]LinkType{
	0:  LinkEthernet, // IEEE 802.3
	2:  6,            // IEEE 802.5
	4:  LinkEthernet,
	8:  10,  // FDDI
	18: 123, // ATM of Solaris
	26: 226, // IPNET of Solaris
}

// A snoopReader reads a file in snoop format.
type snoopReader struct {
	*window
	link    LinkType
	number  int64 // of the last packet
	padding int   // bytes after it
}

// newSnoopReader reads the file header.
func newSnoopReader(w *window) (*snoopReader, error) {
	b, err := w.peek(snoopFileHeader)
	if err != nil {
		return nil, err
	}
	version, datalink := binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])
	switch link, ok := snoopLinks[datalink]; {
	case string(b[:8]) != snoopMagic:
		return nil, errorOfFormat(b)
	case version != 2:
		return nil, fmt.Errorf("%w: a snoop file of version %d: %s", ErrUnsupported, version, useEditcap)
	case !ok:
		return nil, fmt.Errorf("%w: a snoop file of data link type %d: %s", ErrUnsupported, datalink, useEditcap)
	default:
		w.pos += snoopFileHeader
		return &snoopReader{window: w, link: link}, nil
	}
}

func (r *snoopReader) read(p *packet) error {
	if err := r.skip(int64(r.padding)); err != nil {
		return err
	}
	r.padding = 0
	b, err := r.peek(snoopRecordHeader)
	if err != nil {
		return err
	}
	be := binary.BigEndian
	wire, captured, length := be.Uint32(b), be.Uint32(b[4:]), be.Uint32(b[8:])
	seconds, microseconds := be.Uint32(b[16:]), be.Uint32(b[20:])
	switch {
	case captured > maxPacket:
		return fmt.Errorf("%w: %d bytes", errPacketLength, captured)
	case length < snoopRecordHeader+captured || length > snoopRecordHeader+captured+maxPacket:
		return fmt.Errorf("%w: %d bytes in a record of %d", errPacketLength, captured, length)
	}
	if b, err = r.peek(snoopRecordHeader + int(captured)); err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	r.number++
	p.number = r.number
	p.data = b[snoopRecordHeader:]
	p.wire = int(max(captured, wire))
	p.link = r.link
	p.stamp = stamp{int64(seconds), uint64(microseconds), 1e6}
	r.pos += len(b)
	r.padding = int(length) - len(b)
	return nil
}
