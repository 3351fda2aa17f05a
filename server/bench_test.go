package server_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// BenchmarkServer compares net/http behind a Listener with net/http over plain
// crypto/tls. Each runs in its own process, and they take turns. It reports the
// CPU time of a request on the server, and the median ratio of the pairs.
func BenchmarkServer(b *testing.B) {
	for _, kind := range []string{"conn", "headers"} {
		b.Run(kind+"/connections", func(b *testing.B) { benchmarkPairs(b, "plain", kind, 400, connections) })
		b.Run(kind+"/keepalive", func(b *testing.B) { benchmarkPairs(b, "plain", kind, 4000, keepalive) })
	}
}

// BenchmarkEvents measures new connections whose handler asks for the Event, and whose
// Events are handed on: those of a known client, of an unknown one that comes again,
// and of clients of which each has a hello of its own.
func BenchmarkEvents(b *testing.B) {
	usual := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
	unknown := unknownConfig(1)
	var n atomic.Uint32
	for _, c := range []struct {
		name   string
		config func() *tls.Config
	}{
		{"known", func() *tls.Config { return usual }},
		{"unknown", func() *tls.Config { return unknown }},
		{"new", func() *tls.Config { return unknownConfig(n.Add(1)) }},
	} {
		load := func(t testing.TB, addr string, n int) { connectionsOf(t, addr, n, c.config) }
		for _, base := range []string{"plain", "conn"} {
			for _, kind := range []string{"events", "settled"} {
				b.Run(c.name+"/"+kind+"/"+base, func(b *testing.B) { benchmarkPairs(b, base, kind, 400, load) })
			}
		}
	}
}

// unknownConfig returns the configuration of a client that no database has, another
// for each n below a million.
func unknownConfig(n uint32) *tls.Config {
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1", "x/" + strconv.Itoa(int(n))}}
	for i, suite := range tls.CipherSuites() {
		if n*2654435761>>(i%32)&1 == 1 {
			config.CipherSuites = append(config.CipherSuites, suite.ID)
		}
	}
	return config
}

func benchmarkPairs(b *testing.B, base, kind string, n int, load func(testing.TB, string, int)) {
	plain, ours := startProcess(b, base), startProcess(b, kind)
	cpu := func(p *process) float64 {
		before := p.figure(b, "/cpu")
		load(b, p.addr, n)
		return (p.figure(b, "/cpu") - before) / float64(n)
	}
	cpu(plain)
	cpu(ours)
	var ratios, plains, all []float64
	for b.Loop() {
		var x, y float64
		if len(ratios)%2 == 0 {
			x, y = cpu(plain), cpu(ours)
		} else {
			y, x = cpu(ours), cpu(plain)
		}
		plains, all, ratios = append(plains, x), append(all, y), append(ratios, y/x)
	}
	b.ReportMetric(median(plains), base+"-cpu-µs/req")
	b.ReportMetric(median(all), "cpu-µs/req")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(0, "ns/op")
}

func median(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

// connections opens n connections for one request each, four at a time.
func connections(t testing.TB, addr string, n int) {
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
	connectionsOf(t, addr, n, func() *tls.Config { return config })
}

// connectionsOf is connections of clients with these configurations.
func connectionsOf(t testing.TB, addr string, n int, config func() *tls.Config) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range n / 4 {
				c, err := tls.Dial("tcp", addr, config())
				if err != nil {
					t.Error(err)
					return
				}
				requests(t, c, 1)
				c.Close()
			}
		})
	}
	wg.Wait()
}

// keepalive makes n requests on four connections.
func keepalive(t testing.TB, addr string, n int) {
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c, err := tls.Dial("tcp", addr, config)
			if err != nil {
				t.Error(err)
				return
			}
			requests(t, c, n/4)
			c.Close()
		})
	}
	wg.Wait()
}

func requests(t testing.TB, c net.Conn, n int) {
	r := bufio.NewReader(c)
	for range n {
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Error(err)
			return
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		io.Copy(io.Discard, resp.Body)
	}
}

// BenchmarkBesideHalfOpen measures an honest client's connection with a request,
// beside 1000 clients that send a hello in records of one byte: how long it takes,
// and the CPU time of the server.
func BenchmarkBesideHalfOpen(b *testing.B) {
	message := hellotest.Real(b)["chromium-156"].Raw
	stream := records(message, 1, 0x0301)
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
	plain, ours := startProcess(b, "plain"), startProcess(b, "conn")
	measure := func(p *process) (p99, cpu float64) {
		var drips []net.Conn
		for range 1000 {
			c, err := net.Dial("tcp", p.addr)
			require.NoError(b, err)
			drips = append(drips, c)
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := 0; ; i += 6 {
				for _, c := range drips {
					if i < len(stream)-6 {
						c.Write(stream[i : i+6])
					}
				}
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
		before := p.figure(b, "/cpu")
		var took []float64
		for range 200 {
			began := time.Now()
			c, err := tls.Dial("tcp", p.addr, config)
			require.NoError(b, err)
			requests(b, c, 1)
			took = append(took, time.Since(began).Seconds()*1e3)
			c.Close()
		}
		cpu = (p.figure(b, "/cpu") - before) / 200
		close(stop)
		wg.Wait()
		for _, c := range drips {
			c.Close()
		}
		slices.Sort(took)
		return took[197], cpu
	}
	var p99s, cpus []float64
	for b.Loop() {
		plainP99, plainCPU := measure(plain)
		p99, cpu := measure(ours)
		p99s, cpus = append(p99s, p99/plainP99), append(cpus, cpu/plainCPU)
	}
	b.ReportMetric(median(p99s), "p99-ratio")
	b.ReportMetric(median(cpus), "cpu-ratio")
	b.ReportMetric(0, "ns/op")
}
