package capture

import (
	"encoding/binary"
	"hash/maphash"
)

// eapol reads a frame of IEEE 802.1X, section 11.3, in which the client of a local
// network logs in.
func (s *scanner) eapol(b []byte) {
	const header, eap, start = 4, 0, 1
	if len(b) < header {
		return
	}
	switch b[1] {
	case eap:
		n := header + int(binary.BigEndian.Uint16(b[2:]))
		s.localEAP(b[header:min(n, len(b))])
	case start:
		s.restartLogin(s.localKey())
	}
}

// localEAP reads an EAP packet between neighbours, who have no IP addresses for it.
func (s *scanner) localEAP(p []byte) {
	if len(p) < eapHeader || p[0] != eapResponse {
		return
	}
	n := int(binary.BigEndian.Uint16(p[2:]))
	if n < eapHeader || n > len(p) {
		return
	}
	layers := len(s.layers)
	if message := s.eapMessage(p[:n], s.localKey()); message != nil {
		s.addrs, s.ports = nil, 0
		if len(s.macs) == len(s.macBuf) {
			copy(s.hello.DstMAC[:], s.macs)
			copy(s.hello.SrcMAC[:], s.macs[6:])
		}
		s.emitTLS(message)
	}
	s.layers = s.layers[:layers]
}

// localKey returns the key of a login between neighbours: of their MAC addresses, and
// with PPP of the session and of the ends of its tunnel.
func (s *scanner) localKey() uint64 {
	key := maphash.Bytes(s.flows.seed, s.macs)
	for _, l := range s.layers {
		switch l.Kind {
		case LayerL2TP, LayerGRE:
			key = mulFold(key, s.streams.hasher.key(s.addrs, s.ports))
			fallthrough
		case LayerPPPoE:
			key = mulFold(key^uint64(l.ID), s.streams.hasher[2])
		}
	}
	return key | 1
}

// setMACs sets the addresses of a frame whose header does not have them one after the
// other, the destination first. One that is not known is nil.
func (s *scanner) setMACs(dst, src []byte) {
	s.macBuf = [12]byte{}
	copy(s.macBuf[:6], dst)
	copy(s.macBuf[6:], src)
	s.macs = s.macBuf[:]
}
