package signals

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]struct {
		rate Rate
		text string // if it is another
	}{
		"50/s burst 100":         {Rate{50, time.Second, 100}, ""},
		"  50/s   burst\t100 ":   {Rate{50, time.Second, 100}, "50/s burst 100"},
		"50/s":                   {Rate{50, time.Second, 50}, "50/s burst 50"},
		"1/m burst 1":            {Rate{1, time.Minute, 1}, ""},
		"7/h burst 2":            {Rate{7, time.Hour, 2}, ""},
		"100000/d burst 10":      {Rate{100000, 24 * time.Hour, 10}, ""},
		"3/10s burst 4":          {Rate{3, 10 * time.Second, 4}, ""},
		"3/1s burst 4":           {Rate{3, time.Second, 4}, "3/s burst 4"},
		"3/1m30s burst 4":        {Rate{3, 90 * time.Second, 4}, ""},
		"3/500ms burst 4":        {Rate{3, 500 * time.Millisecond, 4}, ""},
		"2147483647/s burst 1":   {Rate{math.MaxInt32, time.Second, 1}, ""},
		"none":                   {Rate{}, ""},
		"0":                      {Rate{}, "none"},
		"1/24h burst 2147483647": {Rate{1, 24 * time.Hour, math.MaxInt32}, "1/d burst 2147483647"},
	} {
		got, err := ParseRate(text)
		require.NoError(t, err, text)
		assert.Equal(t, want.rate, got, text)
		if want.text == "" {
			want.text = text
		}
		assert.Equal(t, want.text, got.String())
		var again Rate
		require.NoError(t, again.UnmarshalText([]byte(got.String())))
		assert.Equal(t, got, again)
	}
}

func TestParseRateErrors(t *testing.T) {
	const form = `; write it like "50/s burst 100"`
	for text, want := range map[string]string{
		"":                       `rate "": empty`,
		"50":                     `rate "50": "50" has no time, such as /s`,
		"/s":                     `rate "/s": the number of events "" is not a whole number of 1 or more`,
		"-5/s":                   `rate "-5/s": the number of events "-5" is not a whole number of 1 or more`,
		"1.5/s":                  `rate "1.5/s": the number of events "1.5" is not a whole number of 1 or more`,
		"0/s":                    `rate "0/s": the number of events "0" must be 1 or more`,
		"2147483648/s":           `rate "2147483648/s": the number of events "2147483648" is over 2147483647`,
		"99999999999999999999/s": `rate "99999999999999999999/s": the number of events "99999999999999999999" is over 2147483647`,
		"50/":                    `rate "50/": the time "" is not s, m, h, d or a time such as 10s`,
		"50/week":                `rate "50/week": the time "week" is not s, m, h, d or a time such as 10s`,
		"50/0s":                  `rate "50/0s": the time "0s" must be more than 0`,
		"50/-1s":                 `rate "50/-1s": the time "-1s" must be more than 0`,
		"50/25h":                 `rate "50/25h": the time "25h" is over a day`,
		"50/s 100":               `rate "50/s 100": "100" follows "50/s" where only burst may`,
		"50/s burst":             `rate "50/s burst": burst has no number`,
		"50/s burst 0":           `rate "50/s burst 0": the burst "0" must be 1 or more`,
		"50/s burst many":        `rate "50/s burst many": the burst "many" is not a whole number of 1 or more`,
		"50/s burst 100 200":     `rate "50/s burst 100 200": "200" follows the burst`,
		"50 / s":                 `rate "50 / s": "/" follows "50" where only burst may`,
	} {
		_, err := ParseRate(text)
		assert.EqualError(t, err, want+form)
		r := Rate{1, time.Second, 1}
		assert.Error(t, r.UnmarshalText([]byte(text)))
		assert.Equal(t, Rate{1, time.Second, 1}, r, "unchanged")
	}
}

func TestRateTimes(t *testing.T) {
	assert.Equal(t, Rate{400, time.Second, 1600}, Rate{50, time.Second, 200}.Times(8))
	assert.Equal(t, Rate{math.MaxInt32, time.Second, math.MaxInt32}, Rate{math.MaxInt, time.Second, math.MaxInt32}.Times(math.MaxInt))
	assert.True(t, Rate{}.Times(8).IsZero())
	text, err := Rate{5, time.Second, 0}.MarshalText()
	require.NoError(t, err)
	assert.Equal(t, "5/s burst 1", string(text))
}

// FuzzParseRate: what parses is printed so that it parses to the same.
func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"50/s burst 100", "none", "3/1m30s", "1/d burst 9", "x/s", "1/1ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRate(s)
		if err != nil {
			return
		}
		again, err := ParseRate(r.String())
		require.NoError(t, err)
		require.Equal(t, r, again)
		require.True(t, r == Rate{} || r.Events > 0 && r.Per > 0 && r.Burst > 0)
	})
}
