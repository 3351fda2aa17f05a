package main

import (
	"fmt"
	"path"
	"strings"

	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/internal/filter"
	"github.com/tlspeek/tlspeek/parser"
)

// filterFlags has the flags of scan that select hellos.
type filterFlags struct {
	sni, ja3, ja4, transports, hosts []string
	ports                            []uint
	since, until                     string
}

func (f *filterFlags) add(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.sni, "sni", nil, "only hellos with this server `name`; * matches any text")
	flags.StringSliceVar(&f.ja3, "ja3", nil, "only hellos with this `md5` as JA3 or JA3N; * matches any text")
	flags.StringSliceVar(&f.ja4, "ja4", nil, "only hellos with this `fingerprint` as JA4; * matches any text")
	flags.StringSliceVar(&f.transports, "transport", nil, "only hellos over this `transport`: tls, quic or dtls")
	flags.StringSliceVar(&f.hosts, "host", nil, "only hellos from or to this `address` or network")
	flags.UintSliceVar(&f.ports, "port", nil, "only hellos from or to this `number`")
	flags.Lookup("port").DefValue = "" // not []
	flags.StringVar(&f.since, "since", "", "only hellos at or after this `time`: 2006-01-02, 2006-01-02T15:04:05Z or seconds since 1970")
	flags.StringVar(&f.until, "until", "", "only hellos before this `time`")
}

// isSet reports whether a flag selects hellos.
func (f *filterFlags) isSet() bool {
	return len(f.sni)+len(f.ja3)+len(f.ja4)+len(f.transports)+len(f.hosts)+len(f.ports) > 0 || f.since != "" || f.until != ""
}

// filter returns the filter that the flags describe.
func (f *filterFlags) filter() (*filter.Filter, error) {
	for _, l := range []struct {
		flag     string
		patterns []string
		length   int // of every whole value; 0 if they differ
	}{{"--sni", f.sni, 0}, {"--ja3", f.ja3, 32}, {"--ja4", f.ja4, 36}} {
		for i, p := range l.patterns {
			l.patterns[i] = strings.ToLower(p)
			if _, err := path.Match(p, ""); err != nil {
				return nil, fmt.Errorf("%s %q: %w", l.flag, p, err)
			}
			if l.length > 0 && len(p) != l.length && !strings.ContainsAny(p, `*?[\`) {
				return nil, fmt.Errorf("%s %q: has %d characters instead of %d; to match a prefix, use '%s*'", l.flag, p, len(p), l.length, p)
			}
		}
	}
	c := &filter.Filter{SNI: f.sni, JA3: f.ja3, JA4: f.ja4}
	for _, text := range f.transports {
		t, ok := parser.ParseTransport(strings.ToLower(text))
		if !ok {
			return nil, fmt.Errorf("--transport %q: must be tls, quic or dtls", text)
		}
		c.Transports = append(c.Transports, t)
	}
	for _, text := range f.hosts {
		p, err := filter.ParseHost(text)
		if err != nil {
			return nil, fmt.Errorf("--host %w", err)
		}
		c.Hosts = append(c.Hosts, p)
	}
	for _, p := range f.ports {
		if p > 0xffff {
			return nil, fmt.Errorf("--port %d: must be at most 65535", p)
		}
		c.Ports = append(c.Ports, uint16(p))
	}
	var err error
	if c.Since, err = filter.ParseTime(f.since); err != nil {
		return nil, fmt.Errorf("--since %w", err)
	}
	if c.Until, err = filter.ParseTime(f.until); err != nil {
		return nil, fmt.Errorf("--until %w", err)
	}
	if f.since != "" && f.until != "" && !c.Since.Before(c.Until) {
		return nil, fmt.Errorf("--since %s must be before --until %s", f.since, f.until)
	}
	return c, nil
}
