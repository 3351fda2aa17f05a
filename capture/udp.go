package capture

import (
	"encoding/binary"

	"github.com/tlspeek/tlspeek/quichello"
)

// udp reads a UDP datagram (RFC 768).
func (s *scanner) udp(addrs, b []byte) {
	if len(b) <= udpHeader {
		return
	}
	ports := portsOf(b)
	p := udpPayload(b)
	if t := s.tunnelOf(ports); t != nil && len(p) >= minTunnelHeader && s.enterLayer() {
		layers := len(s.layers)
		t.read(s, p)
		s.layers = s.layers[:layers]
	}
	s.addrs, s.ports = addrs, ports
	s.datagram(p, 0)
}

const udpHeader = 8

// udpPayload returns what a UDP datagram of more than a header carries.
func udpPayload(b []byte) []byte {
	if n := int(binary.BigEndian.Uint16(b[4:])); n > udpHeader && n < len(b) { // else offload, or a jumbogram
		b = b[:n]
	}
	return b[udpHeader:]
}

// datagram looks for a hello in the payload of a datagram. By its first byte it
// is told what shares a port with QUIC and DTLS (RFC 9443, section 3). A channel
// that is not 0 keeps apart what a relay sends for several peers.
func (s *scanner) datagram(p []byte, channel uint32) {
	const recordLen, firstType = 13, 13
	switch b := p[0]; {
	case b >= 0x80:
		if quichello.IsInitial(p) {
			s.quic(p, s.flowKey(channel))
		}
	case b >= 0x40 && b < 0x50:
		if data := channelData(p); data != nil {
			s.relayed(data, uint32(binary.BigEndian.Uint16(p)))
		}
	case b == recordHandshake:
		// In the clear, which is epoch 0 (RFC 9147, section 4).
		if len(p) > recordLen && (p[1] == 0xfe || p[1] == 1) && p[3] == 0 && p[4] == 0 {
			s.dtls(p, s.flowKey(channel), p[firstType] == handshakeClientHello)
		}
	case b>>3 == vpnControl, b>>3 == vpnHardReset:
		if mayBeOpenVPN(p) {
			s.openVPN(p, s.flowKey(channel))
		}
	case b == 0:
		s.stun(p)
	case b == radiusRequest:
		s.radius(p)
	}
}

// channelData returns the data of a channel, perhaps padded (RFC 8656, section
// 12.4), or nil.
func channelData(p []byte) []byte {
	if len(p) <= 4 {
		return nil
	}
	n := 4 + int(binary.BigEndian.Uint16(p[2:]))
	if n > len(p) || n <= len(p)-4 {
		return nil
	}
	return p[4:n]
}

// flowKey returns the key of the flow at hand.
func (s *scanner) flowKey(channel uint32) uint64 {
	key := s.streams.hasher.key(s.addrs, s.ports)
	if channel != 0 {
		key = fold(key, uint64(channel)^s.streams.hasher[2]) | 1
	}
	return key
}

// relayed goes on with what a TURN server is to pass on.
func (s *scanner) relayed(p []byte, channel uint32) {
	if len(p) == 0 || p[0] == 0 || p[0]>>4 == 4 || !s.enterLayer() {
		return
	}
	n := len(s.layers)
	s.addLayer(LayerSTUN, channel)
	s.datagram(p, channel)
	s.layers = s.layers[:n]
}

// stun reads the Send and Data indications of TURN (RFC 8656, section 11).
func (s *scanner) stun(p []byte) {
	const headerLen, cookie = 20, 0x2112a442
	const sendIndication, dataIndication, attributeData = 0x16, 0x17, 0x13
	if len(p) < headerLen || p[1] != sendIndication && p[1] != dataIndication || binary.BigEndian.Uint32(p[4:]) != cookie {
		return
	}
	for p = p[headerLen:]; len(p) >= 4; {
		n := 4 + int(binary.BigEndian.Uint16(p[2:]))
		if n > len(p) {
			return
		}
		if binary.BigEndian.Uint16(p) == attributeData {
			s.relayed(p[4:n], 0)
			return
		}
		p = p[min((n+3)&^3, len(p)):]
	}
}
