package hellotest

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

// A Vector is one file of testdata/vectors, whose README describes the keys.
type Vector struct {
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

// Vectors returns the test vectors by name.
func Vectors(t testing.TB) map[string]*Vector {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Dir(), "vectors", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]*Vector{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		v := new(Vector)
		require.NoError(t, json.Unmarshal(b, v), name)
		require.Equal(t, v.Name+".json", filepath.Base(name))
		all[v.Name] = v
	}
	return all
}

// Parse returns the hello of v.
func (v *Vector) Parse(t testing.TB) *parser.ClientHello {
	t.Helper()
	msg, err := hex.DecodeString(v.Hello)
	require.NoError(t, err)
	transport, ok := parser.ParseTransport(v.Transport)
	require.True(t, ok, v.Transport)
	h := &parser.ClientHello{Transport: transport}
	require.NoError(t, h.Unmarshal(msg))
	return h
}
