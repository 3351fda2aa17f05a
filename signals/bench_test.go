package signals

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// samples are those of a busy site: n requests of a few fingerprints from many
// addresses.
func samples(n int) []Sample {
	list := make([]Sample, n)
	for i := range list {
		list[i] = Sample{
			JA4:        fmt.Sprintf("t13d%04dh2_8daaf6152771_b0da82dd1658", i%40),
			Stable:     fmt.Sprintf("s1t13_d054fa94d2b0613685872f%02x", i%30),
			Client:     fmt.Sprint("client ", i%12),
			Addr:       netip.AddrFrom4([4]byte{10, byte(i % 200), byte(i >> 8), byte(i)}),
			UserAgent:  fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36", i%50),
			Path:       fmt.Sprintf("/articles/2026/%d", i%3000),
			ServerName: "shop.example",
			HTTP2:      i%4 > 0,
		}
	}
	return list
}

// TestAllocations: what is counted and looked up of known keys takes no memory.
func TestAllocations(t *testing.T) {
	table, list := New(Options{}), samples(5000)
	for range 2 {
		for i := range list {
			table.Observe(list[i], testStart)
		}
	}
	i := 0
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		table.Observe(list[i%len(list)], testStart)
		i++
	}))
	for _, key := range []string{list[0].JA4, list[1].Stable, list[2].Client, "10.7.255.1", "t13d0000"} {
		for _, wait := range []time.Duration{0, time.Second} { // cached estimates, and new ones
			now := testStart
			assert.Zero(t, testing.AllocsPerRun(100, func() {
				now = now.Add(wait)
				table.Lookup(key, now)
			}), key)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	table, list := New(Options{}), samples(20000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		table.Observe(list[i%len(list)], testStart)
	}
}

// BenchmarkObserveOnce has only keys that come once, with a full table.
func BenchmarkObserveOnce(b *testing.B) {
	table, list := New(Options{}), samples(1<<17)
	for i := range list {
		list[i].JA4, list[i].Stable, list[i].Client = fmt.Sprint("ja4 ", i), fmt.Sprint("stable ", i), fmt.Sprint("client ", i)
		list[i].Addr = netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		table.Observe(list[i%len(list)], testStart)
	}
}

func BenchmarkObserveParallel(b *testing.B) {
	table, list := New(Options{}), samples(20000)
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for i := int(next.Add(7919)); pb.Next(); i++ {
			table.Observe(list[i%len(list)], testStart)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	table, list := New(Options{}), samples(20000)
	for i := range list {
		table.Observe(list[i], testStart)
	}
	for _, c := range []struct{ name, key string }{
		{"ja4", list[0].JA4}, {"client", list[2].Client}, {"address", "10.7.255.1"}, {"unknown", "t13d1516h2_8daaf6152771_b0da82dd1658"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				table.Lookup(c.key, testStart)
			}
		})
	}
	b.Run("new estimate", func(b *testing.B) { // of four sets with a sketch in each of 12 buckets
		for bucket := range windowBuckets {
			for i := range list {
				s := list[i]
				s.ServerName = fmt.Sprint(i % 500)
				table.Observe(s, testStart.Add(time.Duration(bucket)*bucketTime))
			}
		}
		now := testStart.Add(Window - bucketTime)
		for b.Loop() {
			table.kinds[JA4].holders.all[table.kinds[JA4].counters.all[0].holder].stale = true
			table.Lookup(list[0].JA4, now)
		}
	})
}

// BenchmarkAdvance is what the first request of a bucket waits for, with a full table.
func BenchmarkAdvance(b *testing.B) {
	table := New(Options{})
	fill(table)
	now := table.start.Add(2 * Window)
	for b.Loop() {
		now = now.Add(bucketTime)
		table.Observe(Sample{JA4: "x", Stable: "x", Client: "x", Addr: testAddr}, now)
	}
}
