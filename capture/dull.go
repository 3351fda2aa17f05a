package capture

import (
	"encoding/binary"

	"github.com/tlspeek/tlspeek/quichello"
)

// skipDull steps over the dull packets that r, which is plain, has in memory.
func (s *scanner) skipDull(r *pcapReader) {
	if r.link != LinkEthernet {
		return
	}
	b := r.buf[:r.end]
	pos, skipped := r.pos, int64(0)
	captured := lengthAt(b, pos)
	// What is longer than any packet is for read to report.
	for captured <= maxPacket {
		end := pos + pcapRecordHeader + int(captured)
		if end > len(b) {
			break
		}
		next := lengthAt(b, end) // so that memory brings it while this one is looked at
		if !s.dull(b[pos+pcapRecordHeader : end]) {
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

// lengthAt returns the length of the packet whose record begins at pos, or one
// that none has if its header is not in b.
func lengthAt(b []byte, pos int) uint32 {
	if len(b)-pos < pcapRecordHeader {
		return maxPacket + 1
	}
	return binary.LittleEndian.Uint32(b[pos+8:])
}

// dull reports whether b, an Ethernet frame, is one of the many that change
// nothing: a TCP segment of a connection that is not awaited, or an empty one,
// and no beginning of a hello; or a datagram in which [scanner.datagram] sees
// nothing, as RTP and QUIC behind the handshake. It is a short way past
// [scanner.scan], to which it leaves all that is not plain IP upon Ethernet, with
// a VLAN or two. It is one function because nine packets of ten get no further.
func (s *scanner) dull(b []byte) bool {
	const (
		etherTypeAt, ipAt, tagLen, maxTags = 12, 14, 4, 2

		noOptions, anyFragment = 0x45, 0x3fff // more fragments, or an offset
		ipv6HeaderLen          = 40
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
			end := min(ipAt+ipv6HeaderLen+int(binary.BigEndian.Uint16(h[ipAt+4:])), len(b))
			if h[ipAt]>>4 != 6 || end < ipAt+ipv6HeaderLen+tcpMinHeader {
				return false
			}
			protocol, addrs, transport = h[ipAt+6], b[ipAt+8:][:32], b[ipAt+ipv6HeaderLen:end]
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
		case n < len(transport) && transport[n] == recordHandshake && beginsHello(transport[n:]):
			return false
		case n == len(transport) && flags&tcpFIN == 0:
			return true
		}
		return !s.streams.has(s.streams.hasher.key(addrs, portsOf(h[:])))
	case ipUDP:
		ports := portsOf(h[:])
		return dullDatagram(udpPayload(transport)) && s.tunnelOf(ports) == nil
	}
	return false
}

// dullDatagram reports whether [scanner.datagram] sees nothing in p, on any port.
func dullDatagram(p []byte) bool {
	switch b := p[0]; {
	case b >= 0x80:
		return !quichello.IsInitial(p)
	case b >= 0x50:
		return true
	case b >= 0x40:
		return channelData(p) == nil
	case b == radiusRequest:
		return !isRADIUS(p)
	case b>>3 == vpnControl, b>>3 == vpnHardReset:
		return !mayBeOpenVPN(p)
	default:
		return b != 0 && b != recordHandshake
	}
}
