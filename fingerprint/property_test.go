package fingerprint_test

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// Chrome draws GREASE values for cipher suites, extensions, groups, versions, key shares
// and, since 152, signature algorithms, and permutes its extensions. Its hellos all
// differ, and must have one value.
func TestGREASE(t *testing.T) {
	for _, name := range []string{"chromium-156", "chromium-156-psk"} {
		h := hellotest.Real(t)[name]
		require.True(t, parser.IsGREASE(h.SignatureAlgorithms[0]))
		r := rand.New(rand.NewPCG(1, 2))
		ja3, npf := map[string]bool{}, map[string]bool{}
		for range 100 {
			var o parser.ClientHello
			require.NoError(t, o.Unmarshal(hellotest.Regrease(r, h)))
			assert.Equal(t, fingerprint.JA4(h), fingerprint.JA4(&o))
			assert.Equal(t, fingerprint.JA4R(h), fingerprint.JA4R(&o))
			assert.Equal(t, fingerprint.JA3N(h), fingerprint.JA3N(&o))
			assert.Equal(t, fingerprint.TLSFPNorm(h), fingerprint.TLSFPNorm(&o))
			assert.Equal(t, fingerprint.Stable(h), fingerprint.Stable(&o))
			ja3[fingerprint.JA3(&o)] = true
			npf[fingerprint.NPF2(&o)] = true
		}
		assert.Len(t, ja3, 100, "the order was another each time")
		assert.Len(t, npf, 16, "NPF keeps GREASE among signature algorithms")
	}
}

// One value for every way to cut a hello over two records, and over records of
// one byte.
func TestRecords(t *testing.T) {
	for _, name := range []string{"python-tls12", "chromium-117", "go-1.26"} {
		h := hellotest.Real(t)[name]
		record := func(b []byte) []byte {
			return append(binary.BigEndian.AppendUint16([]byte{22, 3, 1}, uint16(len(b))), b...)
		}
		read := func(stream []byte) *parser.ClientHello {
			var a parser.RecordAssembler
			msg, _, err := a.Next(stream)
			require.NoError(t, err)
			o, err := parser.Parse(msg)
			require.NoError(t, err)
			return o
		}
		want := values(h, nil)
		for cut := 1; cut < len(h.Raw); cut++ {
			o := read(append(record(h.Raw[:cut]), record(h.Raw[cut:])...))
			require.Equal(t, want["ja4"], fingerprint.JA4(o), "%s cut at %d", name, cut)
			require.Equal(t, want["ja3"], fingerprint.JA3(o), "%s cut at %d", name, cut)
		}
		var stream []byte
		for i := range h.Raw {
			stream = append(stream, record(h.Raw[i:i+1])...)
		}
		assert.Equal(t, want, values(read(stream), nil))
	}
}

// TestAllocations: no method allocates with a warm buffer.
func TestAllocations(t *testing.T) {
	buf := make([]byte, 0, 4096)
	for name, h := range hellotest.Real(t) {
		in := &fingerprint.Input{Hello: h, QUIC: initialOf(h), HTTP2: "1:65536|00|0|m,a,s,p", HTTP3: "1:65536|m,a,s,p", HTTP3Wire: "1:65536|m,a,s,p"}
		for i := range fingerprint.Methods {
			m := &fingerprint.Methods[i]
			assert.Zero(t, testing.AllocsPerRun(100, func() { m.Append(buf, in) }), "%s of %s", m.Key, name)
			for j := range m.Variants {
				v := &m.Variants[j]
				assert.Zero(t, testing.AllocsPerRun(100, func() { v.Append(buf, in) }), "variant %d of %s of %s", j, m.Key, name)
			}
		}
	}
}

// The sort is not quadratic: a long list takes time in proportion to its length. A hello
// holds at most 32,767 cipher suites.
func TestLongLists(t *testing.T) {
	h := &parser.ClientHello{LegacyVersion: 0x303}
	for i := range 32767 {
		h.CipherSuites = append(h.CipherSuites, parser.CipherSuite(65535-2*i))
		h.Extensions = append(h.Extensions, parser.Extension{Type: parser.ExtensionType(65535 - 2*i)})
	}
	assert.Equal(t, slowValues(h, nil), values(h, nil))
}

// Append functions do not change what is already in the buffer.
func TestAppend(t *testing.T) {
	h := hellotest.Real(t)["chromium-117"]
	assert.Equal(t, "prefix "+fingerprint.JA4(h), string(fingerprint.AppendJA4([]byte("prefix "), h)))
	assert.Equal(t, "prefix "+fingerprint.JA3(h), string(fingerprint.AppendJA3([]byte("prefix "), h)))
	assert.Equal(t, "prefix "+fingerprint.Stable(h), string(fingerprint.AppendStable([]byte("prefix "), h)))
	assert.Equal(t, "prefix "+fingerprint.TLSFP(h), string(fingerprint.AppendTLSFP([]byte("prefix "), h)))
}

// The stable form is the same for the fresh and the resumed hello of a client, and for
// the hellos before and after a HelloRetryRequest or HelloVerifyRequest.
func TestStable(t *testing.T) {
	all := hellotest.Real(t)
	for _, names := range [][]string{
		{"chromium-156", "chromium-156-psk"},
		{"firefox-153", "firefox-153-psk", "firefox-153-hrr"},
		{"openssl-dtls", "openssl-dtls-cookie"},
	} {
		for _, name := range names[1:] {
			assert.Equal(t, fingerprint.Stable(all[names[0]]), fingerprint.Stable(all[name]), name)
		}
	}
	assert.NotEqual(t, fingerprint.JA4(all["firefox-153"]), fingerprint.JA4(all["firefox-153-psk"]))
	assert.Equal(t, fingerprint.SessionFresh, fingerprint.SessionOf(all["firefox-153"]))
	assert.Equal(t, fingerprint.SessionPSK, fingerprint.SessionOf(all["firefox-153-psk"]))
	assert.Equal(t, "unknown", fingerprint.Session(9).String())
}

func TestNPFHash(t *testing.T) {
	assert.Equal(t, "tls/1/"+sha256Hex("(0303)(1301)[]")[:32], fingerprint.NPFHash("tls/1/(0303)(1301)[]"))
	assert.Equal(t, "tls/cfb2a31d1f2142e5c163a5892e696334", fingerprint.NPFHash("tls/cfb2a31d1f2142e5c163a5892e696334"))
}
