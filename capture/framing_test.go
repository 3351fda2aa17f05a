package capture

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFramingKinds requires that mayBeFramed accepts the first bytes of all rows, and
// no others.
func TestFramingKinds(t *testing.T) {
	for b := range 256 {
		want := false
		for _, k := range framingKinds {
			want = want || int(k.first) <= b && b <= int(k.last)
		}
		assert.Equal(t, want, mayBeFramed(byte(b)), "%#x", b)
	}
}

// A framingFuzz generates streams of messages of a framing.
type framingFuzz struct {
	begin []byte              // the first message
	other [][]byte            // messages without a hello
	hello func(n int) []byte  // messages with a hello, in parts of about n bytes
	want  func(h *Hello) bool // reports whether h is that hello
}

// fuzz sends segments of a stream in any order, as a script says, and then the rest of
// the stream. It requires that the hello is found once, and that the number of bytes
// examined is linear in those sent. Then it sends the script itself.
func (g *framingFuzz) fuzz(f *testing.F) {
	f.Add(uint32(0), []byte{}, []byte("\x00\x00\xff\xff"))
	f.Add(uint32(1<<32-9), []byte{0, 1, 2}, []byte("\x20\x00\x60\x00\x00\x00\x40\x00\x10\x00\xff\x00"))
	f.Add(uint32(3), []byte{3, 3, 2, 1}, []byte("\x40\x00\x09\x00\x05\x00\x10\x00\x10\x01\xff\x00\xa0\x00\xff\x00"))
	f.Add(uint32(7), []byte{1}, g.begin)
	for _, m := range g.other {
		f.Add(uint32(9), []byte{}, m)
	}
	f.Add(uint32(11), []byte{}, g.hello(30))
	f.Fuzz(func(t *testing.T, isn uint32, messages, script []byte) {
		if len(messages) > 50 || len(script) > 4000 {
			return
		}
		stream := append([]byte{}, g.begin...)
		for _, m := range messages {
			stream = append(stream, g.other[int(m)%len(g.other)]...)
		}
		stream = append(stream, g.hello(1+len(script)%500)...)
		hellos, any := 0, false
		sc := newScanner(new(Reader), func(h *Hello) error {
			require.True(t, any || g.want(h))
			hellos++
			return nil
		})
		came := 0
		send := func(p []byte) {
			came += len(p) - ipMinHeader - tcpMinHeader
			p = ipFrame(p)
			sc.packet = packet{data: p, wire: len(p), link: LinkEthernet, stamp: stamp{rate: 1}}
			sc.scanChecked(t)
			requireStreams(t, &sc.streams)
			require.LessOrEqual(t, sc.examined, maxExamined*came)
		}
		s := side{client4, server4, isn}
		send(s.syn())
		send(s.data(0, g.begin)) // so that the framing is known
		for b := script; len(b) >= 4; b = b[4:] {
			from := int(binary.LittleEndian.Uint16(b)) % len(stream)
			to := min(from+int(binary.LittleEndian.Uint16(b[2:])), len(stream))
			send(s.data(from, stream[from:to]))
		}
		for _, p := range s.segments(stream, 300) {
			send(p)
		}
		require.Equal(t, 1, hellos)

		any = true // the fuzzer knows hellos
		c := side{client6, server6, isn}
		if isn&1 == 0 {
			send(c.syn())
		}
		for b := script; len(b) > 0; {
			n := min(1+int(b[0]), len(b))
			send(c.data(len(script)-len(b), b[:n]))
			b = b[n:]
		}
	})
}

// fuzzOfDatagrams returns a fuzz of a framing whose message has a datagram with p.
func fuzzOfDatagrams(f *testing.F, message func(p []byte) []byte) *framingFuzz {
	dtls := realHello(f, "openssl-dtls")
	n := len(dtls) - messageHeader
	check := stunMessage(1, make([]byte, 40))
	return &framingFuzz{
		other: [][]byte{message(check), message(append([]byte{0x80, 96}, make([]byte, 300)...)), message([]byte("\x14\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01\x01"))},
		hello: func(size int) (b []byte) {
			for from := 0; from < n; from += size {
				b = append(b, message(dtlsFragment(dtls, 0, from, min(from+size, n)))...)
			}
			return b
		},
		want: func(h *Hello) bool { return string(h.ClientHello.Raw) == string(dtls) },
	}
}

func FuzzTURN(f *testing.F) {
	g := fuzzOfDatagrams(f, func(p []byte) []byte { return channelData(0x4001, p) })
	g.begin = stunMessage(3, nil)
	g.other = append(g.other, stunMessage(8, make([]byte, 12)), turnIndication(0x16, stunMessage(1, nil)))
	g.fuzz(f)
}

func FuzzRFC4571(f *testing.F) {
	g := fuzzOfDatagrams(f, frame4571)
	g.begin = frame4571(stunMessage(1, make([]byte, 40)))
	g.other = append(g.other, frame4571(nil))
	g.fuzz(f)
}

func FuzzTDS(f *testing.F) {
	message := realHello(f, "chromium-156")
	g := &framingFuzz{
		begin: []byte(tdsOptions),
		other: [][]byte{[]byte(tdsOptions), []byte("\x12\x01\x00\x08\x00\x00\x01\x00"), []byte("\x12\x00\x00\x0a\x00\x00\x01\x00\x00\xff")},
		hello: func(n int) []byte { return tdsPackets(record(message), tdsHeader+n) },
		want:  func(h *Hello) bool { return string(h.ClientHello.Raw) == string(message) },
	}
	g.fuzz(f)
}
