package fingerprint_test

import (
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// A vector is one file of testdata/vectors, whose README says what is in it.
type vector struct {
	Name, Rule, Shows string
	Transport         string
	Hello             string
	QUIC              *struct {
		Version         uint32
		DCIDLen         int   `json:"dcid_len"`
		SCIDLen         int   `json:"scid_len"`
		PacketNumberLen int   `json:"packet_number_len"`
		FrameTypes      []int `json:"frame_types"`
		Token           bool
	}
	Accept map[string][]string
	Expect map[string]string
}

func (v *vector) hello(t testing.TB) *parser.ClientHello {
	msg, err := hex.DecodeString(v.Hello)
	require.NoError(t, err)
	h := &parser.ClientHello{Transport: transports[v.Transport]}
	require.NoError(t, h.Unmarshal(msg))
	return h
}

func (v *vector) initial() *fingerprint.QUICInitial {
	if v.QUIC == nil {
		return nil
	}
	q := &fingerprint.QUICInitial{
		Version: v.QUIC.Version, DCIDLen: v.QUIC.DCIDLen, SCIDLen: v.QUIC.SCIDLen,
		PacketNumberLen: v.QUIC.PacketNumberLen, Token: v.QUIC.Token,
	}
	for _, f := range v.QUIC.FrameTypes {
		q.FrameTypes = append(q.FrameTypes, byte(f))
	}
	return q
}

// vectors returns the test vectors by name.
func vectors(t testing.TB) map[string]*vector {
	files, err := filepath.Glob("../testdata/vectors/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]*vector{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		v := new(vector)
		require.NoError(t, json.Unmarshal(b, v), name)
		require.Equal(t, v.Name+".json", filepath.Base(name))
		all[v.Name] = v
	}
	return all
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
	for name, v := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			assert.NotEmpty(t, v.Shows)
			assert.NotEmpty(t, v.Rule)
			assert.Equal(t, v.Expect, values(v.hello(t), v.initial()))
			for key, others := range v.Accept {
				assert.NotContains(t, others, v.Expect[key])
			}
		})
	}
}
