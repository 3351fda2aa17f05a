//go:build !race

package policy

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDecideAllocations(t *testing.T) {
	p := loadText(t, `
rules:
  - {name: a, when: transport == "quic", do: deny}
  - {name: t, when: transport == "tls", do: tag}
  - {name: f, when: 'true', do: limit, rate: 1/h burst 1000000, by: [sni, src_ip]}
  - {name: d, when: 'true', do: deny}
`)
	e := named("a.example")
	var in Input
	in.Reset(&e, nil)
	p.Decide(AtHello, &in, noon)
	got := testing.AllocsPerRun(100, func() { p.Decide(AtHello, &in, noon) })
	match := 0.0
	for r := range p.Rules() {
		match += testing.AllocsPerRun(100, func() {
			if _, err := r.Expr().Match(&in); err != nil {
				t.Fatal(err)
			}
		})
	}
	assert.Equal(t, match, got, "Decide itself allocates nothing")
}
