package known

import (
	"testing"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func BenchmarkCandidates(b *testing.B) {
	for name, h := range hellotest.Real(b) {
		b.Run(name, func(b *testing.B) {
			var m Matcher
			o := Observation{Hello: h, Index: 1, RecordVersion: parser.VersionTLS10}
			dst := m.AppendCandidates(nil, &o)
			if len(dst) > 0 {
				b.ReportMetric(float64(dst[0].Distance), "distance")
			}
			b.ReportAllocs()
			for b.Loop() {
				dst = m.AppendCandidates(dst[:0], &o)
			}
		})
	}
}

// BenchmarkNearest has hellos of no known shape, each another one, so that
// nothing is remembered.
func BenchmarkNearest(b *testing.B) {
	h := hellotest.Real(b)["chromium-156"].Clone()
	var m Matcher
	var dst []Candidate
	o := Observation{Hello: h}
	var v uint16
	b.ReportAllocs()
	for b.Loop() {
		v++
		h.CipherSuites[3] = parser.CipherSuite(v)
		dst = m.AppendCandidates(dst[:0], &o)
	}
}

func BenchmarkTells(b *testing.B) {
	for name, h := range hellotest.Real(b) {
		b.Run(name, func(b *testing.B) {
			o := Observation{Hello: h, Index: 1, RecordVersion: parser.VersionTLS10}
			var dst []Tell
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendTells(dst[:0], &o)
			}
		})
	}
}
