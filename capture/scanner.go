package capture

import (
	"encoding/binary"
	"net/netip"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// maxDepth is how many encapsulations are read in one packet.
const maxDepth = 16

// A scanner reads packets and calls f with the hellos in them.
type scanner struct {
	f   func(*Hello) error
	err error // of f

	packet packet
	depth  int // encapsulations of the packet that were entered
	layers []Layer

	linkTypes     []linkRow // see layerReader
	etherTypes    []etherRow
	ipProtocols   []ipRow
	udpTunnels    []udpTunnel
	datagramKinds []datagramKind

	linkRow     *linkRow   // of the packet before
	tunnelPorts uint64     // has bit port&63 set for each port of udpTunnels
	kindOfByte  [256]uint8 // 1 + the index in datagramKinds of a first byte, or 0

	macs   []byte   // addresses of the innermost frame, the destination first: 12 bytes or none
	macBuf [12]byte // memory of setMACs
	cut    bool     // the current IP packet was captured only in part

	// Of the current TCP segment or UDP datagram.
	addrs []byte // source and destination address: 8 or 32 bytes
	ports uint32 // source and destination port
	key   uint64 // of its flow, or of the alternate stream of its connection

	channel uint32 // TURN channel that the datagram came through, or 0, and overTCP

	connection uint64 // key of the TCP flow
	sequence   uint32 // of the first byte of the TCP segment
	overlaps   bool   // the TCP segment differs from other bytes at its place

	// examined counts the bytes of TCP streams that were examined or copied, each
	// time they were. Tests compare it with the bytes that came.
	examined int

	sniffer   sniffer                // state of the last call of sniff
	assembler parser.RecordAssembler // used by message

	fragments fragments
	streams   streams
	tails     tails
	earlier   earlierPackets
	copies    allCopies
	emitted   int // hellos of TCP streams
	flows     flows
	stats     Stats

	hello       Hello
	initial     fingerprint.QUICInitial
	clientHello parser.ClientHello
}

func newScanner(r *Reader, f func(*Hello) error) *scanner {
	s := &scanner{
		f:             f,
		layers:        make([]Layer, 0, maxDepth),
		linkTypes:     linkTypes,
		etherTypes:    etherTypes,
		ipProtocols:   ipProtocols,
		udpTunnels:    udpTunnels,
		datagramKinds: datagramKinds,
	}
	for i, kind := range datagramKinds {
		for b := int(kind.first); b <= int(kind.last); b++ {
			s.kindOfByte[b] = uint8(i + 1)
		}
	}
	for _, t := range udpTunnels {
		s.tunnelPorts |= 1 << (t.port & 63)
	}
	s.streams.init(orDefault(r.MaxMemory, DefaultMaxMemory))
	s.flows.init(orDefault(r.MaxMemory, DefaultMaxMemory))
	return s
}

// scan reads the packet.
func (s *scanner) scan() {
	s.depth = 0
	s.layers = s.layers[:0]
	s.macs = nil
	s.link(s.packet.link, s.packet.data)
}

// finish counts what is incomplete at the end of the capture.
func (s *scanner) finish() {
	s.streams.end()
	s.flows.end()
	s.stats.Incomplete += s.streams.incomplete + s.flows.incomplete
	s.stats.DroppedStreams += s.streams.dropped
	s.stats.DroppedFlows += s.flows.dropped
	s.stats.DroppedHellos += s.streams.droppedHellos
}

// addLayer records an encapsulation of the packet.
func (s *scanner) addLayer(kind LayerKind, id uint32) {
	s.layers = append(s.layers, Layer{kind, id})
}

// enterLayer reports whether the packet may have one more encapsulation, and
// counts the packet if not.
func (s *scanner) enterLayer() bool {
	if s.depth == maxDepth {
		s.stats.TooNested++
		return false
	}
	s.depth++
	return true
}

// uncaptured returns how many bytes of the packet were not captured.
func (s *scanner) uncaptured() int { return s.packet.wire - len(s.packet.data) }

// emit decodes a message and calls f with it.
func (s *scanner) emit(message []byte) { s.emitDecoded(s.decode(s.hello.Transport, message)) }

// emitTLS is emit for a message over TLS. It calls f only if the message is
// acceptable, as nothing but its bytes shows that it is a hello.
func (s *scanner) emitTLS(message []byte) {
	if err := s.decode(parser.TLS, message); acceptable(&s.clientHello, err) {
		s.emitDecoded(err)
	}
}

// decode decodes a message into s.clientHello.
func (s *scanner) decode(t parser.Transport, message []byte) error {
	s.clientHello.Transport = t
	return s.clientHello.Unmarshal(message)
}

// emitDecoded calls f with s.hello, after completing it with s.clientHello and the
// error of decoding that.
func (s *scanner) emitDecoded(err error) {
	h := &s.hello
	h.Time = s.packet.stamp.time()
	h.Packet = s.packet.number
	h.Src, h.Dst = addrPorts(s.addrs, s.ports)
	h.Encapsulation = s.layers
	h.initial = &s.initial
	h.ClientHello, h.Err = &s.clientHello, err
	s.stats.Hellos++
	if err != nil {
		s.stats.Errors++
	}
	if h.Overlap {
		s.stats.Overlaps++
	}
	if s.err == nil {
		s.err = s.f(h)
	}
}

// addrPorts returns source and destination from addrs, which has one address after
// the other, and from ports, which are those of a header.
func addrPorts(addrs []byte, ports uint32) (src, dst netip.AddrPort) {
	a, _ := netip.AddrFromSlice(addrs[:len(addrs)/2])
	b, _ := netip.AddrFromSlice(addrs[len(addrs)/2:])
	return netip.AddrPortFrom(a, uint16(ports>>16)), netip.AddrPortFrom(b, uint16(ports))
}

// portsOf returns the source and destination port in a TCP or UDP header.
func portsOf(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

// reverseKey returns the key of the flow in the other direction.
func (s *scanner) reverseKey() uint64 {
	var back [32]byte
	half := len(s.addrs) / 2
	reverse := append(append(back[:0], s.addrs[half:]...), s.addrs[:half]...)
	return s.streams.hasher.key(reverse, s.ports<<16|s.ports>>16)
}
