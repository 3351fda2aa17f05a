package capture

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/quictest"
)

// A wrapper wraps a known hello in what a fuzz target's bytes choose. Once they are used
// up, it wraps no further.
type wrapper struct {
	script    []byte
	r         *rand.Rand // for orders and lengths
	src, dst  netip.AddrPort
	tls, dtls []byte // messages
}

// n returns a number below limit.
func (w *wrapper) n(limit int) int {
	if len(w.script) == 0 {
		return 0
	}
	b := w.script[0]
	w.script = w.script[1:]
	return int(b) % limit
}

// A carrierCase makes IP packets with one hello, and returns its message.
type carrierCase struct {
	name string
	wrap func(w *wrapper) (packets [][]byte, message []byte)
}

// carrierCases are all carriers that a wrapper knows. To add one, add a row.
var carrierCases = []carrierCase{
	{"TCP", func(w *wrapper) ([][]byte, []byte) { return w.tcp(""), w.tls }},
	{"TCP after STARTTLS", func(w *wrapper) ([][]byte, []byte) { return w.tcp("EHLO a.example\r\nSTARTTLS\r\n"), w.tls }},
	{"DTLS", func(w *wrapper) (packets [][]byte, message []byte) {
		n := len(w.dtls) - messageHeader
		for from := 0; from < n; {
			to := min(from+20+w.r.IntN(n), n)
			packets = append(packets, udp(w.src, w.dst, dtlsFragment(w.dtls, 0, from, to)))
			from = to
		}
		return w.shuffled(packets), w.dtls
	}},
	{"QUIC", func(w *wrapper) (packets [][]byte, message []byte) {
		dcid := []byte{1, 2, 3, 4, 5, 6, 7, 8}
		for from := 0; from < len(w.tls); {
			to := min(from+200+w.r.IntN(800), len(w.tls))
			packets = append(packets, udp(w.src, w.dst, quictest.Initial(dcid, nil, len(packets), from, w.tls[from:to])))
			from = to
		}
		return w.shuffled(packets), w.tls
	}},
}

// tcp returns the packets of a TCP stream with a hello behind a preface.
func (w *wrapper) tcp(preface string) [][]byte {
	s := side{w.src, w.dst, w.r.Uint32()}
	stream := append([]byte(preface), records(w.tls, []int{len(w.tls), 500, 100, 7, 1}[w.n(5)])...)
	return all(s.syn(), shuffled(w.r, s, stream))
}

func (w *wrapper) shuffled(packets [][]byte) [][]byte {
	if w.n(2) == 1 {
		w.r.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
	}
	return packets
}

func etherTypeOf(p []byte) uint16 { return binary.BigEndian.Uint16(ipFrame(p)[12:]) }

// A layerCase wraps an IP packet in another one. via is what it adds to the layers. The
// last one is the outermost.
type layerCase struct {
	via  string
	wrap func(w *wrapper, p []byte) []byte
}

var outerAddrs = [2]netip.AddrPort{netip.MustParseAddrPort("203.0.113.1:50000"), netip.MustParseAddrPort("203.0.113.2:50000")}

func overIP(protocol uint8, p []byte) []byte {
	return ip(outerAddrs[0].Addr(), outerAddrs[1].Addr(), protocol, p)
}

func overUDP(port uint16, p []byte) []byte {
	return udp(outerAddrs[0], addrPortOf(outerAddrs[1], port), p)
}

// layerCases are all layers that a wrapper knows. To add one, add a row.
var layerCases = []layerCase{
	{"gre 9", func(_ *wrapper, p []byte) []byte {
		return overIP(ipGRE, bytesOf(uint16(0x2000), etherTypeOf(p), uint32(9), p))
	}},
	{"ip", func(_ *wrapper, p []byte) []byte {
		if p[0]>>4 == 6 {
			return overIP(ipIPv6, p)
		}
		return overIP(ipIPv4, p)
	}},
	{"vxlan 42", func(_ *wrapper, p []byte) []byte {
		return overUDP(4789, bytesOf(uint32(8<<24), uint32(42<<8), ipFrame(p)))
	}},
	{"geneve 42", func(_ *wrapper, p []byte) []byte {
		return overUDP(6081, bytesOf(0, 0, uint16(0x6558), uint32(42<<8), ipFrame(p)))
	}},
	{"gtpu 42", func(_ *wrapper, p []byte) []byte {
		return overUDP(2152, bytesOf(0x30, 255, uint16(len(p)), uint32(42), p))
	}},
}

// A linkCase is a link type and what it puts before an IP packet.
type linkCase struct {
	link LinkType
	via  string
	wrap func(p []byte) []byte
}

func pppProtocol(p []byte) uint16 {
	if p[0]>>4 == 6 {
		return 0x57
	}
	return 0x21
}

// linkCases are all link layers that a wrapper knows. To add one, add a row.
var linkCases = []linkCase{
	{LinkEthernet, "", ipFrame},
	{LinkEthernet, "vlan 100", func(p []byte) []byte { return ether(0x8100, bytesOf(uint16(100), etherTypeOf(p), p)) }},
	{LinkEthernet, "vlan 7,vlan 100", func(p []byte) []byte {
		return ether(0x88a8, bytesOf(uint16(7), uint16(0x8100), uint16(100), etherTypeOf(p), p))
	}},
	{LinkEthernet, "mpls 16", func(p []byte) []byte { return ether(0x8847, bytesOf(uint32(16<<12|1<<8|64), p)) }},
	{LinkEthernet, "pppoe 5", func(p []byte) []byte {
		return ether(0x8864, bytesOf(0x11, 0, uint16(5), uint16(2+len(p)), pppProtocol(p), p))
	}},
	{LinkRaw, "", func(p []byte) []byte { return p }},
	{LinkPPP, "", func(p []byte) []byte { return bytesOf("\xff\x03", pppProtocol(p), p) }},
	{LinkLinuxSLL, "", func(p []byte) []byte { return bytesOf(make([]byte, 14), etherTypeOf(p), p) }},
	{LinkLinuxSLL2, "", func(p []byte) []byte { return bytesOf(etherTypeOf(p), make([]byte, 18), p) }},
}

// A fileCase is a file format.
type fileCase struct {
	name  string
	write func(link LinkType, packets [][]byte) []byte
}

func ngFile(order binary.AppendByteOrder) func(LinkType, [][]byte) []byte {
	return func(link LinkType, packets [][]byte) []byte {
		var g ng
		g.section(order)
		g.iface(link, 0)
		for i, p := range packets {
			g.enhanced(0, uint64(i), p)
		}
		return g.b
	}
}

// pcapFile returns a writer of pcap files with a magic number.
func pcapFile(order binary.AppendByteOrder, magic uint32) func(LinkType, [][]byte) []byte {
	return func(link LinkType, packets [][]byte) []byte {
		b := order.AppendUint32(nil, magic)
		b = order.AppendUint16(order.AppendUint16(b, 2), 4)
		for _, v := range []uint32{0, 0, 262144, uint32(link)} {
			b = order.AppendUint32(b, v)
		}
		for i, p := range packets {
			for _, v := range []int{1700000000, i, len(p), len(p)} {
				b = order.AppendUint32(b, uint32(v))
			}
			b = append(b, p...)
		}
		return b
	}
}

var fileCases = []fileCase{
	{"pcap, little-endian", pcapFile(binary.LittleEndian, pcapMicroseconds)},
	{"pcap, big-endian", pcapFile(binary.BigEndian, pcapMicroseconds)},
	{"pcap, nanoseconds", pcapFile(binary.LittleEndian, pcapNanoseconds)},
	{"pcapng, little-endian", ngFile(binary.LittleEndian)},
	{"pcapng, big-endian", ngFile(binary.BigEndian)},
}

// file returns a capture with one hello, the message of it, what Via must have, and the
// name of the carrier.
func (w *wrapper) file() (file, message []byte, via, name string) {
	w.src, w.dst = client4, server4
	if w.n(2) == 1 {
		w.src, w.dst = client6, server6
	}
	carrier := carrierCases[w.n(len(carrierCases))]
	packets, message := carrier.wrap(w)
	var layers []string
	wrapped := func(name string) { layers = append([]string{name}, layers...) }
	if w.n(4) == 1 {
		n := 8 * (8 + w.r.IntN(60))
		var parts [][]byte
		for i, p := range packets {
			switch {
			case p[0]>>4 == 6 && len(p) > 40+n:
				parts = append(parts, fragmented6(p, uint32(i), n)...)
			case p[0]>>4 == 4 && len(p) > 20+n:
				parts = append(parts, fragmented4(p, uint16(i), n)...)
			default:
				parts = append(parts, p)
			}
		}
		packets = parts
		wrapped("fragments")
	}
	for range w.n(4) {
		layer := layerCases[w.n(len(layerCases))]
		name := layer.via
		if name == "ip" {
			name = "ipv4"
			if packets[0][0]>>4 == 6 {
				name = "ipv6"
			}
		}
		for i, p := range packets {
			packets[i] = layer.wrap(w, p)
		}
		wrapped(name)
	}
	link := linkCases[w.n(len(linkCases))]
	for i, p := range packets {
		packets[i] = link.wrap(p)
	}
	if link.via != "" {
		wrapped(link.via)
	}
	format := fileCases[w.n(len(fileCases))]
	return format.write(link.link, packets), message, strings.Join(layers, ","), carrier.name + ", " + format.name
}

// wrappers returns a function that returns a wrapper for a seed and a script.
func wrappers(t testing.TB) func(seed uint64, script []byte) *wrapper {
	tls, dtls := realHello(t, "chromium-156"), realHello(t, "openssl-dtls")
	return func(seed uint64, script []byte) *wrapper {
		return &wrapper{script: script, r: rand.New(rand.NewPCG(seed, 1)), tls: tls, dtls: dtls}
	}
}

// requireWrapped requires that exactly the wrapped hello is found, in the layers that it
// was wrapped in. Only the packet that completes it shows them, so that a packet which
// was not cut has no fragments.
func (w *wrapper) requireWrapped(t testing.TB) {
	file, message, via, name := w.file()
	got := readAll(t, file)
	require.Len(t, got, 1, "%s in %s", name, via)
	require.Equal(t, string(message), got[0].Message, name)
	require.Equal(t, w.src, got[0].Src)
	require.Equal(t, w.dst, got[0].Dst)
	without := func(via string) []string {
		return slices.DeleteFunc(strings.Split(via, ","), func(l string) bool { return l == "fragments" || l == "ethernet" || l == "" })
	}
	require.Equal(t, without(via), without(got[0].Via), name)
}

// TestWrapped wraps a hello at random.
func TestWrapped(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	newWrapper := wrappers(t)
	names := map[string]bool{}
	for i := range 1500 {
		script := make([]byte, 16)
		for j := range script {
			script[j] = byte(r.Uint32())
		}
		_, _, _, name := newWrapper(uint64(i), slices.Clone(script)).file()
		names[name] = true
		newWrapper(uint64(i), script).requireWrapped(t)
	}
	assert.Len(t, names, len(carrierCases)*len(fileCases))
}

// FuzzWrapped wraps a known hello in carriers, layers, link layers and files as the
// fuzzer's bytes say. It requires that exactly this hello is found.
func FuzzWrapped(f *testing.F) {
	for seed := range byte(20) {
		f.Add(uint64(seed), []byte{seed, seed / 2, seed / 4, 1, seed, 3, seed, seed / 3, seed / 5, seed, seed})
	}
	newWrapper := wrappers(f)
	f.Fuzz(func(t *testing.T, seed uint64, script []byte) {
		newWrapper(seed, script).requireWrapped(t)
	})
}
