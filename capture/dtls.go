package capture

import "github.com/tlspeek/tlspeek/parser"

// isDTLSHandshake reports whether p begins with an unencrypted DTLS handshake
// record. Its epoch is 0 (RFC 9147, section 4).
func isDTLSHandshake(p []byte) bool {
	return len(p) > dtlsRecordHeader && p[0] == recordHandshake && (p[1] == 0xfe || p[1] == 1) && p[3] == 0 && p[4] == 0
}

const dtlsRecordHeader = 13

// dtls reads a datagram that begins with a DTLS handshake record.
func (s *scanner) dtls(p []byte) { s.dtlsFlow(s.flowKey(), ipUDP, p) }

// dtlsFlow is dtls for a datagram of the flow with the given key, over a protocol of IP.
func (s *scanner) dtlsFlow(key uint64, protocol uint8, p []byte) {
	fs := &s.flows
	f := fs.byKey[key]
	if f == nil && p[dtlsRecordHeader] != handshakeClientHello {
		return // from a server, or of a handshake that has begun
	}
	if f == nil {
		f = fs.newFlow(key)
	}
	if f.dtls == nil {
		if f.dtls = fs.unusedDTLS; f.dtls == nil {
			f.dtls = new(parser.DTLSAssembler)
		}
		fs.unusedDTLS = nil
	}
	message, _ := f.dtls.Next(p)
	if message == nil && f.dtls.Buffered() == 0 {
		if fs.byKey[key] == nil {
			f.dtls.Reset()
			fs.unusedDTLS, fs.unusedFlow = f.dtls, f
		}
		return
	}
	fs.track(f, len(p))
	if message == nil {
		return
	}
	fs.moveToDone(f)
	if s.isRepeated(key, message) {
		return
	}
	s.hello = Hello{
		Transport:     parser.DTLS,
		protocol:      protocol,
		Index:         int(f.dtls.MessageSeq()) + 1,
		RecordVersion: f.dtls.RecordVersion(),
		Records:       f.dtls.Records(),
		Datagrams:     f.dtls.Datagrams(),
	}
	s.emit(message)
}
