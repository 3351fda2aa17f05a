package policy

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// conditions are those of the benchmark, with the memory that an evaluation may take.
var conditions = []struct {
	name, text string
	allocs     float64
}{
	{"equal", `ja4 == "t13d1516h2_8daaf6152771_e5627efa2ab1"`, 1},
	{"suffix", `sni == "" || !sni.endsWith(".example")`, 1},
	{"exists", `client.exists(c, c.family == "Go-http")`, 6},
	{"exists two", `client.exists(c, c.kind == "browser" && c.distance == 0)`, 3},
	{"cidr", `cidr("198.51.100.0/24").containsIP(src_ip)`, 5},
	{"list", `inList("bad", ja4)`, 1},
}

func BenchmarkMatch(b *testing.B) {
	env := testEnv(b)
	e := theEvent()
	for _, c := range conditions {
		x, err := env.Compile(c.text, AtHello)
		require.NoError(b, err)
		b.Run(c.name, func(b *testing.B) {
			var in Input
			b.ReportAllocs()
			for b.Loop() {
				in.Reset(e, nil)
				x.Match(&in)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	env := testEnv(b)
	b.ReportAllocs()
	for b.Loop() {
		env.Compile(conditions[2].text, AtHello)
	}
}

func BenchmarkNewEnv(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		testEnv(b)
	}
}
