//go:build !race

package known

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestNoveltiesAreJudgedOnce: a hello with several novelties makes one allocation more than
// their texts, and no more for each of them.
func TestNoveltiesAreJudgedOnce(t *testing.T) {
	chrome := hellotest.Real(t)["chromium-156"]
	// An extension that BoringSSL does not have is a novelty; so is a record of TLS 1.2.
	h := withNews(t, chrome)
	allocs := func(version parser.Version) (n float64, novelties int) {
		o := &Observation{Hello: h, RecordVersion: version, Time: november}
		var tells []Tell
		n = testing.AllocsPerRun(100, func() { tells = AppendTells(tells[:0], o) })
		for i := range tells {
			novelties += btoi(tells[i].Novel)
		}
		return n, novelties
	}
	one, novelties := allocs(parser.VersionTLS10)
	assert.Equal(t, 1, novelties)
	two, novelties := allocs(parser.VersionTLS12)
	assert.Equal(t, 2, novelties)
	texts := testing.AllocsPerRun(100, func() {
		tellRecordVersion(nil, view{Observation: &Observation{Hello: h, RecordVersion: parser.VersionTLS12}})
	})
	assert.LessOrEqual(t, two-one, texts, "no more than the texts of the second")
	assert.Positive(t, one)
}
