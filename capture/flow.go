package capture

import (
	"bytes"
	"hash/maphash"

	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// A flow is what has come of the datagrams of one client to one server, over
// QUIC or DTLS.
type flow struct {
	key          uint64
	older, newer *flow
	done         bool // a hello was found; others may follow
	size         int  // bytes, nearly

	quic quichello.Assembler
	scid []byte // source connection id of the client
	dtls *parser.DTLSAssembler
	vpn  *openVPN
}

const (
	flowOverhead = 4 << 10 // with the keys of a connection

	// maxDoneFlows is how many flows are kept whose hello was found, for the
	// hello that may follow.
	maxDoneFlows = 1024
)

// flows are the flows whose hello is awaited, and the last of which one was
// found. Beyond the limits the oldest is dropped.
type flows struct {
	byKey     map[uint64]*flow
	awaited   flowList
	done      flowList
	memory    int // bytes of the awaited
	maxMemory int
	spare     *flow // made, and not needed

	opener quichello.Opener
	seed   maphash.Seed

	dropped int64
}

// A flowList is a list of flows in the order of their age.
type flowList struct {
	oldest, newest *flow
	len            int
}

func (l *flowList) push(f *flow) {
	if f.older = l.newest; f.older != nil {
		f.older.newer = f
	} else {
		l.oldest = f
	}
	l.newest = f
	l.len++
}

func (l *flowList) remove(f *flow) {
	if f.older != nil {
		f.older.newer = f.newer
	} else {
		l.oldest = f.newer
	}
	if f.newer != nil {
		f.newer.older = f.older
	} else {
		l.newest = f.older
	}
	f.older, f.newer = nil, nil
	l.len--
}

func (fs *flows) init(maxMemory int64) {
	fs.byKey = make(map[uint64]*flow)
	fs.maxMemory = int(maxMemory / 16)
	fs.seed = maphash.MakeSeed()
}

// blank returns a flow that is not yet followed.
func (fs *flows) blank(key uint64) *flow {
	f := fs.spare
	if fs.spare = nil; f == nil {
		f = new(flow)
	}
	f.key = key
	f.quic.Opener = &fs.opener
	return f
}

// follow keeps a flow of which n bytes came, or notes that more came.
func (fs *flows) follow(f *flow, n int) {
	if fs.byKey[f.key] == nil {
		fs.byKey[f.key] = f
		fs.awaited.push(f)
		n += flowOverhead
	}
	if !f.done {
		f.size += n
		fs.memory += n
	}
	for fs.memory > fs.maxMemory && fs.awaited.oldest != nil {
		fs.dropped++
		fs.drop(fs.awaited.oldest)
	}
}

// found moves a flow to those that are done.
func (fs *flows) found(f *flow) {
	if f.done || fs.byKey[f.key] != f {
		return
	}
	fs.awaited.remove(f)
	fs.memory -= f.size
	f.done, f.size = true, 0
	if fs.done.push(f); fs.done.len > maxDoneFlows {
		fs.drop(fs.done.oldest)
	}
}

func (fs *flows) drop(f *flow) {
	delete(fs.byKey, f.key)
	if f.done {
		fs.done.remove(f)
	} else {
		fs.awaited.remove(f)
		fs.memory -= f.size
	}
}

// quic takes a datagram that may hold a client's Initial.
func (s *scanner) quic(p []byte, key uint64) {
	fs := &s.flows
	f := fs.byKey[key]
	known := f != nil
	if !known {
		if s.isReply(p) {
			return
		}
		f = fs.blank(key)
	}
	hello, err := f.quic.Next(p)
	switch {
	case !known && hello == nil && err == quichello.ErrAuthentication:
		fs.spare = f // nothing was kept
		return
	case !known:
		f.scid = append(f.scid[:0], sourceID(p)...)
	}
	fs.follow(f, len(p))
	for ; hello != nil; hello, _ = f.quic.Next(nil) {
		fs.found(f)
		if s.repeated(key, hello.Message) {
			continue
		}
		s.hello = Hello{Transport: parser.QUIC, Index: hello.Index, Datagrams: hello.Datagrams, QUIC: hello}
		s.emit(hello.Message)
	}
}

// isReply reports whether an Initial is a server's: its destination connection
// id is the source connection id of the client on the other end.
func (s *scanner) isReply(p []byte) bool {
	f := s.flows.byKey[s.reverseKey()]
	return f != nil && bytes.Equal(destinationID(p), f.scid)
}

// destinationID returns the destination connection id of a long header.
func destinationID(p []byte) []byte { return p[6 : 6+int(p[5])] }

// sourceID returns the source connection id of a long header.
func sourceID(p []byte) []byte {
	p = p[6+int(p[5]):]
	return p[1 : 1+int(p[0])]
}

// dtls takes a datagram that begins with a DTLS handshake record.
func (s *scanner) dtls(p []byte, key uint64, client bool) {
	fs := &s.flows
	f := fs.byKey[key]
	if f == nil && !client {
		return
	}
	if f == nil {
		f = fs.blank(key)
	}
	if f.dtls == nil {
		f.dtls = new(parser.DTLSAssembler)
	}
	message, _ := f.dtls.Next(p)
	if message == nil && f.dtls.Buffered() == 0 {
		if fs.byKey[key] == nil {
			f.dtls.Reset()
			fs.spare = f
		}
		return
	}
	fs.follow(f, len(p))
	if message == nil {
		return
	}
	fs.found(f)
	if s.repeated(key, message) {
		return
	}
	s.hello = Hello{
		Transport:     parser.DTLS,
		Index:         int(f.dtls.MessageSeq()) + 1,
		RecordVersion: f.dtls.RecordVersion(),
		Records:       f.dtls.Records(),
		Datagrams:     f.dtls.Datagrams(),
	}
	s.emit(message)
}

// repeated reports whether the flow had the message before, and remembers it.
func (s *scanner) repeated(key uint64, message []byte) bool {
	sum := fold(key, maphash.Bytes(s.flows.seed, message)) | 1
	if s.streams.hellos.seen(sum) {
		return true
	}
	s.streams.hellos.add(sum)
	return false
}
