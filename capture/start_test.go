package capture

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// startsStreamSlow is startsStream without patterns.
func startsStreamSlow(p []byte) bool { return mayAdopt(p) || startsFraming(p) != nil }

// TestStartPatterns requires that the patterns refuse nothing that may start a stream:
// no known preface and framing, whole, cut and with any byte changed, and no random bytes.
func TestStartPatterns(t *testing.T) {
	hello := record(realHello(t, "python-tls12"))
	r := rand.New(rand.NewPCG(31, 32))
	starts := append(all(hello, bytesOf(warningAlert, hello), bytesOf("\x14\x03\x03\x00\x01\x01", hello)), tdsPackets(hello, 512), []byte(tdsOptions))
	for _, p := range prefaces {
		starts = append(starts, bytesOf(p, hello))
	}
	dtls := realHello(t, "openssl-dtls")
	binding := stunMessage(1, make([]byte, 40))
	for _, p := range [][]byte{binding, dtlsFragment(dtls, 0, 0, len(dtls)-messageHeader), dtlsFragment(dtls, 0, 0, 100)} {
		starts = append(starts, p, frame4571(p), channelData(0x4001, p), turnIndication(0x16, p), turnIndication(0x17, p))
	}
	found := 0
	check := func(p []byte) {
		want := startsStreamSlow(p)
		require.Equal(t, want, startsStream(p), "% x", p[:min(len(p), 64)])
		require.True(t, !want || mayStartStream(p), "% x", p[:min(len(p), 64)])
		if want {
			found++
		}
	}
	for _, p := range starts {
		for n := 1; n <= min(len(p), 16); n++ {
			check(p[:n])
		}
		check(p)
		for i := range min(len(p), 2*startBytes) {
			before := p[i]
			for b := range 256 {
				p[i] = byte(b)
				check(p)
			}
			p[i] = before
		}
	}
	require.Greater(t, found, 1000)
	random := make([]byte, 200)
	for range 200_000 {
		for i := range 24 {
			random[i] = byte(r.Uint32())
		}
		check(random)
	}
}
