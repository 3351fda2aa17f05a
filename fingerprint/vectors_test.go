package fingerprint_test

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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

// values returns all fingerprints of a hello that slowValues has, under the names
// that the vectors have for them.
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
	known := knownKeys()
	maps.DeleteFunc(all, func(key, v string) bool { return v == "" || !known[key] })
	return all
}

// knownKeys is slowKeys, once.
var knownKeys = sync.OnceValue(slowKeys)

// vectorKeys returns the keys of the values that the vectors have.
func vectorKeys(vectors map[string]*hellotest.Vector) map[string]bool {
	keys := map[string]bool{}
	for _, v := range vectors {
		for key := range v.Expect {
			keys[key] = true
		}
	}
	return keys
}

var update = flag.Bool("update", false, "add each fingerprint that no vector has to all of them, as slowValues computes it")

// addToVector writes the values with the given keys to the file of v, before that
// of session, which every hello has that has a fingerprint.
func addToVector(t *testing.T, v *hellotest.Vector, keys []string) {
	name := filepath.Join(hellotest.Dir(), "vectors", v.Name+".json")
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	before, after, found := strings.Cut(string(text), `    "session": `)
	if !found {
		return
	}
	slow := slowValues(v.Parse(t), quicInitial(v))
	for _, key := range keys {
		if value := slow[key]; value != "" {
			quoted, err := json.Marshal(value)
			require.NoError(t, err)
			before += `    "` + key + `": ` + string(quoted) + ",\n"
			v.Expect[key] = value
		}
	}
	require.NoError(t, os.WriteFile(name, []byte(before+`    "session": `+after), 0o644))
}

func TestVectors(t *testing.T) {
	vectors := hellotest.Vectors(t)
	keys := vectorKeys(vectors)
	var missing []string
	for i := range fingerprint.Methods {
		if key := fingerprint.Methods[i].Key; key != "npf" && !keys[key] {
			missing = append(missing, key)
		}
	}
	for name, v := range vectors {
		if *update {
			addToVector(t, v, missing)
		}
		t.Run(name, func(t *testing.T) {
			assert.NotEmpty(t, v.Shows)
			assert.NotEmpty(t, v.Rule)
			got := values(v.Parse(t), quicInitial(v))
			if !*update {
				maps.DeleteFunc(got, func(key, _ string) bool { return slices.Contains(missing, key) })
			}
			assert.Equal(t, v.Expect, got)
			for key, others := range v.Accept {
				assert.NotContains(t, others, v.Expect[key])
			}
		})
	}
}
