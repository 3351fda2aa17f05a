package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/internal/filter"
)

// TestTimeRange: the range is told only if no hello of any file is of the times asked for.
func TestTimeRange(t *testing.T) {
	at := func(seconds int64) time.Time { return time.Unix(seconds, 0) }
	for name, test := range map[string]struct {
		f     filter.Filter
		files [][]int64
		want  string
	}{
		"too late":     {filter.Filter{Since: at(100)}, [][]int64{{20, 10}, {}, {30}}, "             no hello is of the times of --since and --until: they are from 1970-01-01T00:00:10Z to 1970-01-01T00:00:30Z\n"},
		"too early":    {filter.Filter{Until: at(10)}, [][]int64{{10}, {10}}, "             no hello is of the times of --since and --until: the only time is 1970-01-01T00:00:10Z\n"},
		"between":      {filter.Filter{Since: at(11), Until: at(20)}, [][]int64{{10, 20}}, "             no hello is of the times of --since and --until: they are from 1970-01-01T00:00:10Z to 1970-01-01T00:00:20Z\n"},
		"one":          {filter.Filter{Since: at(30)}, [][]int64{{20, 10}, {30}}, ""},
		"no hello":     {filter.Filter{Since: at(30)}, [][]int64{{}}, ""},
		"no condition": {filter.Filter{}, [][]int64{{1}}, ""},
	} {
		var all times
		for _, file := range test.files {
			var r timeRange
			for _, seconds := range file {
				r.add(at(seconds), &test.f)
			}
			all.add(&r)
		}
		var b bytes.Buffer
		all.all.write(&b)
		assert.Equal(t, test.want, b.String(), name)
	}
}
