package capture

import (
	"encoding/binary"

	"github.com/tlspeek/tlspeek/quichello"
)

// skipDull steps over the dull packets that r, which is plain, has in memory.
func (s *scanner) skipDull(r *pcapReader) {
	if r.link != linkEthernet {
		return
	}
	pos, skipped := r.pos, int64(0)
	for {
		rest := r.buf[pos:r.end]
		if len(rest) < pcapRecordHeader {
			break
		}
		captured := binary.LittleEndian.Uint32(rest[8:])
		// What is longer than any packet is for read to report.
		if captured > maxPacket || int(captured) > len(rest)-pcapRecordHeader || !s.dull(rest[pcapRecordHeader:][:captured]) {
			break
		}
		pos += pcapRecordHeader + int(captured)
		skipped++
	}
	s.stats.Packets += skipped
	s.stats.Bytes += int64(pos-r.pos) - skipped*pcapRecordHeader
	r.pos = pos
	r.number += skipped
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
		return dullDatagram(udpPayload(transport)) && !isTunnel(uint16(ports>>16)) && !isTunnel(uint16(ports))
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
	default:
		return b != 0 && b != recordHandshake && b>>3 != vpnControl
	}
}
