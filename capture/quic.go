package capture

import (
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
		if f = s.movedFlow(key, p); f != nil {
			known = true
		} else {
			f = fs.newFlow(key)
		}
	}
	held := f.quic.Buffered()
	hello, err := f.quic.Next(p)
	switch {
	case !known && hello == nil && err == quichello.ErrAuthentication:
		fs.unusedFlow = f // it holds nothing
		return
	case !known:
		_, f.scid, _ = quichello.ConnectionIDs(p)
	}
	fs.track(f, f.quic.Buffered()-held)
	if hello == nil && err != quichello.ErrAuthentication && f.node.List() == &fs.awaited {
		fs.setPartial(f, s.partialKey(p))
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

// movedFlow returns the flow whose hello p continues from another port or address of
// the client, or nil. From now on that flow also has the given key.
func (s *scanner) movedFlow(key uint64, p []byte) *flow {
	fs := &s.flows
	if len(fs.partial) == 0 {
		return nil
	}
	f := fs.partial[s.partialKey(p)]
	if f == nil || len(f.moved) == maxMoves || !f.quic.Continues(p) {
		return nil
	}
	f.moved = append(f.moved, key)
	fs.byKey[key] = f
	return f
}

// partialKey returns the key of a datagram in flows.partial: a hash of the address and
// port of the server, the version and both connection ids.
func (s *scanner) partialKey(p []byte) uint64 {
	dst, src, _ := quichello.ConnectionIDs(p)
	ids := p[1:min(7+dst.Len()+src.Len(), len(p))]
	server := s.addrs[len(s.addrs)/2:]
	h := &s.streams.hasher
	return mulFold(maphash.Bytes(s.flows.seed, server)^h[0], maphash.Bytes(s.flows.seed, ids)^uint64(uint16(s.ports))^h[1]) | 1
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
