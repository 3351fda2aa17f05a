package main

import (
	"fmt"
	"math"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/event"
)

// A scanFilter chooses hellos. Each kind of condition that is given must hold;
// of several of a kind, one.
type scanFilter struct {
	sni, ja3, ja4, transports, hosts []string
	ports                            []uint
	sinceText, untilText             string

	prefixes     []netip.Prefix
	since, until time.Time
}

func (c *scanFilter) addFlags(f *pflag.FlagSet) {
	f.StringSliceVar(&c.sni, "sni", nil, "only hellos with this server `name`; * stands for any text")
	f.StringSliceVar(&c.ja3, "ja3", nil, "only hellos with this `md5` as JA3 or JA3N; * stands for any text")
	f.StringSliceVar(&c.ja4, "ja4", nil, "only hellos with this `fingerprint` as JA4; * stands for any text")
	f.StringSliceVar(&c.transports, "transport", nil, "only hellos over this `carrier`: tls, quic or dtls")
	f.StringSliceVar(&c.hosts, "host", nil, "only hellos from or to this `address` or network")
	f.UintSliceVar(&c.ports, "port", nil, "only hellos from or to this `number`")
	f.Lookup("port").DefValue = "" // not []
	f.StringVar(&c.sinceText, "since", "", "only hellos from this `time` on: 2006-01-02, 2006-01-02T15:04:05Z or seconds since 1970")
	f.StringVar(&c.untilText, "until", "", "only hellos before this `time`")
}

// check reads the flags.
func (c *scanFilter) check() error {
	for _, l := range []struct {
		flag     string
		patterns []string
		length   int // of a whole value, if all have the same
	}{{"--sni", c.sni, 0}, {"--ja3", c.ja3, 32}, {"--ja4", c.ja4, 36}} {
		for i, p := range l.patterns {
			l.patterns[i] = strings.ToLower(p)
			if _, err := path.Match(p, ""); err != nil {
				return fmt.Errorf("%s %q: %w", l.flag, p, err)
			}
			if l.length > 0 && len(p) != l.length && !strings.ContainsAny(p, `*?[\`) {
				return fmt.Errorf("%s %q: it has %d characters, and not %d; to match the beginning of one, write '%s*'", l.flag, p, len(p), l.length, p)
			}
		}
	}
	for i, t := range c.transports {
		c.transports[i] = strings.ToLower(t)
		if !slices.Contains([]string{"tls", "quic", "dtls"}, c.transports[i]) {
			return fmt.Errorf("--transport %q: not tls, quic or dtls", t)
		}
	}
	for _, h := range c.hosts {
		p, err := netip.ParsePrefix(h)
		if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(h); err != nil {
				return fmt.Errorf("--host %q: neither an address nor a network", h)
			}
			a = a.Unmap()
			p = netip.PrefixFrom(a, a.BitLen())
		}
		c.prefixes = append(c.prefixes, p)
	}
	for _, p := range c.ports {
		if p > 0xffff {
			return fmt.Errorf("--port %d: above 65535", p)
		}
	}
	var err error
	if c.since, err = parseTime(c.sinceText); err != nil {
		return fmt.Errorf("--since %w", err)
	}
	if c.until, err = parseTime(c.untilText); err != nil {
		return fmt.Errorf("--until %w", err)
	}
	if c.sinceText != "" && c.untilText != "" && !c.since.Before(c.until) {
		return fmt.Errorf("--since %s is not before --until %s, which ends the time without being part of it", c.sinceText, c.untilText)
	}
	return nil
}

// parseTime reads a time, in UTC where it has no zone. It is zero for no text.
func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(seconds) < 1<<40 {
		return time.UnixMicro(int64(math.Round(seconds * 1e6))), nil
	}
	return time.Time{}, fmt.Errorf("%q: not a time like 2006-01-02T15:04:05Z", text)
}

// timeLayouts are the forms of a time but for seconds. A year stands for its
// beginning, and is not taken for seconds.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05Z07:00",
	"2006-01-02T15:04:05", "2006-01-02 15:04:05",
	"2006-01-02T15:04", "2006-01-02 15:04",
	"2006-01-02", "2006-01", "2006",
}

// matchHello holds those conditions that need no fingerprint.
func (c *scanFilter) matchHello(h *capture.Hello) bool {
	switch {
	case !c.since.IsZero() && h.Time.Before(c.since):
		return false
	case !c.until.IsZero() && !h.Time.Before(c.until):
		return false
	case c.transports != nil && !slices.Contains(c.transports, h.Transport.String()):
		return false
	case c.ports != nil && !slices.Contains(c.ports, uint(h.Src.Port())) && !slices.Contains(c.ports, uint(h.Dst.Port())):
		return false
	case c.prefixes != nil && !c.matchHost(h.Src.Addr()) && !c.matchHost(h.Dst.Addr()):
		return false
	}
	return c.sni == nil || h.ClientHello.ServerName != nil && matchAny(c.sni, strings.ToLower(string(h.ClientHello.ServerName)))
}

// wantsEvent reports whether there are others.
func (c *scanFilter) wantsEvent() bool { return c.ja3 != nil || c.ja4 != nil }

// matchEvent holds the others.
func (c *scanFilter) matchEvent(e *event.Event) bool {
	if c.ja3 != nil && !matchAny(c.ja3, e.JA3()) && !matchAny(c.ja3, e.Fingerprint("ja3n")) {
		return false
	}
	return c.ja4 == nil || matchAny(c.ja4, strings.ToLower(e.JA4()))
}

func (c *scanFilter) matchHost(a netip.Addr) bool {
	return slices.ContainsFunc(c.prefixes, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

func matchAny(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, text)
		return ok
	})
}
