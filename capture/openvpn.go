package capture

import (
	"encoding/binary"

	"github.com/tlspeek/tlspeek/parser"
)

// Opcodes of OpenVPN, which stand in the upper five bits of a packet's first
// byte (draft-openvpn-openvpn-wire-protocol, section 5).
const (
	portOpenVPN    = 1194 // over UDP the first byte alone would say too little
	vpnControl     = 4
	vpnHardReset   = 7
	vpnLastOpcode  = 11
	vpnMaxControls = 1024 // message ids, which begin at 0
	vpnMaxAhead    = 32   // packets that came too early
)

// An openVPN is the TLS stream of a client that is carried in OpenVPN's control
// packets, each of which has a number. A hello takes several: they are short.
type openVPN struct {
	next    uint32 // number of the packet awaited
	early   map[uint32][]byte
	records parser.RecordAssembler
	bytes   int
	dead    bool // it is no hello
}

// controlPacket returns the number and the TLS bytes of a control packet. Whether
// there is an HMAC before, and how long it is, only the two ends know: the number
// tells, being small.
func controlPacket(p []byte) (number uint32, payload []byte, ok bool) {
	const header = 1 + 8 // opcode and session id
	const replay = 4 + 4 // packet id and time, with an HMAC only
	const maxAcks = 8
	if len(p) < header || p[0]>>3 != vpnControl {
		return 0, nil, false
	}
	for _, hmac := range [...]int{0, 16 + replay, 20 + replay, 32 + replay, 64 + replay} {
		at := header + hmac
		if at >= len(p) || p[at] > maxAcks {
			continue
		}
		acks := int(p[at])
		if at += 1 + 4*acks; acks > 0 {
			at += 8 // the session id of the other end
		}
		if at+4 > len(p) {
			continue
		}
		if number = binary.BigEndian.Uint32(p[at:]); number > 0 && number < vpnMaxControls {
			return number, p[at+4:], true
		}
	}
	return 0, nil, false
}

// add takes the TLS bytes of a control packet, and returns the hello if it is
// whole with them.
func (v *openVPN) add(number uint32, payload []byte) []byte {
	if v.next == 0 {
		v.next = 1
	}
	if number > v.next && len(v.early) < vpnMaxAhead {
		if v.early == nil {
			v.early = make(map[uint32][]byte)
		}
		if v.early[number] == nil {
			v.early[number] = append([]byte{}, payload...)
		}
	}
	for number == v.next && !v.dead {
		message, used, err := v.records.Next(payload)
		if v.bytes += used; message != nil {
			return message
		}
		v.dead = err != nil || v.bytes > maxHead
		v.next++
		number, payload = v.next, v.early[v.next]
		if payload == nil {
			break
		}
		delete(v.early, number)
	}
	return nil
}

// openVPN takes a datagram that may be a control packet of OpenVPN.
func (s *scanner) openVPN(p []byte, key uint64) {
	number, payload, ok := controlPacket(p)
	if !ok {
		return
	}
	fs := &s.flows
	f := fs.byKey[key]
	if f == nil {
		if number != 1 || len(payload) < minFresh || sniff(payload) == noHello {
			return
		}
		f = fs.blank(key)
	}
	if f.vpn == nil {
		f.vpn = new(openVPN)
	}
	message := f.vpn.add(number, payload)
	fs.follow(f, len(p))
	if message == nil || s.repeated(key, message) {
		return
	}
	fs.found(f)
	s.wrap(LayerOpenVPN, 0)
	s.hello = Hello{Transport: parser.TLS, Index: 1, Records: f.vpn.records.Records(), Datagrams: int(f.vpn.next)}
	s.emitTLS(message)
}

// isOpenVPN reports whether a TCP stream begins as an OpenVPN client's does: with
// a length, and the packet that asks for a new session, which acknowledges nothing
// and has the number 0.
func isOpenVPN(p []byte) bool {
	const shortest, longest = 14, 14 + 64 + 8
	if len(p) < 2+shortest || p[2]>>3 != vpnHardReset {
		return false
	}
	n := int(binary.BigEndian.Uint16(p))
	return n >= shortest && n <= longest && 2+n <= len(p) && [5]byte(p[2+n-5:]) == [5]byte{}
}

// collectVPN reads what is new of the head of a stream of OpenVPN packets. It
// reports whether the connection still has its slot.
func (s *scanner) collectVPN(sl *slot, t *stream) bool {
	for {
		b := t.head[t.fed:]
		if len(b) < 3 {
			break
		}
		if opcode := b[2] >> 3; opcode < vpnControl || opcode > vpnLastOpcode {
			return s.resume(sl, t, 1) // another protocol that begins in the same way
		}
		n := 2 + int(binary.BigEndian.Uint16(b))
		if n > len(b) {
			break
		}
		t.fed += n
		number, payload, ok := controlPacket(b[2:n])
		if !ok {
			continue
		}
		message := t.vpn.add(number, payload)
		if message == nil {
			continue
		}
		s.wrap(LayerOpenVPN, 0)
		how := carrier{recordVersion(message), t.vpn.records.Records(), t.segments, t.behind.differ, true}
		how.version = 0 // the records are in pieces
		alive := s.found(sl, t.start, message, how)
		if alive {
			s.streams.remove(sl)
		}
		return false
	}
	if t.vpn.dead || len(t.head) > maxPreface {
		return s.resume(sl, t, 1)
	}
	return true
}
