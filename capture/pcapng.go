package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Block types of the pcapng format (draft-ietf-opsawg-pcapng, section 11.1).
const (
	blockSectionHeader  = 0x0a0d0d0a
	blockUnknown        = 0
	blockInterface      = 1
	blockPacket         = 2 // obsolete
	blockSimplePacket   = 3
	blockNames          = 4 // of addresses
	blockStatistics     = 5 // of an interface
	blockEnhancedPacket = 6
	blockSecrets        = 10 // for decryption
)

// Options of an interface description block.
const (
	optionEnd      = 0
	optionTSResol  = 9
	optionTSOffset = 14
)

const (
	byteOrderMagic        = 0x1a2b3c4d
	byteOrderMagicSwapped = 0x4d3c2b1a
)

// Limits on the memory that a file may ask for.
const (
	maxInterfaces = 1 << 16 // in a section
	maxBlock      = 8 << 20 // bytes of a block that is read; other blocks are skipped whatever their length
)

var (
	errBlockLength    = errors.New("block length out of bounds")
	errBlockTrailer   = errors.New("block ends in another length than it begins with")
	errByteOrder      = errors.New("unknown byte-order magic")
	errInterface      = errors.New("packet of an interface that is not described")
	errInterfaces     = errors.New("more than 65536 interfaces")
	errTimeResolution = errors.New("time stamp resolution too fine")
)

// A pcapngReader reads a file in pcapng format.
type pcapngReader struct {
	*window
	order      binary.ByteOrder
	interfaces []captureInterface // of the current section
	number     int64
	foreign    bool  // the section is of another version than 1: its blocks are skipped
	skipped    int64 // blocks of unknown types, or of such a section
}

// A captureInterface has the fields of an interface description block.
type captureInterface struct {
	link    LinkType
	snapLen uint32 // 0 if packets were not truncated
	rate    uint64 // ticks of the time stamps in a second
	epoch   int64  // seconds to add to time stamps
}

func (r *pcapngReader) read(p *packet) error {
	for {
		h, err := r.peek(8)
		if err != nil {
			return err
		}
		if binary.LittleEndian.Uint32(h) == blockSectionHeader { // the same in both byte orders
			if err := r.readSection(); err != nil {
				return err
			}
			continue
		}
		typ, length := r.order.Uint32(h), r.order.Uint32(h[4:])
		if length < 12 || length%4 != 0 {
			return fmt.Errorf("%w: %d bytes", errBlockLength, length)
		}
		if r.foreign {
			typ = blockUnknown
		}
		switch typ {
		case blockInterface, blockPacket, blockSimplePacket, blockEnhancedPacket:
		default:
			if err := r.skip(int64(length)); err != nil {
				return err
			}
			if typ != blockNames && typ != blockStatistics && typ != blockSecrets {
				r.skipped++
			}
			continue
		}
		if length > maxBlock {
			return fmt.Errorf("%w: %d bytes", errBlockLength, length)
		}
		b, err := r.peek(int(length))
		if err != nil {
			return err
		}
		body, trailer := b[8:length-4], r.order.Uint32(b[length-4:])
		if trailer != length {
			return errBlockTrailer
		}
		if typ == blockInterface {
			err = r.addInterface(body)
		} else {
			err = r.readPacket(p, typ, body)
		}
		if err != nil {
			return err
		}
		r.pos += int(length)
		if typ != blockInterface {
			r.number++
			p.number = r.number
			return nil
		}
	}
}

// readSection reads a section header block. The interfaces of the section before no
// longer exist.
func (r *pcapngReader) readSection() error {
	b, err := r.peek(14)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	switch binary.LittleEndian.Uint32(b[8:]) {
	case byteOrderMagic:
		r.order = binary.LittleEndian
	case byteOrderMagicSwapped:
		r.order = binary.BigEndian
	default:
		return errByteOrder
	}
	r.foreign = r.order.Uint16(b[12:]) != 1
	length := r.order.Uint32(b[4:])
	if length < 28 || length%4 != 0 {
		return fmt.Errorf("%w: %d bytes", errBlockLength, length)
	}
	r.interfaces = r.interfaces[:0]
	return r.skip(int64(length))
}

// addInterface reads the body of an interface description block.
func (r *pcapngReader) addInterface(b []byte) error {
	if len(b) < 8 {
		return errBlockLength
	}
	if len(r.interfaces) == maxInterfaces {
		return errInterfaces
	}
	i := captureInterface{link: LinkType(r.order.Uint16(b)), snapLen: r.order.Uint32(b[4:]), rate: 1e6}
	for o := b[8:]; len(o) >= 4; {
		code, n := r.order.Uint16(o), int(r.order.Uint16(o[2:]))
		padded := (n + 3) &^ 3
		if code == optionEnd || padded > len(o)-4 {
			break
		}
		value := o[4 : 4+n]
		o = o[4+padded:]
		switch {
		case code == optionTSResol && n == 1:
			if i.rate = tickRate(value[0]); i.rate == 0 {
				return errTimeResolution
			}
		case code == optionTSOffset && n == 8:
			i.epoch = int64(r.order.Uint64(value))
		}
	}
	r.interfaces = append(r.interfaces, i)
	return nil
}

// tickRate returns the number of ticks in a second for an if_tsresol option, or 0 if
// it does not fit into 64 bits.
func tickRate(resolution byte) uint64 {
	exponent := resolution & 0x7f
	if resolution&0x80 != 0 {
		if exponent > 63 {
			return 0
		}
		return 1 << exponent
	}
	if exponent > 19 {
		return 0
	}
	rate := uint64(1)
	for range exponent {
		rate *= 10
	}
	return rate
}

// readPacket reads the body of a block that has a packet.
func (r *pcapngReader) readPacket(p *packet, typ uint32, b []byte) error {
	var id, captured, wire uint32
	var ticks uint64
	switch {
	case typ == blockSimplePacket && len(b) >= 4:
		wire = r.order.Uint32(b)
		b = b[4:]
		captured = uint32(min(len(b), int(wire)))
		if len(r.interfaces) > 0 && r.interfaces[0].snapLen != 0 {
			captured = min(captured, r.interfaces[0].snapLen)
		}
	case typ != blockSimplePacket && len(b) >= 20:
		if id = r.order.Uint32(b); typ == blockPacket {
			id = uint32(r.order.Uint16(b))
		}
		ticks = uint64(r.order.Uint32(b[4:]))<<32 | uint64(r.order.Uint32(b[8:]))
		captured, wire = r.order.Uint32(b[12:]), r.order.Uint32(b[16:])
		b = b[20:]
	default:
		return errBlockLength
	}
	if int64(captured) > int64(len(b)) {
		return fmt.Errorf("%w: %d bytes", errPacketLength, captured)
	}
	if int64(id) >= int64(len(r.interfaces)) {
		return fmt.Errorf("%w: number %d", errInterface, id)
	}
	i := &r.interfaces[id]
	p.data = b[:captured]
	p.wire = int(min(max(captured, wire), math.MaxInt32))
	p.link = i.link
	p.stamp = stamp{i.epoch, ticks, i.rate}
	return nil
}
