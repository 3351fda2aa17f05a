package event

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/known"
)

// TestLineTime: a cached second gives the text of RFC 3339, in any order of times.
func TestLineTime(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var c lineCache
	for _, second := range []int64{0, 0, 1, 1795332795, 1795332795, -1, -62135596799, 253402300799, 1795332795} {
		for _, nanos := range []int64{0, 1, 10, 999999999, 100000000, 123456000, r.Int64N(1e9)} {
			at := time.Unix(second, nanos).UTC()
			assert.Equal(t, at.Format(time.RFC3339Nano), string(c.appendTime(nil, at)))
		}
	}
}

// TestRememberedLife: whatever a live connection adds to a hello stands in the line of
// one that the memory knows, and not in the next line.
func TestRememberedLife(t *testing.T) {
	base := observation(hellotest.Real(t)["chromium-156"])
	var ob Observer
	for range 3 {
		_, err := ob.AppendJSON(nil, base, Compact)
		require.NoError(t, err)
	}
	written := map[string]bool{}
	check := func(o *Observation) {
		t.Helper()
		e := new(Observer).Event(o, Compact)
		want, err := e.AppendJSON(nil)
		require.NoError(t, err)
		got, err := ob.AppendJSON(nil, o, Compact)
		require.NoError(t, err)
		assert.Equal(t, string(want), string(got))
		for i := range Fields {
			b, err := Fields[i].Append([]byte("{"), &e)
			require.NoError(t, err)
			written[Fields[i].Key] = written[Fields[i].Key] || len(b) > 1
		}
	}
	for _, edit := range []func(o *Observation){
		func(o *Observation) { o.HTTP2 = "1:65536|00|0|m,a,s,p" },
		func(o *Observation) { o.HTTP3 = "1:0" },
		func(o *Observation) { o.Request.UserAgent = "curl/8.0" },
		func(o *Observation) { o.Request.OS = "Windows" },
		func(o *Observation) { o.Request.ClientHints = `"Chromium";v="120"` },
		func(o *Observation) { o.Request.Platform = "Windows" },
		func(o *Observation) { o.Request.Headers = "host,accept" },
		func(o *Observation) { o.Settled = SettledTime },
		func(o *Observation) { o.Unverified = true },
		func(o *Observation) { o.Rule = "no-bots" },
		func(o *Observation) { o.Action = "close" },
		func(o *Observation) { o.Tags = []string{"a"} },
		func(o *Observation) { o.Tells = []known.Tell{{Name: "frozen-order"}} },
		func(o *Observation) { o.File = `another "file".pcap` },
		func(o *Observation) { o.File = "" },
		func(o *Observation) { o.Time = o.Time.Add(time.Minute) },
		func(o *Observation) { o.Time = time.Time{} },
	} {
		o := *base
		edit(&o)
		check(&o)
		check(base)
	}
	for i := range Fields {
		if f := &Fields[i]; f.Size == Compact && f.Origin == Live {
			assert.True(t, written[f.Key], "no line has %s: add what makes it", f.Key)
		}
	}
}
