package fingerprint_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// TestEveryTextHasAMethod names a text of the vectors that neither a method nor a
// variant gives, and a variant whose texts no vector has.
func TestEveryTextHasAMethod(t *testing.T) {
	type text struct {
		method  string
		variant int // -1 for that of the method
	}
	vectors := map[text]bool{}
	for _, v := range hellotest.Vectors(t) {
		in := &fingerprint.Input{Hello: v.Parse(t), QUIC: quicInitial(v)}
		given := map[string][]text{}
		for i := range fingerprint.Methods {
			m := &fingerprint.Methods[i]
			given[m.Of(in)] = append(given[m.Of(in)], text{m.Key, -1})
			for j := range m.Variants {
				of := m.Variants[j].Of(in)
				given[of] = append(given[of], text{m.Key, j})
			}
		}
		for key, want := range v.Expect {
			if key == "session" {
				continue
			}
			assert.NotEmpty(t, given[want], "no method or variant gives %s of %s", key, v.Name)
			for _, from := range given[want] {
				vectors[from] = true
			}
		}
	}
	for i := range fingerprint.Methods {
		m := &fingerprint.Methods[i]
		for j := range m.Variants {
			assert.True(t, vectors[text{m.Key, j}], "no vector has variant %d of %s", j, m.Key)
		}
	}
}
