package capture

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/tlspeek/tlspeek/parser"
)

// Numbers of RADIUS (RFC 2865, sections 3 and 5) and EAP (RFC 3748, section 4).
const (
	radiusRequest = 1 // Access-Request
	radiusHeader  = 20

	radiusUserName         = 1
	radiusCallingStationID = 31
	radiusEAPMessage       = 79 // RFC 3579, section 3.1

	eapResponse = 2
	eapIdentity = 1
	eapExpanded = 254 // RFC 3748, section 5.7
	eapHeader   = 6   // including type and flags
)

// The EAP types that carry TLS.
const (
	eapTLS  = 13 // RFC 5216
	eapTTLS = 21 // RFC 5281
	eapPEAP = 25
	eapFAST = 43 // RFC 4851
	eapTEAP = 55 // RFC 7170
)

// An eapStream is the TLS stream of one login up to the end of the hello. Each EAP
// packet has a piece, and is sent after the answer to the one before.
type eapStream struct {
	identifier uint8 // of the last packet, which may be retransmitted
	packets    int
	records    parser.RecordAssembler
	bytes      int
}

// isRADIUSRequest reports whether p may be a RADIUS Access-Request.
func isRADIUSRequest(p []byte) bool {
	if len(p) < radiusHeader || p[0] != radiusRequest {
		return false
	}
	n := int(binary.BigEndian.Uint16(p[2:]))
	return n >= radiusHeader && n <= len(p)
}

// eapPacket returns the EAP packet in an Access-Request, in the memory of buf, and
// the key of the login. That is a hash of key and of the attributes that tell apart
// the logins through one RADIUS client. It returns nil if there is no EAP packet or
// the attributes are malformed.
func (s *scanner) eapPacket(p, buf []byte, key uint64) (packet []byte, _ uint64) {
	for p = p[radiusHeader:binary.BigEndian.Uint16(p[2:])]; len(p) > 0; {
		if len(p) < 2 || p[1] < 2 || int(p[1]) > len(p) {
			return nil, 0
		}
		kind, value := p[0], p[2:p[1]]
		switch kind {
		case radiusEAPMessage:
			buf = append(buf, value...)
		case radiusUserName, radiusCallingStationID:
			key = mulFold(key, maphash.Bytes(s.flows.seed, value)) | 1
		}
		p = p[2+len(value):]
	}
	if len(buf) < eapHeader || buf[0] != eapResponse || int(binary.BigEndian.Uint16(buf[2:])) != len(buf) {
		return nil, 0
	}
	return buf, key
}

// eapType returns the type of an EAP packet, and the offset of what follows it. Of an
// expanded type it returns the type that has the same data, or 0.
func eapType(packet []byte) (kind uint32, end int) {
	if packet[4] != eapExpanded {
		return uint32(packet[4]), 5
	}
	if len(packet) < 13 { // with flags
		return 0, 0
	}
	const ietf, hostap, wfa = 0, 39068, 40808
	kind = binary.BigEndian.Uint32(packet[8:])
	switch vendor := binary.BigEndian.Uint32(packet[4:]) & 0xffffff; {
	case vendor == ietf:
		return kind, 12
	case vendor == hostap && kind == 1, vendor == wfa && kind == 13: // TLS without a certificate of the client
		return eapTLS, 12
	}
	return 0, 0
}

// eapData returns the piece of a TLS stream in an EAP packet (RFC 5216, section 3.1).
// The other EAP types have the same format.
func eapData(packet []byte) []byte {
	const lengthIncluded, outerLength = 0x80, 0x10 // outerLength is of TEAP (RFC 7170, section 4.1)
	kind, n := eapType(packet)
	switch kind {
	case eapTLS, eapTTLS, eapPEAP, eapFAST, eapTEAP:
	default:
		return nil
	}
	flags, data := packet[n], packet[n+1:]
	skip, outer := 0, 0
	if flags&lengthIncluded != 0 {
		skip += 4
	}
	if kind == eapTEAP && flags&outerLength != 0 {
		if skip+4 > len(data) {
			return nil
		}
		outer = int(binary.BigEndian.Uint32(data[skip:]))
		skip += 4
	}
	if skip > len(data) || outer < 0 || outer > len(data)-skip {
		return nil
	}
	return data[skip : len(data)-outer]
}

// radius reads an Access-Request, which may hold a piece of a TLS stream.
func (s *scanner) radius(p []byte) {
	var buf [4096]byte // the longest RADIUS packet
	packet, key := s.eapPacket(p, buf[:0], s.flowKey())
	if packet == nil {
		return
	}
	if message := s.eapMessage(packet, key); message != nil {
		s.hello.protocol = ipUDP
		s.emitTLS(message)
	}
}

// eapMessage reads the response of a client in the login with the given key. It returns
// the hello that the packet completes, and sets s.hello and its layer, or returns nil.
func (s *scanner) eapMessage(packet []byte, key uint64) []byte {
	fs := &s.flows
	f := fs.byKey[key]
	data := eapData(packet)
	if len(data) == 0 {
		if packet[4] == eapIdentity {
			s.restartLogin(key)
		}
		return nil
	}
	switch starts := startsHello(data); {
	case !starts && (f == nil || f.eap == nil || f.eap.identifier == packet[1]):
		return nil
	case f == nil:
		f = fs.newFlow(key)
		fallthrough
	case starts:
		f.eap = new(eapStream)
	}
	e := f.eap
	e.identifier = packet[1]
	e.packets++
	message, used, err := e.records.Next(data)
	if e.bytes += used; message != nil || err != nil || e.bytes > maxHead {
		f.eap = nil
	}
	fs.track(f, len(data))
	if message == nil || s.isRepeated(key^f.login, message) {
		return nil
	}
	fs.moveToDone(f)
	s.addLayer(LayerEAP, uint32(packet[4]))
	s.hello = Hello{
		Transport:     parser.TLS,
		Index:         1,
		RecordVersion: e.records.RecordVersion(),
		Records:       e.records.Records(),
		Datagrams:     e.packets,
	}
	return message
}

// restartLogin drops what is held of a login that begins anew. The same hello in the
// new one is another hello.
func (s *scanner) restartLogin(key uint64) {
	f := s.flows.byKey[key]
	if f == nil {
		return
	}
	f.login = mulFold(f.login, s.streams.hasher[2]) | 1
	if f.eap != nil {
		f.eap = nil
		s.flows.incomplete++
	}
}
