package capture

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/tlspeek/tlspeek/parser"
)

// Sizes and numbers of SCTP (RFC 9260, section 3).
const (
	sctpHeader = 12

	sctpData        = 0
	sctpDataHeader  = 16
	sctpIData       = 0x40 // RFC 8260, section 2.1
	sctpIDataHeader = 20

	sctpEnds, sctpBegins, sctpUnordered = 1, 2, 4 // flags of both
)

// linkSCTP reads an SCTP packet without an IP header.
func (s *scanner) linkSCTP(b []byte) {
	s.addrs = nil
	s.sctp(b)
}

// sctp reads an SCTP packet between the addresses in s.addrs. Each of its streams may
// be a TLS connection (RFC 3436), and its messages may be DTLS records (RFC 6083).
func (s *scanner) sctp(b []byte) {
	if len(b) <= sctpHeader {
		return
	}
	s.ports, s.channel = portsOf(b), 0
	association := s.sctpAssociation(binary.BigEndian.Uint32(b[4:]))
	for b = b[sctpHeader:]; len(b) >= 4; {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			return // malformed, or not all of it was captured
		}
		s.sctpChunk(association, b[:n])
		b = b[min((n+3)&^3, len(b)):]
	}
}

// sctpAssociation returns the key of one direction of an association. Its verification
// tag and its ports tell it apart, as its packets may come from several addresses. The
// tag is 0 only in the first packet, and where a program leaves it out.
func (s *scanner) sctpAssociation(tag uint32) uint64 {
	h := &s.streams.hasher
	key := mulFold(uint64(tag)<<32|uint64(s.ports)^h[0], h[1])
	if tag == 0 {
		key = mulFold(key^maphash.Bytes(s.flows.seed, s.addrs), h[2])
	}
	return key
}

// sctpChunk reads a chunk if it is one of data.
func (s *scanner) sctpChunk(association uint64, b []byte) {
	p := sctpPart{begins: b[1]&sctpBegins != 0, ends: b[1]&sctpEnds != 0}
	switch {
	case b[0] == sctpData && len(b) > sctpDataHeader:
		p.order, p.message, p.data = binary.BigEndian.Uint32(b[4:]), uint32(binary.BigEndian.Uint16(b[10:])), b[sctpDataHeader:]
	case b[0] == sctpIData && len(b) > sctpIDataHeader:
		p.message, p.data = binary.BigEndian.Uint32(b[12:]), b[sctpIDataHeader:]
		if !p.begins { // otherwise the field is a protocol
			p.order = binary.BigEndian.Uint32(b[16:])
		}
	default:
		return
	}
	id := uint32(binary.BigEndian.Uint16(b[8:]))
	order := sctpOrder{interleaved: b[0] == sctpIData, unordered: b[1]&sctpUnordered != 0}
	key := mulFold(association^uint64(id)<<16^uint64(b[0])<<8^uint64(b[1]&sctpUnordered), s.streams.hasher[3]) | 1
	layers := len(s.layers)
	s.addLayer(LayerSCTP, id)
	s.sctpPart(key, order, &p)
	s.layers = s.layers[:layers]
}

// sctpPart reads a part of a message of the stream with the given key.
func (s *scanner) sctpPart(key uint64, order sctpOrder, p *sctpPart) {
	fs := &s.flows
	f := fs.byKey[key]
	whole := p.begins && p.ends
	switch {
	case whole && isDTLSHandshake(p.data):
		s.dtlsFlow(key, ipSCTP, p.data)
		return
	case f != nil && f.sctp != nil:
	case whole && !mayBeTLSMessage(p.data):
		return // of other protocols nothing is kept but messages that are in parts
	case f == nil:
		f = fs.newFlow(key)
		fallthrough
	default:
		f.sctp = &sctpStream{order: order}
	}
	st := f.sctp
	fs.track(f, 0)
	before := st.size()
	st.keep(p)
	hello := false
	for fs.byKey[key] == f && st.advance() {
		if st.datagram != nil {
			s.dtlsFlow(key, ipSCTP, st.datagram)
		} else if s.sctpPiece(key, st) {
			hello = true
		}
	}
	if fs.byKey[key] != f {
		return // it did not fit
	}
	if st.lost {
		st.lost = false
		fs.incomplete++
	}
	if f.dtls == nil && st.isEmpty() && fs.awaited.Remove(&f.node) {
		fs.drop(f)
		return
	}
	if hello {
		fs.moveToDone(f)
	}
	fs.track(f, st.size()-before)
}

// sctpPiece reads a piece of the TLS stream of st, and reports whether it completes a
// hello.
func (s *scanner) sctpPiece(key uint64, st *sctpStream) (hello bool) {
	for b := st.piece; len(b) > 0 && !st.done; {
		message, used, err := st.records.Next(b)
		b = b[used:]
		if st.bytes += used; message == nil {
			if err != nil || st.bytes > maxHead {
				st.finish()
			}
			continue
		}
		hello = true
		st.hellos++
		s.hello = Hello{
			Transport:     parser.TLS,
			protocol:      ipSCTP,
			Index:         st.hellos,
			RecordVersion: st.records.RecordVersion(),
			Records:       st.records.Records(),
			Datagrams:     st.parts,
		}
		if !s.isRepeated(key, message) {
			s.emitTLS(message)
		}
		st.parts, st.bytes = 0, 0
		if st.hellos == 2 {
			st.finish()
		}
	}
	return hello
}
