package capture

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// randomPackets is how many random packets of each carrier TestRandomCarriers reads. A
// million give nothing either.
const randomPackets = 20_000

// TestRandomCarriers: random bytes behind the headers of a carrier give no hello.
func TestRandomCarriers(t *testing.T) {
	r := rand.New(rand.NewPCG(18, 7))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := 0; i < n; i += 8 {
			var word [8]byte
			binary.LittleEndian.PutUint64(word[:], r.Uint64())
			copy(b[i:], word[:])
		}
		return b
	}
	// tls gives a payload the first bytes of a record now and then.
	tls := func(b []byte) []byte {
		if len(b) > 16 && r.IntN(2) == 0 {
			copy(b, []string{"\x16\x03\x01", "\x16\xfe\xfd\x00\x00", "\x14\x03\x03\x00\x01\x01\x16\x03", "\x16\x03\x03\x01\x00\x01"}[r.IntN(4)])
		}
		return b
	}
	carriers := map[string]func() (LinkType, []byte){
		"EAPOL": func() (LinkType, []byte) {
			data := tls(random(r.IntN(300)))
			kind := []int{eapTLS, eapTTLS, eapPEAP, eapFAST, eapTEAP, eapExpanded, eapIdentity}[r.IntN(7)]
			return LinkEthernet, macFrame(authenticator, supplicant, etherEAPOL, eapolFrame(eapPacket(r.IntN(256), kind, r.IntN(256), nil, data)))
		},
		"SCTP": func() (LinkType, []byte) {
			var chunks [][]byte
			for range 1 + r.IntN(3) {
				kind := []int{sctpData, sctpIData, r.IntN(256)}[r.IntN(3)]
				header := bytesOf(r.Uint32()%64, uint16(r.IntN(3)), uint16(r.IntN(4)), random(4))
				if kind == sctpIData {
					header = append(header, random(4)...)
				}
				chunks = append(chunks, chunk(kind, r.IntN(8), append(header, tls(random(1+r.IntN(200)))...)))
			}
			return LinkSCTP, sctpPacket(r.Uint32()%4, chunks...)
		},
		"CAPWAP": func() (LinkType, []byte) {
			return LinkRaw, udp(client4, addrPortOf(server4, uint16(5246+r.IntN(2))), bytesOf(r.IntN(2), random(3), tls(random(8+r.IntN(200)))))
		},
		"QUIC": func() (LinkType, []byte) {
			version := []uint32{1, 0xff00001d, 0xff000016, 0xff000015, 0x1a2a3a4a, 0x6b3343cf}[r.IntN(6)]
			ids := bytesOf(8, random(8), 4, random(4))
			if version == 0xff000015 {
				ids = bytesOf(5<<4|1, random(8), random(4))
			}
			body := random(20 + r.IntN(400))
			p := bytesOf(0xc0|r.IntN(16), version, ids, 0, uint16(0x4000|len(body)), body)
			return LinkRaw, udp(addrPortOf(client4, uint16(r.IntN(50))), server4, p)
		},
	}
	for name, next := range carriers {
		t.Run(name, func(t *testing.T) {
			s := newScanner(&Reader{MaxMemory: 16 << 20}, func(*Hello) error { return nil })
			for range randomPackets {
				link, b := next()
				s.packet = packet{data: b, wire: len(b), link: link, stamp: stamp{rate: 1}}
				s.scan()
			}
			require.Zero(t, s.stats.Hellos)
		})
	}
}
