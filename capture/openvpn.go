package capture

import (
	"encoding/binary"

	"github.com/tlspeek/tlspeek/parser"
)

// Opcodes of OpenVPN, which are the upper five bits of a packet's first byte
// (draft-openvpn-openvpn-wire-protocol, section 5).
const (
	vpnControl    = 4
	vpnHardReset  = 7 // a client's request for a new session
	vpnLastOpcode = 11
)

// Limits on control packets.
const (
	vpnMaxControls = 1024 // packet ids, from 0
	vpnMaxAhead    = 32   // packets kept out of order
)

// Lengths of a control packet's fields, in bytes.
const (
	vpnHeader = 1 + 8 // opcode and key id, session id
	vpnReplay = 4 + 4 // packet id and time; only after an HMAC
	vpnIDs    = 1 + 4 // number of acknowledgments, packet id

	vpnMaxAcks = 8
)

// vpnAuthLengths returns the possible lengths of the fields between the header and
// the acknowledgments: none, or an HMAC (tls-auth) with MD5, SHA-1 or SHA-2 and the
// replay fields. Both ends are configured with one; it is not sent.
func vpnAuthLengths() [7]int {
	return [...]int{0, 16 + vpnReplay, 20 + vpnReplay, 28 + vpnReplay, 32 + vpnReplay, 48 + vpnReplay, 64 + vpnReplay}
}

// An openVPN is the TLS stream that a client sends in OpenVPN's control packets.
// A hello usually takes several packets.
type openVPN struct {
	session    [vpnHeader]byte // key id and session id
	auth       int             // one of vpnAuthLengths, or unknownAuth before the first control packet
	next       uint32          // packet id of the next packet
	outOfOrder map[uint32][]byte
	records    parser.RecordAssembler
	bytes      int
	packets    int // that hold the current message
	hellos     int
	done       bool // no further hello follows
}

const unknownAuth = -1

// newOpenVPN returns the stream that starts with p, or nil. p must be a request for
// a new session, or the first control packet if a hello starts in it.
func newOpenVPN(p []byte) *openVPN {
	auth, ok := hardResetAuth(p)
	if !ok {
		auth, ok = firstControlAuth(p)
	}
	if !ok {
		return nil
	}
	return &openVPN{session: vpnSession(p), auth: auth, next: 1}
}

// vpnSession returns the key id and the session id of a packet.
func vpnSession(p []byte) [vpnHeader]byte {
	session := [vpnHeader]byte(p)
	session[0] &= 7
	return session
}

// isOpenVPN reports whether p has the structure of a control packet or of a request
// for a new session. Fewer than one random datagram in a million has it.
func isOpenVPN(p []byte) bool {
	switch p[0] >> 3 {
	case vpnControl:
		for _, auth := range vpnAuthLengths() {
			if _, _, ok := controlPacket(p, auth); ok {
				return true
			}
		}
	case vpnHardReset:
		_, ok := hardResetAuth(p)
		return ok
	}
	return false
}

// isHardReset reports whether p is a client's request for a new session, which ends
// in no acknowledgments and packet id 0.
func isHardReset(p []byte) bool {
	return len(p) >= vpnHeader+vpnIDs && p[0]>>3 == vpnHardReset && [vpnIDs]byte(p[len(p)-vpnIDs:]) == [vpnIDs]byte{}
}

// hardResetAuth reports whether p is a request for a new session without additional
// fields, and returns which of vpnAuthLengths it has.
func hardResetAuth(p []byte) (auth int, ok bool) {
	if !isHardReset(p) {
		return 0, false
	}
	for _, auth := range vpnAuthLengths() {
		if len(p) == vpnHeader+auth+vpnIDs {
			return auth, true
		}
	}
	return 0, false
}

// firstControlAuth reports whether p is the control packet in which a hello starts,
// and returns which of vpnAuthLengths it has.
func firstControlAuth(p []byte) (auth int, ok bool) {
	for _, auth := range vpnAuthLengths() {
		if number, payload, ok := controlPacket(p, auth); ok && number == 1 && startsHello(payload) {
			return auth, true
		}
	}
	return 0, false
}

// controlPacket returns the packet id and the TLS bytes of p. ok reports whether p is
// a control packet with auth bytes of HMAC and replay fields.
func controlPacket(p []byte, auth int) (number uint32, payload []byte, ok bool) {
	at := vpnHeader + auth
	if auth == unknownAuth || at >= len(p) || p[0]>>3 != vpnControl || p[at] > vpnMaxAcks {
		return 0, nil, false
	}
	acks := int(p[at])
	if at += 1 + 4*acks; acks > 0 {
		at += 8 // session id of the other end
	}
	if at+4 > len(p) {
		return 0, nil, false
	}
	number = binary.BigEndian.Uint32(p[at:])
	return number, p[at+4:], number > 0 && number < vpnMaxControls
}

// belongs reports whether p, of at least vpnHeader bytes, belongs to the stream.
func (v *openVPN) belongs(p []byte) bool { return vpnSession(p) == v.session }

// add reads a packet and returns the hello that it completes, or nil.
func (v *openVPN) add(p []byte) []byte {
	if v.auth == unknownAuth {
		if auth, ok := firstControlAuth(p); ok {
			v.auth = auth
		}
	}
	number, payload, ok := controlPacket(p, v.auth)
	if !ok || v.done {
		return nil
	}
	if number > v.next && len(v.outOfOrder) < vpnMaxAhead {
		if v.outOfOrder == nil {
			v.outOfOrder = make(map[uint32][]byte)
		}
		if v.outOfOrder[number] == nil {
			v.outOfOrder[number] = append([]byte{}, payload...)
		}
	}
	for !v.done {
		if number != v.next {
			if payload, ok = v.outOfOrder[v.next]; !ok {
				return nil
			}
			delete(v.outOfOrder, v.next)
			number = v.next
		}
		message, used, err := v.records.Next(payload)
		v.packets++
		v.bytes += used
		v.next++
		// A hello ends its packet, as the client waits for the answer.
		v.done = err != nil || used < len(payload) || v.bytes > maxHead
		if message != nil {
			v.hellos++
			return message
		}
	}
	return nil
}

// incomplete reports whether a part of a hello is held.
func (v *openVPN) incomplete() bool { return v.records.Buffered() > 0 && !v.done }

// openVPN reads a datagram that may be a packet of OpenVPN.
func (s *scanner) openVPN(p []byte) {
	fs, key := &s.flows, s.flowKey()
	f := fs.byKey[key]
	if f == nil || f.vpn == nil || !f.vpn.belongs(p) {
		v := newOpenVPN(p)
		if v == nil {
			return
		}
		if f == nil {
			f = fs.newFlow(key)
		} else if f.vpn != nil && f.vpn.incomplete() {
			fs.incomplete++
		}
		f.vpn = v
	}
	v := f.vpn
	if v.done {
		return
	}
	message := v.add(p)
	fs.track(f, len(p))
	if message == nil {
		return
	}
	datagrams := v.packets
	v.packets = 0
	fs.moveToDone(f)
	if s.isRepeated(key, message) {
		return
	}
	s.addLayer(LayerOpenVPN, 0)
	s.hello = Hello{Transport: parser.TLS, Index: min(v.hellos, 2), Records: v.records.Records(), Datagrams: datagrams, protocol: ipUDP}
	s.emitTLS(message)
}

// streamOpenVPN returns the TLS stream in a TCP stream that starts with p, or nil if
// p is not a length and a request for a new session. The clients of some providers
// add fields to the request.
func streamOpenVPN(p []byte) *openVPN {
	if len(p) < 2 {
		return nil
	}
	n := int(binary.BigEndian.Uint16(p))
	if n > vpnLongestRequest || n > len(p)-2 || !isHardReset(p[2:2+n]) {
		return nil
	}
	return &openVPN{session: vpnSession(p[2:]), auth: unknownAuth, next: 1}
}

const (
	vpnShortestRequest = vpnHeader + vpnIDs
	vpnLongestRequest  = vpnHeader + 64 + vpnReplay + vpnIDs
)

// isPartOfStreamOpenVPN reports whether streamOpenVPN may find a stream when more
// bytes follow p.
func isPartOfStreamOpenVPN(p []byte) bool {
	switch {
	case len(p) < 2:
		return p[0] == 0
	case len(p) > 2 && p[2]>>3 != vpnHardReset:
		return false
	}
	n := int(binary.BigEndian.Uint16(p))
	return vpnShortestRequest <= n && n <= vpnLongestRequest && n > len(p)-2
}

// readVPNHead reads the new packets in the head of a stream of OpenVPN packets.
func (s *scanner) readVPNHead(sl *slot, t *stream) (alive bool) {
	valid := true
	for valid && !t.vpn.done {
		b := t.head[t.assembled:]
		if len(b) < 3 {
			break
		}
		opcode, n := b[2]>>3, 2+int(binary.BigEndian.Uint16(b))
		if valid = vpnControl <= opcode && opcode <= vpnLastOpcode; !valid || n > len(b) {
			break
		}
		start := t.start + uint32(t.assembled)
		t.assembled += n
		if n < 2+vpnHeader || !t.vpn.belongs(b[2:n]) {
			continue
		}
		message := t.vpn.add(b[2:n])
		if message == nil {
			continue
		}
		how := arrival{
			records:  t.vpn.records.Records(),
			segments: max(t.segmentCount, 1),
			conflict: t.outOfOrder.conflict,
			aligned:  true,
		}
		t.segmentCount = 0
		layers := len(s.layers)
		s.addLayer(LayerOpenVPN, 0)
		alive := s.emitHello(sl, start, message, how)
		s.layers = s.layers[:layers]
		if !alive {
			return false
		}
		valid = sl.state&slotHelloSeen != 0
	}
	helloSeen := sl.state&slotHelloSeen != 0
	limit := maxPreface
	if helloSeen {
		limit *= 2
	}
	switch {
	case valid && !t.vpn.done && len(t.head) <= limit:
		return true
	case helloSeen || t.vpn.hellos > 0: // no second hello follows, or what came is no hello
		s.dropConnection(sl)
		return false
	}
	return s.searchAfter(sl, t, 1) // another protocol that begins like OpenVPN
}
