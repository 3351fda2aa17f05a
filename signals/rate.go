package signals

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Rate is how often something may happen: Events times in Per, evenly, and Burst
// times at once after a pause. The zero Rate is no limit.
//
// Its text is "50/s burst 100". The time is s, m, h, d, or one like 10s, 500ms and
// 1m30s. Without a burst, Burst is Events. "none" and "0" are no limit.
type Rate struct {
	Events int
	Per    time.Duration
	Burst  int
}

// rateForm is what errors say of the form.
const rateForm = `write it like "50/s burst 100"`

// ParseRate returns the Rate with the text s.
func ParseRate(s string) (Rate, error) {
	fail := func(why string) (Rate, error) {
		return Rate{}, fmt.Errorf("rate %q: %s; %s", s, why, rateForm)
	}
	fields := strings.Fields(s)
	switch {
	case len(fields) == 0:
		return fail("empty")
	case len(fields) == 1 && (fields[0] == "none" || fields[0] == "0"):
		return Rate{}, nil
	case len(fields) > 1 && fields[1] != "burst":
		return fail(fmt.Sprintf("%q follows %q where only burst may", fields[1], fields[0]))
	case len(fields) == 2:
		return fail("burst has no number")
	case len(fields) > 3:
		return fail(fmt.Sprintf("%q follows the burst", fields[3]))
	}
	events, per, found := strings.Cut(fields[0], "/")
	if !found {
		return fail(fmt.Sprintf("%q has no time, such as /s", fields[0]))
	}
	r := Rate{}
	var err error
	if r.Events, err = parseCount(events); err != nil {
		return fail(fmt.Sprintf("the number of events %q %v", events, err))
	}
	if r.Per, err = parsePer(per); err != nil {
		return fail(fmt.Sprintf("the time %q %v", per, err))
	}
	r.Burst = r.Events
	if len(fields) == 3 {
		if r.Burst, err = parseCount(fields[2]); err != nil {
			return fail(fmt.Sprintf("the burst %q %v", fields[2], err))
		}
	}
	return r, nil
}

func parseCount(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) || n > math.MaxInt32:
		return 0, fmt.Errorf("is over %d", math.MaxInt32)
	case err != nil:
		return 0, errors.New("is not a whole number of 1 or more")
	case n == 0:
		return 0, errors.New("must be 1 or more")
	}
	return int(n), nil
}

// units has the times that are written without a number.
var units = [...]struct {
	name string
	time time.Duration
}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", maxPer}}

const maxPer = 24 * time.Hour

func parsePer(s string) (time.Duration, error) {
	for _, u := range units {
		if s == u.name {
			return u.time, nil
		}
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, errors.New("is not s, m, h, d or a time such as 10s")
	case d <= 0:
		return 0, errors.New("must be more than 0")
	case d > maxPer:
		return 0, errors.New("is over a day")
	}
	return d, nil
}

// IsZero reports whether r is no limit. So is every Rate without Events or Per.
func (r Rate) IsZero() bool { return r.Events <= 0 || r.Per <= 0 }

// String returns the text of r, which ParseRate reads.
func (r Rate) String() string {
	if r.IsZero() {
		return "none"
	}
	per := r.Per.String()
	for _, u := range units {
		if r.Per == u.time {
			per = u.name
		}
	}
	return fmt.Sprintf("%d/%s burst %d", r.Events, per, max(1, r.Burst))
}

// MarshalText returns the text of r.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText sets r to the Rate with that text.
func (r *Rate) UnmarshalText(text []byte) error {
	parsed, err := ParseRate(string(text))
	if err == nil {
		*r = parsed
	}
	return err
}

// Times returns r with n times the Events and the Burst, each at most 2,147,483,647.
func (r Rate) Times(n int) Rate {
	scale := func(v int) int {
		return int(min(int64(min(max(v, 0), math.MaxInt32))*int64(min(max(n, 1), math.MaxInt32)), math.MaxInt32))
	}
	return Rate{scale(r.Events), r.Per, scale(r.Burst)}
}
