package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/internal/filter"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// filterFlags has the flags of scan that select hellos.
type filterFlags struct {
	conditions
	not          conditions
	since, until string
}

// conditions has the flags that have a counterpart --not-...
type conditions struct {
	sni, ja3, ja4, transports, hosts texts
	clients, families, kinds, tells  texts
	ports                            texts
}

// evidence is the value of --tell without one: any tell that is evidence.
const evidence = "*"

func (f *filterFlags) add(flags *pflag.FlagSet) {
	flags.Var(&f.sni, "sni", "only hellos with this server `name`; * matches any text, .example is that name and all under it, '' is for hellos without one")
	flags.Var(&f.ja3, "ja3", "only hellos with this `md5` as JA3 or JA3N; * matches any text")
	flags.Var(&f.ja4, "ja4", "only hellos with this `fingerprint` as JA4; * matches any text")
	flags.Var(&f.transports, "transport", "only hellos over this `transport`: tls, quic or dtls")
	flags.Var(&f.hosts, "host", "only hellos from or to this `address` or network")
	flags.Var(&f.ports, "port", "only hellos from or to this `number`")
	flags.Var(&f.clients, "client", "only hellos of which this `name` is one of the best candidates; * matches any text, unknown is for hellos like no known client's")
	flags.Var(&f.families, "family", "only hellos of clients of this family, by `name`")
	flags.Var(&f.kinds, "kind", "only hellos of clients of this `kind`: browser, library, tool, impersonator, proxy, malware or other")
	flags.Var(&f.tells, "tell", "only hellos with this tell, by `name`, or with any that is evidence; --tell=frozen-order for one")
	n := &f.not
	for _, flag := range []struct {
		value      *texts
		name, what string
	}{
		{&n.sni, "sni", "`name`"}, {&n.ja3, "ja3", "`md5`"}, {&n.ja4, "ja4", "`fingerprint`"}, {&n.transports, "transport", "`transport`"},
		{&n.hosts, "host", "`address`"}, {&n.clients, "client", "`name`"}, {&n.families, "family", "`name`"}, {&n.kinds, "kind", "`kind`"},
		{&n.tells, "tell", "`name`"}, {&n.ports, "port", "`number`"},
	} {
		flags.Var(flag.value, "not-"+flag.name, "without the hellos that --"+flag.name+" "+flag.what+" selects")
	}
	for _, name := range []string{"tell", "not-tell"} {
		flags.Lookup(name).NoOptDefVal = evidence
	}
	flags.StringVar(&f.since, "since", "", "only hellos at or after this `time`: "+filter.TimeForms)
	flags.StringVar(&f.until, "until", "", "only hellos before this `time`")
}

// suggest makes shells complete the values of the flags.
func (f *filterFlags) suggest(cmd *cobra.Command) {
	for _, not := range []string{"", "not-"} {
		suggest(cmd, not+"transport", "tls", "quic", "dtls")
		suggestOf(cmd, not+"client", func() []string { return known.NamesOf(nil).Clients })
		suggestOf(cmd, not+"family", func() []string { return known.NamesOf(nil).Families })
		suggest(cmd, not+"kind", known.KindNames()...)
		suggestOf(cmd, not+"tell", known.TellNames)
	}
}

// isSet reports whether a flag selects hellos.
func (f *filterFlags) isSet() bool {
	return f.conditions.isSet() || f.not.isSet() || f.since != "" || f.until != ""
}

func (c *conditions) isSet() bool {
	for _, t := range []texts{c.sni, c.ja3, c.ja4, c.transports, c.hosts, c.clients, c.families, c.kinds, c.tells, c.ports} {
		if len(t) > 0 {
			return true
		}
	}
	return false
}

// filter returns the filter that the flags describe at the given time. names are those
// of the clients that are known.
func (f *filterFlags) filter(now time.Time, names *clientNames) (*filter.Filter, error) {
	c, err := f.conditions.filter("--", names)
	if err != nil {
		return nil, err
	}
	if f.not.isSet() {
		if c.Not, err = f.not.filter("--not-", names); err != nil {
			return nil, err
		}
	}
	if c.Since, err = filter.ParseTime(f.since, now); err != nil {
		return nil, fmt.Errorf("--since %w", err)
	}
	if c.Until, err = filter.ParseTime(f.until, now); err != nil {
		return nil, fmt.Errorf("--until %w", err)
	}
	if f.since != "" && f.until != "" && !c.Since.Before(c.Until) {
		return nil, fmt.Errorf("--since %s must be before --until %s", f.since, f.until)
	}
	return c, nil
}

// filter returns a filter with the conditions. prefix stands before the names of the
// flags.
func (c *conditions) filter(prefix string, names *clientNames) (*filter.Filter, error) {
	r := new(filter.Filter)
	for _, l := range []struct {
		flag   string
		values texts
		length int // of every whole value; 0 if they differ
		check  func(string) error
		to     *[]string
	}{
		{"sni", c.sni, 0, nil, &r.SNI}, {"ja3", c.ja3, 32, nil, &r.JA3}, {"ja4", c.ja4, 36, nil, &r.JA4},
		{"client", c.clients, 0, func(p string) error { return names.checkClient(p, prefix) }, &r.Clients}, {"family", c.families, 0, func(p string) error { return names.checkFamily(p, prefix) }, &r.Families},
		{"kind", c.kinds, 0, checkKind, &r.Kinds}, {"tell", c.tells, 0, checkTell, &r.Tells},
	} {
		for _, text := range l.values {
			if l.flag == "sni" && len(namePatterns(text)) > 1 {
				r.SNI = append(r.SNI, namePatterns(strings.ToLower(text))...)
				continue
			}
			p, err := filter.ParsePattern(text)
			switch {
			case err != nil:
			case l.length > 0 && len(text) != l.length && !filter.IsPattern(text):
				err = wrongLength(text, l.length)
			case l.check != nil:
				err = l.check(p)
			}
			if err != nil {
				return nil, fmt.Errorf("%s%s %q: %w", prefix, l.flag, text, err)
			}
			*l.to = append(*l.to, p)
		}
	}
	for _, text := range c.transports {
		t, ok := parser.ParseTransport(strings.ToLower(text))
		if !ok {
			return nil, fmt.Errorf("%stransport %q: must be tls, quic or dtls", prefix, text)
		}
		r.Transports = append(r.Transports, t)
	}
	for _, text := range c.hosts {
		p, err := filter.ParseHost(text)
		if err != nil {
			return nil, fmt.Errorf("%shost %w", prefix, err)
		}
		r.Hosts = append(r.Hosts, p)
	}
	for _, text := range c.ports {
		p, err := parsePort(text)
		if err != nil {
			return nil, fmt.Errorf("%sport %s: %w", prefix, text, err)
		}
		r.Ports = append(r.Ports, p)
	}
	return r, nil
}

// wrongLength says why text is no whole fingerprint.
func wrongLength(text string, length int) error {
	if text == "" {
		return errors.New("is empty; to match any, use '*'")
	}
	return fmt.Errorf("has %d characters instead of %d; to match a prefix, use '%s*'", len(text), length, text)
}

// checkPaths explains what to write instead of "--tell frozen-order", which reads a file
// named frozen-order.
func (f *filterFlags) checkPaths(paths []string) error {
	for _, flag := range []struct {
		name string
		texts
	}{{"--tell", f.tells}, {"--not-tell", f.not.tells}} {
		for _, path := range paths {
			if !slices.Contains(flag.texts, evidence) || len(filter.Near(path, known.TellNames())) == 0 {
				continue
			}
			if _, err := os.Stat(path); err != nil {
				return fmt.Errorf("no file %s; for a tell, write %s=%s", path, flag.name, path)
			}
		}
	}
	return nil
}
