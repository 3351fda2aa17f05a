package capture

import (
	"bytes"
	"encoding/binary"
)

// When the first segment of a hello comes after others, and the SYN of its connection is
// not in the capture, the others have been skipped: nothing showed that they belong to a
// hello. They are often still in memory, though, as a file is read in large blocks. So a
// scanner remembers where the last packets are, and looks at them again.

// A region is a part of a window: the data of a packet, or consecutive records of a pcap
// file that the fast path reads.
type region struct {
	from, to int64 // offsets in the stream
	link     LinkType
	records  bool
}

const (
	numRegions = 128
	regionSize = 4 << 10 // a region of records that has as many bytes grows no more
)

// earlierPackets has the last regions of a file.
type earlierPackets struct {
	w       *window // nil if packets do not come from a file
	regions [numRegions]region
	added   uint
	walked  int64 // packets that were looked at again
}

// windowOf returns the window that packets are read from, or nil.
func windowOf(packets packetReader) *window {
	switch r := packets.(type) {
	case *pcapReader:
		return r.window
	case *pcapngReader:
		return r.window
	}
	return nil
}

// addRecords adds the pcap records between two offsets in the stream.
func (e *earlierPackets) addRecords(from, to int64, link LinkType) {
	if last := &e.regions[(e.added-1)%numRegions]; last.to == from && from-last.from < regionSize {
		last.to = to
		return
	}
	e.add(region{from, to, link, true})
}

// addPacket adds a packet.
func (e *earlierPackets) addPacket(p *packet) {
	if w := e.w; w != nil && sameArray(w.buf, p.data) {
		at := w.base + int64(cap(w.buf)-cap(p.data))
		e.add(region{at, at + int64(len(p.data)), p.link, false})
	}
}

func (e *earlierPackets) add(g region) {
	e.regions[e.added%numRegions] = g
	e.added++
}

// lookBack reads the recent segments of a connection that has the first part of a hello.
// It examines no more than a few packets for each that was read.
func (s *scanner) lookBack() {
	const most = 4 // packets looked at for each one read, and
	const free = 4096
	e := &s.earlier
	for i := e.added - min(e.added, numRegions); i < e.added; i++ {
		g := &e.regions[i%numRegions]
		if e.w == nil || g.from < e.w.base {
			continue
		}
		for b := e.w.buf[g.from-e.w.base : g.to-e.w.base]; len(b) > 0; {
			frame := b
			if g.records {
				frame = b[pcapRecordHeader:][:lengthAt(b, 0)]
				b = b[pcapRecordHeader+len(frame):]
			} else {
				b = nil
			}
			if e.walked++; e.walked > most*s.stats.Packets+free {
				return
			}
			if !s.placeEarlier(g.link, frame) {
				return
			}
		}
	}
}

// placeEarlier gives the payload of an earlier frame to its connection, if that is the
// one of the current segment and if the payload is ahead of what has come. It reports
// whether the connection still waits for a part of a hello.
func (s *scanner) placeEarlier(link LinkType, frame []byte) (waits bool) {
	const maxAhead = maxMessage
	s.examined += ipMinHeader + tcpMinHeader
	addrs, segment := tcpSegment(link, frame)
	if segment == nil || portsOf(segment) != s.ports || !bytes.Equal(addrs, s.addrs) {
		return true
	}
	n := int(segment[12]>>4) * 4
	if n < tcpMinHeader || n >= len(segment) || segment[13]&(tcpSYN|tcpRST) != 0 {
		return true
	}
	sl := s.streams.find(s.key)
	if sl == nil || sl.state&slotHasStream == 0 {
		return false
	}
	sequence := binary.BigEndian.Uint32(segment[4:])
	if ahead := int32(sequence - sl.next); ahead >= 0 && ahead <= maxAhead {
		s.receive(sl, sequence, segment[n:])
	}
	return true
}

// tcpSegment returns the TCP segment in an Ethernet frame with any VLAN tags, or in an IP
// packet, and its addresses. It returns nil for other packets, for fragments and for
// packets with extension headers.
func tcpSegment(link LinkType, b []byte) (addrs, segment []byte) {
	if link == LinkEthernet {
		const etherTypeAt, tagLen = 12, 4
		for len(b) > etherTypeAt+2 {
			kind := binary.BigEndian.Uint16(b[etherTypeAt:])
			if kind != etherVLAN && kind != etherQinQ {
				break
			}
			b = b[tagLen:]
		}
		b = b[min(len(b), etherTypeAt+2):]
	} else if link != LinkRaw {
		return nil, nil
	}
	switch {
	case len(b) < ipMinHeader+tcpMinHeader:
		return nil, nil
	case b[0]>>4 == 4 && b[9] == ipTCP && b[6]&0x3f|b[7] == 0:
		n := int(b[0]&15) * 4
		b = b[:min(max(int(binary.BigEndian.Uint16(b[2:])), n), len(b))]
		if n >= ipMinHeader && len(b) >= n+tcpMinHeader {
			return b[12:20], b[n:]
		}
	case b[0]>>4 == 6 && b[6] == ipTCP && len(b) >= ipv6Header+tcpMinHeader:
		b = b[:min(ipv6Header+int(binary.BigEndian.Uint16(b[4:])), len(b))]
		if len(b) >= ipv6Header+tcpMinHeader {
			return b[8:40], b[ipv6Header:]
		}
	}
	return nil, nil
}
