package capture

import "encoding/binary"

// isSTUNIndication reports whether p is a Send or a Data indication of TURN (RFC
// 8656, section 11).
func isSTUNIndication(p []byte) bool {
	const sendIndication, dataIndication = 0x16, 0x17
	return len(p) >= stunHeader && (p[1] == sendIndication || p[1] == dataIndication) && isSTUN(p)
}

const (
	stunHeader = 20
	stunCookie = 0x2112a442
)

// isSTUN reports whether p has the magic cookie of a STUN message (RFC 8489, section
// 5).
func isSTUN(p []byte) bool {
	return len(p) >= stunHeader && binary.BigEndian.Uint32(p[4:]) == stunCookie
}

// stun reads the data in a Send or Data indication.
func (s *scanner) stun(p []byte) { s.relayed(stunData(p), 0) }

// stunData returns the data in a Send or Data indication, or nil.
func stunData(p []byte) []byte {
	const attributeData = 0x13
	for p = p[stunHeader:]; len(p) >= 4; {
		n := 4 + int(binary.BigEndian.Uint16(p[2:]))
		if n > len(p) {
			return nil
		}
		if binary.BigEndian.Uint16(p) == attributeData {
			return p[4:n]
		}
		p = p[min((n+3)&^3, len(p)):]
	}
	return nil
}

// channelHeader is the length of a channel number and a length.
const channelHeader = 4

// isChannelData reports whether p is a TURN channel data message that is not empty,
// with its padding if there is any (RFC 8656, section 12.4).
func isChannelData(p []byte) bool {
	if len(p) <= channelHeader {
		return false
	}
	n := channelHeader + int(binary.BigEndian.Uint16(p[2:]))
	return n <= len(p) && len(p) < n+4
}

// channelData reads a TURN channel data message.
func (s *scanner) channelData(p []byte) {
	data := p[channelHeader:][:binary.BigEndian.Uint16(p[2:])]
	s.relayed(data, uint32(binary.BigEndian.Uint16(p)))
}

// relayed reads a datagram that a TURN server relays. The channel keeps apart
// what one client sends to several peers.
func (s *scanner) relayed(p []byte, channel uint32) {
	if len(p) == 0 || p[0] == 0 || p[0]>>4 == 4 || !s.enterLayer() {
		return
	}
	layers := len(s.layers)
	s.addLayer(LayerSTUN, channel)
	s.channel |= channel
	s.datagram(p)
	s.channel &= overTCP
	s.layers = s.layers[:layers]
}
