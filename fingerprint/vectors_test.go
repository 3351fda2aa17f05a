package fingerprint_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// quicInitial returns the packet of a vector, or nil.
func quicInitial(v *hellotest.Vector) *fingerprint.QUICInitial {
	if v.QUIC == nil {
		return nil
	}
	q := &fingerprint.QUICInitial{
		Version: v.QUIC.Version, DCIDLen: v.QUIC.DCIDLen, SCIDLen: v.QUIC.SCIDLen,
		PacketNumberLen: v.QUIC.PacketNumberLen,
	}
	if v.QUIC.Token {
		q.TokenLen = 16 // of any length
	}
	for _, f := range v.QUIC.FrameTypes {
		q.FrameTypes = append(q.FrameTypes, byte(f))
	}
	return q
}

// values returns all fingerprints of a hello, under the names that the vectors
// have for them.
func values(h *parser.ClientHello, q *fingerprint.QUICInitial) map[string]string {
	in := &fingerprint.Input{Hello: h, QUIC: q}
	all := map[string]string{"stable_full": fingerprint.StableFull(h)}
	for i := range fingerprint.Methods {
		m := &fingerprint.Methods[i]
		all[m.Key] = m.Of(in)
	}
	if !h.SSLv2 {
		all["session"] = fingerprint.SessionOf(h).String()
	}
	// The vectors have a name for each format of NPF.
	all["npf"], all["npf_1"], all["npf_2"] = fingerprint.NPF(h), fingerprint.NPF1(h), fingerprint.NPF2(h)
	if q != nil {
		all["npf_quic"], all["npf_quic_1"] = fingerprint.NPFQUIC(h, q.Version), fingerprint.NPFQUIC1(h, q.Version)
	}
	maps.DeleteFunc(all, func(_, v string) bool { return v == "" })
	return all
}

func TestVectors(t *testing.T) {
	for name, v := range hellotest.Vectors(t) {
		t.Run(name, func(t *testing.T) {
			assert.NotEmpty(t, v.Shows)
			assert.NotEmpty(t, v.Rule)
			assert.Equal(t, v.Expect, values(v.Parse(t), quicInitial(v)))
			for key, others := range v.Accept {
				assert.NotContains(t, others, v.Expect[key])
			}
		})
	}
}
