package capture

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/ip4defrag"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// A plainReader finds hellos in a simple way: gopacket decodes packets, and a stream
// is a map from sequence numbers to bytes. After the capture is read, each byte is
// tried as the first one of a hello. After a hole that was never filled, only the
// starts of segments and the bytes after a hello are tried.
type plainReader struct {
	defrag  *ip4defrag.IPv4Defragmenter
	streams map[string]*plainStream
	quic    map[string]*quichello.Assembler
	dtls    map[string]*parser.DTLSAssembler
	hellos  []string
}

// A plainStream has the bytes of one direction of a TCP connection.
type plainStream struct {
	first  uint32 // sequence number of the first byte
	bytes  map[uint32]byte
	begins map[uint32]bool // sequence numbers at which segments start
}

// plainHellos returns the addresses and messages of the hellos of a capture, sorted.
func plainHellos(t testing.TB, file []byte) []string {
	r, err := pcapgo.NewReader(bytes.NewReader(file))
	require.NoError(t, err)
	p := &plainReader{ip4defrag.NewIPv4Defragmenter(), map[string]*plainStream{}, map[string]*quichello.Assembler{}, map[string]*parser.DTLSAssembler{}, nil}
	for {
		data, _, err := r.ReadPacketData()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		p.packet(t, gopacket.NewPacket(data, r.LinkType(), gopacket.Default))
	}
	for flow, s := range p.streams {
		p.search(flow, s)
	}
	slices.Sort(p.hellos)
	return p.hellos
}

// packet reads the innermost TCP segment or UDP datagram of a packet.
func (p *plainReader) packet(t testing.TB, packet gopacket.Packet) {
	var network gopacket.Layer
	for i, l := range packet.Layers() {
		switch l := l.(type) {
		case *layers.IPv4:
			network = l
			if l.Flags&layers.IPv4MoreFragments != 0 || l.FragOffset != 0 {
				whole, err := p.defrag.DefragIPv4(l)
				require.NoError(t, err)
				if whole != nil {
					whole.Length = uint16(20 + len(whole.Payload))
					rest := gopacket.NewPacket(whole.Payload, whole.NextLayerType(), gopacket.Default)
					p.transport(whole.NetworkFlow(), rest.Layers())
				}
				return
			}
		case *layers.IPv6:
			network = l
		case *layers.TCP, *layers.UDP:
			if i+1 < len(packet.Layers()) && slices.ContainsFunc(packet.Layers()[i+1:], isIP) {
				continue
			}
			p.transport(network.(gopacket.NetworkLayer).NetworkFlow(), packet.Layers()[i:])
			return
		}
	}
}

func isIP(l gopacket.Layer) bool {
	return l.LayerType() == layers.LayerTypeIPv4 || l.LayerType() == layers.LayerTypeIPv6
}

func (p *plainReader) transport(network gopacket.Flow, list []gopacket.Layer) {
	switch l := list[0].(type) {
	case *layers.TCP:
		p.segment(flowName(network, uint16(l.SrcPort), uint16(l.DstPort)), l)
	case *layers.UDP:
		p.datagram(flowName(network, uint16(l.SrcPort), uint16(l.DstPort)), l.Payload)
	}
}

func flowName(network gopacket.Flow, src, dst uint16) string {
	a, _ := netip.AddrFromSlice(network.Src().Raw())
	b, _ := netip.AddrFromSlice(network.Dst().Raw())
	return netip.AddrPortFrom(a, src).String() + " " + netip.AddrPortFrom(b, dst).String() + " "
}

func (p *plainReader) segment(flow string, l *layers.TCP) {
	first := l.Seq
	if l.SYN {
		first++
	}
	s := p.streams[flow]
	if s == nil || l.SYN && s.first != first {
		if s != nil {
			p.search(flow, s)
		}
		s = &plainStream{first, map[uint32]byte{}, map[uint32]bool{}}
		p.streams[flow] = s
	}
	if int32(first-s.first) < 0 {
		s.first = first
	}
	if len(l.Payload) >= minStart {
		s.begins[first] = true
	}
	for i, b := range l.Payload {
		if _, ok := s.bytes[first+uint32(i)]; !ok {
			s.bytes[first+uint32(i)] = b
		}
	}
}

// search tries every byte of a stream.
func (p *plainReader) search(flow string, s *plainStream) {
	var places []uint32
	for at := range s.bytes {
		places = append(places, at)
	}
	slices.SortFunc(places, func(a, b uint32) int { return int(int32(a - b)) })
	for i := 0; i < len(places); {
		j := i + 1
		for j < len(places) && places[j] == places[j-1]+1 {
			j++
		}
		var piece []byte
		for _, at := range places[i:j] {
			piece = append(piece, s.bytes[at])
		}
		start, behind := places[i], -1
		i = j
		for k := 0; k < len(piece); k++ {
			if start != s.first && !s.begins[start+uint32(k)] && k != behind {
				continue
			}
			if k == behind && bytes.HasPrefix(piece[k:], []byte{recordChangeCipherSpec, 3, 3, 0, 1, 1}) {
				behind += 6
				continue
			}
			var a parser.RecordAssembler
			message, used, _ := a.Next(piece[k:])
			if piece[k] != recordHandshake || message == nil {
				continue
			}
			if _, err := parser.Parse(message); err != nil {
				continue
			}
			p.hellos = append(p.hellos, flow+string(message))
			behind = k + used
			k = behind - 1
		}
	}
}

func (p *plainReader) datagram(flow string, b []byte) {
	if len(b) == 0 {
		return
	}
	if b[0] >= 0x80 {
		if p.quic[flow] == nil {
			p.quic[flow] = new(quichello.Assembler)
		}
		for h, _ := p.quic[flow].Next(b); h != nil; h, _ = p.quic[flow].Next(nil) {
			p.hellos = append(p.hellos, flow+string(h.Message))
		}
		return
	}
	if p.dtls[flow] == nil {
		p.dtls[flow] = new(parser.DTLSAssembler)
	}
	if message, _ := p.dtls[flow].Next(b); message != nil {
		p.hellos = append(p.hellos, flow+string(message))
	}
}

// TestOracle compares the hellos with those of a plainReader, for generated traffic
// with encapsulations that gopacket knows, out of order and with losses.
func TestOracle(t *testing.T) {
	g := newTraffic(t)
	found := 0
	for seed := range uint64(300) {
		file := g.capture(seed)
		want := plainHellos(t, file)
		var got []string
		for _, h := range readAll(t, file) {
			got = append(got, h.Src.String()+" "+h.Dst.String()+" "+h.Message)
		}
		slices.Sort(got)
		require.Equal(t, len(want), len(got), "seed %d: %q", seed, names(got, want))
		require.Equal(t, want, got)
		found += len(got)
	}
	require.Greater(t, found, 2000)
}

// names returns the flows of hellos as text.
func names(lists ...[]string) (flows [][]string) {
	for _, list := range lists {
		var l []string
		for _, h := range list {
			l = append(l, strings.Join(strings.Fields(h)[:2], " "))
		}
		flows = append(flows, l)
	}
	return flows
}

// A traffic generates captures.
type traffic struct {
	r       *rand.Rand
	tls     [][]byte
	dtls    []byte
	initial []byte
}

func newTraffic(t testing.TB) *traffic {
	g := &traffic{dtls: realHello(t, "openssl-dtls")}
	for _, name := range []string{"chromium-156", "firefox-153", "python-tls12", "go-1.26"} {
		g.tls = append(g.tls, realHello(t, name))
	}
	g.initial, _ = initialDatagrams(t)
	return g
}

// capture returns the capture for a seed: some flows with their packets interleaved.
func (g *traffic) capture(seed uint64) []byte {
	g.r = rand.New(rand.NewPCG(seed, 0))
	var flows [][][]byte
	for i := range 5 + g.r.IntN(10) {
		client, server := addrPort(client4, i), server4
		if g.r.IntN(3) == 0 {
			client, server = addrPort(client6, i), server6
		}
		var packets [][]byte
		switch x := g.r.IntN(10); {
		case x < 7:
			packets = g.connection(side{client, server, g.r.Uint32()})
		case x < 8:
			packets = append(packets, udp(client, server, g.initial))
		default:
			n := len(g.dtls) - 4
			cut := 1 + g.r.IntN(n-1)
			packets = append(packets, udp(client, server, dtlsFragment(g.dtls, 0, 0, cut)), udp(client, server, dtlsFragment(g.dtls, 0, cut, n)))
		}
		if g.r.IntN(5) == 0 { // loss
			packets = slices.Delete(packets, len(packets)-1, len(packets))
		}
		flows = append(flows, g.wrapped(packets))
	}
	var mixed [][]byte
	for len(flows) > 0 {
		i := g.r.IntN(len(flows))
		if len(flows[i]) == 0 {
			flows = slices.Delete(flows, i, i+1)
			continue
		}
		mixed = append(mixed, flows[i][0])
		flows[i] = flows[i][1:]
	}
	return pcapOf(LinkEthernet, mixed...)
}

// connection returns the packets of a client that sends one hello or two, with or
// without a preface.
func (g *traffic) connection(s side) [][]byte {
	message := g.tls[g.r.IntN(len(g.tls))]
	hello := func() []byte {
		if g.r.IntN(4) == 0 {
			return records(message, 1+g.r.IntN(len(message)))
		}
		return record(message)
	}
	packets := [][]byte{s.syn()}
	send := func(b []byte) { // segments in any order, before the server answers
		packets = append(packets, shuffled(g.r, s, b)...)
		s.isn += uint32(len(b))
	}
	var preface []byte
	if g.r.IntN(4) == 0 {
		preface = []byte("EHLO client.example\r\nSTARTTLS\r\n")
	}
	send(append(preface, hello()...))
	if g.r.IntN(4) == 0 {
		send(append([]byte{recordChangeCipherSpec, 3, 3, 0, 1, 1}, hello()...))
	}
	send([]byte("\x14\x03\x03\x00\x01\x01\x17\x03\x03\x00\x05hello"))
	return packets
}

// wrapped returns frames with IP packets, all in the same encapsulation.
func (g *traffic) wrapped(packets [][]byte) [][]byte {
	outer := func(protocol uint8, payload []byte) []byte {
		return ip(netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2"), protocol, payload)
	}
	overUDP := func(port uint16, payload []byte) []byte {
		return outer(ipUDP, bytesOf(uint16(50000), port, uint16(8+len(payload)), uint16(0), payload))
	}
	etherType := func(p []byte) uint16 { return binary.BigEndian.Uint16(ipFrame(p)[12:]) }
	wrap := []func(p []byte) []byte{
		ipFrame,
		func(p []byte) []byte { return ether(0x8100, bytesOf(uint16(100), etherType(p), p)) },
		func(p []byte) []byte {
			return ether(0x88a8, bytesOf(uint16(7), uint16(0x8100), uint16(100), etherType(p), p))
		},
		func(p []byte) []byte { return ether(0x8847, bytesOf(uint32(16<<12|1<<8|64), p)) },
		func(p []byte) []byte {
			protocol := uint16(0x21)
			if p[0]>>4 == 6 {
				protocol = 0x57
			}
			return ether(0x8864, bytesOf(0x11, 0, uint16(5), uint16(2+len(p)), protocol, p))
		},
		func(p []byte) []byte {
			return ipFrame(outer(ipGRE, bytesOf(uint16(0x2000), etherType(p), uint32(9), p)))
		},
		func(p []byte) []byte {
			protocol := ipIPv4
			if p[0]>>4 == 6 {
				protocol = ipIPv6
			}
			return ipFrame(outer(protocol, p))
		},
		func(p []byte) []byte {
			return ipFrame(overUDP(4789, bytesOf(uint32(8<<24), uint32(42<<8), ipFrame(p))))
		},
		func(p []byte) []byte {
			return ipFrame(overUDP(6081, bytesOf(0, 0, uint16(0x6558), uint32(42<<8), ipFrame(p))))
		},
		func(p []byte) []byte {
			return ipFrame(overUDP(2152, bytesOf(0x30, 255, uint16(len(p)), uint32(42), p)))
		},
	}[g.r.IntN(10)]
	var frames [][]byte
	fragments := g.r.IntN(8) == 0
	for _, p := range packets {
		if !fragments || p[0]>>4 == 6 {
			frames = append(frames, wrap(p))
			continue
		}
		n := 8 * (1 + g.r.IntN(200))
		for rest := (len(p) - 20) % n; rest > 0 && rest < 8; rest = (len(p) - 20) % n {
			n += 8 // gopacket refuses fragments below 8 bytes, even the last one
		}
		for _, f := range fragmented4(p, uint16(g.r.IntN(1<<16)), n) {
			frames = append(frames, ipFrame(f))
		}
	}
	return frames
}
