package capture

import (
	"encoding/binary"
	"math/bits"
)

// skipDull steps over the dull packets that r has in memory.
func (s *scanner) skipDull(r *pcapReader) {
	if r.link != linkEthernet {
		return
	}
	rest, header, number := r.buf[r.pos:r.end], r.header, r.number
	for len(rest) >= header {
		captured := binary.LittleEndian.Uint32(rest[8:])
		if r.big {
			captured = bits.ReverseBytes32(captured)
		}
		if captured > maxPacket {
			break // for read to report
		}
		n := header + int(captured)
		if n > len(rest) || !s.dull(rest[header:n]) {
			break
		}
		rest = rest[n:]
		number++
	}
	pos := r.end - len(rest)
	skipped := number - r.number
	s.stats.Packets += skipped
	s.stats.Bytes += int64(pos-r.pos) - skipped*int64(r.header)
	r.pos, r.number = pos, number
}

// dull reports whether b, an Ethernet frame, is one of the many that change
// nothing: a TCP segment of a connection that is not awaited, or an empty one,
// and no beginning of a hello; or a QUIC packet behind the handshake. It is a
// short way past [scanner.scan], to which it leaves all that is not plain IP
// upon Ethernet, with a VLAN or two.
func (s *scanner) dull(b []byte) bool {
	const etherTypeAt, tagLen, maxTags = 12, 4, 2
	for tags := 0; len(b) >= etherTypeAt+2+ipMinHeader+tcpMinHeader; tags++ {
		switch binary.BigEndian.Uint16(b[etherTypeAt:]) {
		case etherIPv4:
			return s.dullIPv4(b[etherTypeAt+2:])
		case etherIPv6:
			return s.dullIPv6(b[etherTypeAt+2:])
		case etherVLAN, etherQinQ:
			if tags == maxTags {
				return false
			}
			b = b[tagLen:]
		default:
			return false
		}
	}
	return false
}

func (s *scanner) dullIPv4(b []byte) bool {
	const noOptions, anyFragment = 0x45, 0x3fff // more fragments, or an offset
	h := (*[ipMinHeader]byte)(b)
	end := min(int(binary.BigEndian.Uint16(h[2:])), len(b))
	if h[0] != noOptions || binary.BigEndian.Uint16(h[6:])&anyFragment != 0 || end < ipMinHeader+tcpMinHeader {
		return false
	}
	return s.dullTransport(h[9], h[12:], b[ipMinHeader:end])
}

func (s *scanner) dullIPv6(b []byte) bool {
	const headerLen = 40
	h := (*[headerLen]byte)(b)
	end := min(headerLen+int(binary.BigEndian.Uint16(h[4:])), len(b))
	if h[0]>>4 != 6 || end < headerLen+tcpMinHeader {
		return false
	}
	return s.dullTransport(h[6], h[8:], b[headerLen:end])
}

// dullTransport goes on with what IP carries, 20 bytes or more.
func (s *scanner) dullTransport(protocol uint8, addrs, b []byte) bool {
	const udpHeader = 8
	h := (*[tcpMinHeader]byte)(b)
	switch protocol {
	case ipTCP:
		n, flags := int(h[12]>>4)*4, h[13]
		switch {
		case n < tcpMinHeader || n > len(b) || flags&tcpRST != 0:
			return false
		case flags&tcpSYN != 0:
			return flags&tcpACK != 0
		case n < len(b) && b[n] == recordHandshake:
			return false
		case n == len(b) && flags&tcpFIN == 0:
			return true
		}
		return s.streams.find(s.streams.hasher.key(addrs, portsOf(b))) == nil
	case ipUDP:
		first := h[udpHeader]
		return first >= 0x50 && first < 0x80 && !isTunnel(binary.BigEndian.Uint16(h[:])) && !isTunnel(binary.BigEndian.Uint16(h[2:]))
	}
	return false
}
