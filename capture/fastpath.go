package capture

import "encoding/binary"

// skipFast skips the packets that r has in memory up to one that must be read.
// The file must be plain.
func (s *scanner) skipFast(r *pcapReader) {
	if r.link != LinkEthernet {
		return
	}
	b := r.buf[:r.end]
	pos, skipped := r.pos, int64(0)
	captured := lengthAt(b, pos)
	// read reports packets that are too long.
	for captured <= maxPacket {
		end := pos + pcapRecordHeader + int(captured)
		if end > len(b) {
			break
		}
		next := lengthAt(b, end) // early, so that the memory is in the cache when it is needed
		if !s.canSkip(b[pos+pcapRecordHeader : end]) {
			break
		}
		pos, captured = end, next
		skipped++
	}
	s.stats.Packets += skipped
	s.stats.Bytes += int64(pos-r.pos) - skipped*pcapRecordHeader
	r.pos = pos
	r.number += skipped
}

// lengthAt returns the captured length of the packet whose record is at pos. It
// returns a length above maxPacket if the header of the record is not in b.
func lengthAt(b []byte, pos int) uint32 {
	if len(b)-pos < pcapRecordHeader {
		return maxPacket + 1
	}
	return binary.LittleEndian.Uint32(b[pos+8:])
}

// canSkip reports whether an Ethernet frame certainly has no effect: an empty TCP
// segment, one of a connection whose hello is not awaited and that starts no hello,
// or a datagram that [scanner.classify] has no kind for. It decides only for plain
// IP directly on Ethernet, with up to two VLAN tags. All other frames are left to
// [scanner.scan].
//
// It is one long function because nine packets of ten get no further.
func (s *scanner) canSkip(b []byte) bool {
	const (
		etherTypeAt, ipAt, tagLen, maxTags = 12, 14, 4, 2

		noOptions, anyFragment = 0x45, 0x3fff // more fragments, or an offset
	)
	var (
		protocol  uint8
		addrs     []byte
		transport []byte // 20 bytes or more
	)
	for tags := 0; transport == nil; tags++ {
		if len(b) < ipAt+ipMinHeader+tcpMinHeader {
			return false
		}
		h := (*[ipAt + ipMinHeader]byte)(b)
		switch binary.BigEndian.Uint16(h[etherTypeAt:]) {
		case etherIPv4:
			end := min(ipAt+int(binary.BigEndian.Uint16(h[ipAt+2:])), len(b))
			if h[ipAt] != noOptions || binary.BigEndian.Uint16(h[ipAt+6:])&anyFragment != 0 || end < ipAt+ipMinHeader+tcpMinHeader {
				return false
			}
			protocol, addrs, transport = h[ipAt+9], h[ipAt+12:], b[ipAt+ipMinHeader:end]
		case etherIPv6:
			end := min(ipAt+ipv6Header+int(binary.BigEndian.Uint16(h[ipAt+4:])), len(b))
			if h[ipAt]>>4 != 6 || end < ipAt+ipv6Header+tcpMinHeader {
				return false
			}
			protocol, addrs, transport = h[ipAt+6], b[ipAt+8:][:32], b[ipAt+ipv6Header:end]
		case etherVLAN, etherQinQ:
			if tags == maxTags {
				return false
			}
			b = b[tagLen:]
		default:
			return false
		}
	}
	h := (*[tcpMinHeader]byte)(transport)
	switch protocol {
	case ipTCP:
		n, flags := int(h[12]>>4)*4, h[13]
		switch {
		case n < tcpMinHeader || n > len(transport) || flags&tcpRST != 0:
			return false
		case flags&tcpSYN != 0:
			return flags&tcpACK != 0
		case n < len(transport) && mayStartStream(transport[n:]) && startsStream(transport[n:]):
			return false
		case n == len(transport) && flags&tcpFIN == 0:
			return true
		}
		return !s.streams.has(s.streams.hasher.key(addrs, portsOf(h[:])))
	case ipUDP:
		return s.tunnelOf(portsOf(h[:])) == nil && s.classify(udpPayload(transport)) == nil
	}
	return false
}
