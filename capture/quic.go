package capture

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// quic reads a datagram that may hold a client's Initial.
func (s *scanner) quic(p []byte) {
	fs, key := &s.flows, s.flowKey()
	f := fs.byKey[key]
	known := f != nil
	if !known {
		if s.isReply(p) {
			return
		}
		f = fs.newFlow(key)
	}
	held := f.quic.Buffered()
	hello, err := f.quic.Next(p)
	if !known && hello == nil && err == quichello.ErrAuthentication {
		fs.unusedFlow = f // it holds nothing
		return
	}
	partial := uint64(0)
	if hello == nil && err == nil && (!known || f.node.List() == &fs.awaited) {
		partial = s.partialKey(p)
	}
	if !known {
		if old := s.movedFlow(partial, p); old != nil {
			old.moved = append(old.moved, key)
			fs.byKey[key] = old
			f, fs.unusedFlow = old, f // of which p is all
			held = f.quic.Buffered()
			hello, _ = f.quic.Next(p)
		} else {
			_, f.scid, _ = quichello.ConnectionIDs(p)
		}
	}
	fs.track(f, f.quic.Buffered()-held)
	if partial != 0 && f.node.List() != nil {
		fs.setPartial(f, partial)
	}
	for ; hello != nil; hello, _ = f.quic.Next(nil) {
		fs.moveToDone(f)
		fs.setPartial(f, 0)
		if s.isRepeated(f.key, hello.Message) {
			continue
		}
		s.hello = Hello{Transport: parser.QUIC, Index: hello.Index, Datagrams: hello.Datagrams, QUIC: hello}
		s.emit(hello.Message)
		fs.opener.Reuse(hello)
	}
}

// maxMoves is how many times the port or address of a client may change.
const maxMoves = 4

// movedFlow returns the flow with the given key in flows.partial if p continues its
// hello, from another port or address of the client. Otherwise it returns nil.
func (s *scanner) movedFlow(partial uint64, p []byte) *flow {
	f := s.flows.partial[partial]
	if f == nil || len(f.moved) == maxMoves || !f.quic.Continues(p) {
		return nil
	}
	return f
}

// partialKey returns the key of a datagram in flows.partial: a hash of the address and
// port of the server, the version and both connection ids.
func (s *scanner) partialKey(p []byte) uint64 {
	end := 6 + int(p[5]) // of the first id
	end += 1 + int(p[min(end, len(p)-1)])
	ids := p[1:min(end, len(p))] // in draft 21 they are shorter, and something else follows
	server := s.addrs[len(s.addrs)/2:]
	h := &s.streams.hasher
	x := uint64(binary.BigEndian.Uint32(server))<<16 | uint64(uint16(s.ports))
	if len(server) == 16 {
		x ^= mulFold(binary.LittleEndian.Uint64(server)^h[2], binary.LittleEndian.Uint64(server[8:])^h[3])
	}
	return mulFold(x^h[0], maphash.Bytes(s.flows.seed, ids)^h[1]) | 1
}

// isReply reports whether an Initial is from a server: its destination connection id
// is the source connection id of a client's Initial in the other direction.
func (s *scanner) isReply(p []byte) bool {
	f := s.flows.byKey[s.reverseKey()]
	if f == nil {
		return false
	}
	id, _, _ := quichello.ConnectionIDs(p)
	return id == f.scid
}
