package capture

import (
	"encoding/binary"

	"github.com/tlspeek/tlspeek/quichello"
)

// A datagramKind is a protocol over UDP that is recognized by its first bytes, on
// any port.
type datagramKind struct {
	first, last byte // range of the first byte (RFC 9443, section 3)

	// match reports whether a datagram, whose first byte is in the range, may hold
	// a hello or a part of one.
	match func(p []byte) bool

	layer LayerKind // the layer that read adds, or 0 for QUIC and DTLS, which have hellos of their own
	read  layerReader
}

// datagramKinds is sorted by first byte. To read another protocol, add its row
// here, its reader in a file of its own, and a line in docs/capture.md.
var datagramKinds = []datagramKind{
	{0, 0, isSTUNIndication, LayerSTUN, (*scanner).stun},
	{radiusRequest, radiusRequest, isRADIUSRequest, LayerEAP, (*scanner).radius},
	{recordHandshake, recordHandshake, isDTLSHandshake, 0, (*scanner).dtls},
	{vpnControl << 3, vpnControl<<3 | 7, isOpenVPN, LayerOpenVPN, (*scanner).openVPN},
	{vpnHardReset << 3, vpnHardReset<<3 | 7, isOpenVPN, LayerOpenVPN, (*scanner).openVPN},
	{0x40, 0x4f, isChannelData, LayerSTUN, (*scanner).channelData},
	{0x80, 0xff, quichello.IsInitial, 0, (*scanner).quic},
}

// classify returns the kind of a datagram with payload p, which is not empty. It
// returns nil if there is no hello in p. The fast path and the full one both rely
// on it, so they agree.
func (s *scanner) classify(p []byte) *datagramKind {
	if s.kindOfByte[p[0]] == 0 {
		return nil // a frequent case, which is inlined
	}
	return s.matchKind(p)
}

// matchKind is classify for a payload whose first byte is that of a kind.
func (s *scanner) matchKind(p []byte) *datagramKind {
	kind := &s.datagramKinds[s.kindOfByte[p[0]]-1]
	if !kind.match(p) {
		return nil
	}
	return kind
}

// udp reads a UDP datagram (RFC 768).
func (s *scanner) udp(addrs, b []byte) {
	if len(b) <= udpHeader {
		return
	}
	ports := portsOf(b)
	p := udpPayload(b)
	if t := s.tunnelOf(ports); t != nil && len(p) >= minTunnelHeader && s.enterLayer() {
		layers := len(s.layers)
		s.addrs, s.ports, s.channel, s.macs = addrs, ports, 0, nil
		t.read(s, p)
		s.layers = s.layers[:layers]
	}
	s.addrs, s.ports, s.channel = addrs, ports, 0
	s.datagram(p)
}

const udpHeader = 8

// udpPayload returns the payload of a UDP datagram, which is longer than its
// header.
func udpPayload(b []byte) []byte {
	if n := int(binary.BigEndian.Uint16(b[4:])); n > udpHeader && n < len(b) { // otherwise segmentation offload, or a jumbogram
		b = b[:n]
	}
	return b[udpHeader:]
}

// datagram looks for a hello in the payload of a datagram.
func (s *scanner) datagram(p []byte) {
	if kind := s.classify(p); kind != nil {
		if kind.layer == 0 && s.cut {
			s.stats.Cut++
		}
		kind.read(s, p)
	}
}

// flowKey returns the key of the datagram's flow.
func (s *scanner) flowKey() uint64 {
	key := s.streams.hasher.key(s.addrs, s.ports)
	if s.channel != 0 {
		key = mulFold(key, uint64(s.channel)^s.streams.hasher[2]) | 1
	}
	return key
}
