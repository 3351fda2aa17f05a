package filter

import (
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
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

// TimeForms names the forms that ParseTime accepts.
const TimeForms = "2006-01-02, 2006-01-02T15:04:05Z, seconds since 1970, or how long ago: 30m, 2h, 1d"

// ParseTime parses a date, a time, a number of seconds since 1970, or a duration before
// now. A time without a zone is in UTC. No text is the zero time.
func ParseTime(text string, now time.Time) (time.Time, error) {
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
	if ago, ok := parseAge(text); ok {
		return now.Add(-ago), nil
	}
	return time.Time{}, fmt.Errorf("%q: not a time: use %s", text, TimeForms)
}

// ages are the units of a duration that [time.ParseDuration] does not have.
var ages = [...]struct {
	unit string
	time.Duration
}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}}

// parseAge parses a duration such as 1h30m or 1d12h. Weeks and days are whole numbers, and
// come first.
func parseAge(text string) (time.Duration, bool) {
	var age time.Duration
	for _, a := range ages {
		number, rest, ok := strings.Cut(text, a.unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 31)
		d := time.Duration(n) * a.Duration
		if err != nil || d/a.Duration != time.Duration(n) || age+d < age {
			return 0, false
		}
		age += d
		if text = rest; text == "" {
			return age, true
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || strings.ContainsAny(text[:1], "+-") || age+d < age {
		return 0, false
	}
	return age + d, true
}
