//go:build linux

// Speed measures the CPU time of "tlspeek proxy" beside that of a reverse proxy of the
// standard library and of Caddy, in one run: each load in turn, and for each of its rounds
// each proxy in turn. It prints a table in Markdown.
//
//	go build -o /tmp/plain ./internal/peertest/plain
//	go run ./internal/peertest/speed -tlspeek bin/tlspeek -plain /tmp/plain -caddy /tmp/caddy
//
// What is measured is the CPU time of the proxy's process alone. The clients and the
// backend are in the process of Speed.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	tlspeek := flag.String("tlspeek", "", "`program`, or several to compare: name=program,...")
	plain := flag.String("plain", "", "`program` of internal/peertest/plain")
	caddy := flag.String("caddy", "", "`program`; none is not measured")
	access := flag.Bool("access", true, "also with the access log")
	rounds := flag.Int("rounds", 10, "`number` of rounds of each load")
	only := flag.String("run", "", "only loads that match this `expression`")
	scale := flag.Float64("scale", 1, "`factor` for the work of a round")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		log.Fatal(err)
	}
	if *tlspeek == "" || *plain == "" {
		log.Fatal("-tlspeek and -plain are needed")
	}
	dir, err := os.MkdirTemp("", "speed")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	b, err := newBench(dir)
	if err != nil {
		log.Fatal(err)
	}
	b.kinds = append(b.kinds, kind{"plain", *plain, plainArgs})
	for i, p := range strings.Split(*tlspeek, ",") {
		name, program, found := strings.Cut(p, "=")
		if !found {
			name, program = "tlspeek", p
		}
		b.kinds = append(b.kinds, kind{name, program, tlspeekArgs("none")})
		if *access && i == 0 {
			b.kinds = append(b.kinds, kind{name + ", access log", program, tlspeekArgs("log")})
		}
	}
	if *caddy != "" {
		b.kinds = append(b.kinds, kind{"caddy", *caddy, caddyArgs})
	}
	if err := b.run(pattern, *rounds, *scale); err != nil {
		os.RemoveAll(dir)
		log.Fatal(err)
	}
}

// run measures and prints.
func (b *bench) run(pattern *regexp.Regexp, rounds int, scale float64) error {
	fmt.Print("| load | ")
	for _, k := range b.kinds {
		fmt.Print(k.name, " | ")
	}
	fmt.Print("\n|---|", strings.Repeat("---|", len(b.kinds)), "\n")
	if err := b.runLoads(pattern, rounds, scale); err != nil {
		return err
	}
	for _, protocol := range []string{"http/1.1", "h2"} {
		name := "idle connection, " + protocol
		if !pattern.MatchString(name) {
			continue
		}
		values := make([][]float64, len(b.kinds))
		for range max(1, rounds/3) {
			for i := range b.kinds {
				n, err := b.idleMemory(i, protocol)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", b.kinds[i].name, name, err)
				}
				values[i] = append(values[i], n)
			}
		}
		b.row(name, values, func(v float64) string { return fmt.Sprintf("%.1f KB", v/1024) })
	}
	return nil
}

func (b *bench) runLoads(pattern *regexp.Regexp, rounds int, scale float64) error {
	proxies := make([]*proxy, len(b.kinds))
	defer func() {
		for _, p := range proxies {
			if p != nil {
				p.stop()
			}
		}
	}()
	for i := range b.kinds {
		var err error
		if proxies[i], err = b.start(i); err != nil {
			return err
		}
	}
	for _, l := range loads {
		if !pattern.MatchString(l.name) {
			continue
		}
		n := max(1, int(float64(l.n)*scale))
		values := make([][]float64, len(b.kinds))
		for round := range rounds + 1 {
			for turn := range proxies {
				i := (turn + round) % len(proxies)
				took, err := b.measure(proxies[i], l, n)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", b.kinds[i].name, l.name, err)
				}
				if round > 0 { // the first one warms up
					values[i] = append(values[i], took.Seconds()/float64(n))
				}
			}
		}
		b.row(l.name, values, func(v float64) string { return time.Duration(v * 1e9).Round(100 * time.Nanosecond).String() })
	}
	return nil
}

// row prints the mean of each kind, its ratio to the first one, and that of the median round.
func (b *bench) row(name string, values [][]float64, format func(float64) string) {
	fmt.Print("| ", name, " | ")
	for i := range values {
		fmt.Print(format(mean(values[i])))
		if i > 0 {
			ratios := make([]float64, len(values[i]))
			for j := range ratios {
				ratios[j] = values[i][j] / values[0][j]
			}
			slices.Sort(ratios)
			fmt.Printf(" (%.3f, median %.3f)", mean(values[i])/mean(values[0]), ratios[len(ratios)/2])
		}
		fmt.Print(" | ")
	}
	fmt.Println()
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
