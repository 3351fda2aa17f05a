package capture

import (
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
	switch {
	case !known && hello == nil && err == quichello.ErrAuthentication:
		fs.unusedFlow = f // it holds nothing
		return
	case !known:
		_, f.scid, _ = quichello.ConnectionIDs(p)
	}
	fs.track(f, f.quic.Buffered()-held)
	for ; hello != nil; hello, _ = f.quic.Next(nil) {
		fs.moveToDone(f)
		if s.isRepeated(key, hello.Message) {
			continue
		}
		s.hello = Hello{Transport: parser.QUIC, Index: hello.Index, Datagrams: hello.Datagrams, QUIC: hello}
		s.emit(hello.Message)
		fs.opener.Reuse(hello)
	}
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
