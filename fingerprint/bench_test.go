package fingerprint_test

import (
	"crypto/md5"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// benchmarked are the hellos of the benchmarks: Chrome, Firefox, curl with
// OpenSSL, Go, and one of TLS 1.2.
var benchmarked = []string{"chromium-156", "firefox-153", "curl-openssl-3.0", "go-1.26", "python-tls12"}

var sink byte

// BenchmarkJA4 reads a hello and computes its JA4. Its x-floor is the time as
// a multiple of that of the two SHA-256 that JA4 needs.
func BenchmarkJA4(b *testing.B) {
	all := hellotest.Real(b)
	for _, name := range benchmarked {
		b.Run(name, func(b *testing.B) {
			h := *all[name]
			suites, extensions := ja4Texts(&h)
			var buf [1024]byte
			work := func() {
				if err := h.Unmarshal(h.Raw); err != nil {
					b.Fatal(err)
				}
				sink += fingerprint.AppendJA4(buf[:0], &h)[0]
			}
			b.ReportAllocs()
			for b.Loop() {
				work()
			}
			reportRatio(b, work, func() {
				sink += sha256Byte(suites) + sha256Byte(extensions)
			})
		})
	}
}

// BenchmarkJA3JA4 reads a hello and computes its JA3 and its JA4. Its x-floor
// is the time as a multiple of that of the MD5 and the two SHA-256 they need.
func BenchmarkJA3JA4(b *testing.B) {
	all := hellotest.Real(b)
	for _, name := range benchmarked {
		b.Run(name, func(b *testing.B) {
			h := *all[name]
			ja3 := []byte(fingerprint.JA3Full(&h))
			suites, extensions := ja4Texts(&h)
			var buf [1024]byte
			work := func() {
				if err := h.Unmarshal(h.Raw); err != nil {
					b.Fatal(err)
				}
				sink += fingerprint.AppendJA3(buf[:0], &h)[0]
				sink += fingerprint.AppendJA4(buf[:0], &h)[0]
			}
			b.ReportAllocs()
			for b.Loop() {
				work()
			}
			reportRatio(b, work, func() {
				sink += md5Byte(ja3) + sha256Byte(suites) + sha256Byte(extensions)
			})
		})
	}
}

// BenchmarkParts measures the parts of the two benchmarks above, for one hello.
func BenchmarkParts(b *testing.B) {
	h := *hellotest.Real(b)["chromium-156"]
	var buf [1024]byte
	suites, extensions := ja4Texts(&h)
	ja3 := []byte(fingerprint.JA3Full(&h))
	for _, part := range []struct {
		name string
		work func()
	}{
		{"Unmarshal", func() { h.Unmarshal(h.Raw) }},
		{"JA3", func() { sink += fingerprint.AppendJA3(buf[:0], &h)[0] }},
		{"JA3Full", func() { sink += fingerprint.AppendJA3Full(buf[:0], &h)[0] }},
		{"JA3N", func() { sink += fingerprint.AppendJA3N(buf[:0], &h)[0] }},
		{"JA4", func() { sink += fingerprint.AppendJA4(buf[:0], &h)[0] }},
		{"JA4R", func() { sink += fingerprint.AppendJA4R(buf[:0], &h)[0] }},
		{"MD5", func() { sink += md5Byte(ja3) }},
		{"SHA256x2", func() { sink += sha256Byte(suites) + sha256Byte(extensions) }},
	} {
		b.Run(part.name, func(b *testing.B) {
			for b.Loop() {
				part.work()
			}
		})
	}
}

func md5Byte(text []byte) byte {
	sum := md5.Sum(text)
	return sum[0]
}

func sha256Byte(text []byte) byte {
	sum := sha256.Sum256(text)
	return sum[0]
}

// ja4Texts returns the two texts that JA4 hashes.
func ja4Texts(h *parser.ClientHello) (suites, extensions []byte) {
	text := []byte(fingerprint.JA4R(h))
	for i, c := range text[len("t13d1516h2_"):] {
		if c == '_' {
			return text[len("t13d1516h2_"):][:i], text[len("t13d1516h2_"):][i+1:]
		}
	}
	return nil, nil
}

// reportRatio reports the time of work as a multiple of that of floor. It takes the best
// of many short, interleaved runs of each.
func reportRatio(b *testing.B, work, floor func()) {
	best := func(f func(), old time.Duration) time.Duration {
		start := time.Now()
		for range 100 {
			f()
		}
		return min(old, time.Since(start))
	}
	w, f := time.Duration(1<<62), time.Duration(1<<62)
	for range 1000 {
		w, f = best(work, w), best(floor, f)
	}
	b.ReportMetric(float64(w.Nanoseconds())/100, "best-ns")
	b.ReportMetric(float64(w)/float64(f), "x-floor")
}
