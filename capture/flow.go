package capture

import (
	"bytes"
	"hash/maphash"

	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// A flow is what has come of the datagrams of one client to one server, over
// QUIC or DTLS, or of TLS in EAP of one who logs in.
type flow struct {
	key          uint64
	older, newer *flow
	list         *flowList // that it is in, once it is followed
	size         int       // bytes that are held of it, nearly

	quic quichello.Assembler
	scid []byte // source connection id of the client
	dtls *parser.DTLSAssembler
	vpn  *openVPN
	eap  *eapStream // nil but while a hello comes
}

// flowOverhead is what a flow takes before anything is held of it.
const flowOverhead = 2 << 10

// flows are the flows whose hello is awaited, and the last of which one was
// found, for the hello that may follow.
type flows struct {
	byKey   map[uint64]*flow
	awaited flowList
	done    flowList
	spare   *flow                 // for the next
	unused  *parser.DTLSAssembler // likewise

	opener quichello.Opener
	seed   maphash.Seed

	incomplete, dropped int64
}

// A flowList is a list of flows in the order of their age. Beyond maxMemory the
// oldest is dropped.
type flowList struct {
	oldest, newest    *flow
	memory, maxMemory int // bytes
}

func (l *flowList) push(f *flow) {
	if f.older = l.newest; f.older != nil {
		f.older.newer = f
	} else {
		l.oldest = f
	}
	l.newest = f
	l.memory += f.size
	f.list = l
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
	l.memory -= f.size
	f.list = nil
}

func (fs *flows) init(maxMemory int64) {
	fs.byKey = make(map[uint64]*flow)
	fs.awaited.maxMemory = int(maxMemory / 16)
	fs.done.maxMemory = int(maxMemory / 64)
	fs.seed = maphash.MakeSeed()
}

// blank returns a flow that is not yet followed.
func (fs *flows) blank(key uint64) *flow {
	f := fs.spare
	if fs.spare = nil; f == nil {
		f = new(flow)
	}
	*f = flow{key: key, scid: f.scid[:0], quic: quichello.Assembler{Opener: &fs.opener}}
	return f
}

// follow keeps a flow of which n bytes more are held.
func (fs *flows) follow(f *flow, n int) {
	if f.list == nil {
		fs.byKey[f.key] = f
		f.size = flowOverhead
		fs.awaited.push(f)
	}
	f.size += n
	f.list.memory += n
	fs.trim(f.list)
}

// found moves a flow to those that are done.
func (fs *flows) found(f *flow) {
	if f.list != &fs.awaited {
		return
	}
	fs.awaited.remove(f)
	fs.done.push(f)
	fs.trim(&fs.done)
}

// trim drops the oldest flows of a list that takes too much memory.
func (fs *flows) trim(l *flowList) {
	for l.memory > l.maxMemory && l.oldest != nil {
		if l == &fs.awaited {
			fs.dropped++
		}
		f := l.oldest
		fs.dropped += int64(f.quic.Dropped())
		delete(fs.byKey, f.key)
		l.remove(f)
		fs.spare = f // which may be the flow at hand: it stays as it is until blank is called
	}
}

// end counts what is left.
func (fs *flows) end() {
	for _, f := range fs.byKey {
		fs.dropped += int64(f.quic.Dropped())
		fs.incomplete += int64(len(f.quic.Pending()))
		if f.dtls != nil && f.dtls.Buffered() > 0 || f.eap != nil || f.vpn != nil && f.vpn.begun() {
			fs.incomplete++
		}
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
	held := f.quic.Buffered()
	hello, err := f.quic.Next(p)
	switch {
	case !known && hello == nil && err == quichello.ErrAuthentication:
		fs.spare = f // nothing was kept
		return
	case !known:
		f.scid = append(f.scid[:0], sourceID(p)...)
	}
	fs.follow(f, f.quic.Buffered()-held)
	for ; hello != nil; hello, _ = f.quic.Next(nil) {
		fs.found(f)
		if s.repeated(key, hello.Message) {
			continue
		}
		s.hello = Hello{Transport: parser.QUIC, Index: hello.Index, Datagrams: hello.Datagrams, QUIC: hello}
		s.emit(hello.Message)
		fs.opener.Reuse(hello)
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
		if f.dtls = fs.unused; f.dtls == nil {
			f.dtls = new(parser.DTLSAssembler)
		}
		fs.unused = nil
	}
	message, _ := f.dtls.Next(p)
	if message == nil && f.dtls.Buffered() == 0 {
		if fs.byKey[key] == nil {
			f.dtls.Reset()
			fs.unused, fs.spare = f.dtls, f
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
