package filter

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"
)

// ParseHost parses a network, or an address as the network of that address.
func ParseHost(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q: neither an address nor a network", text)
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// timeLayouts are the forms of a time other than seconds. A year is the beginning of
// that year, and not a number of seconds.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05Z07:00",
	"2006-01-02T15:04:05", "2006-01-02 15:04:05",
	"2006-01-02T15:04", "2006-01-02 15:04",
	"2006-01-02", "2006-01", "2006",
}

// ParseTime parses a date, a time or a number of seconds since 1970. A time without a
// zone is in UTC. No text is the zero time.
func ParseTime(text string) (time.Time, error) {
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
