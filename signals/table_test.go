package signals

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
)

var testAddr = netip.MustParseAddr("192.0.2.1")

// TestSlidingWindow compares all values with those of a list of what was observed, at
// each moment of a day, as long as there is room.
func TestSlidingWindow(t *testing.T) {
	type observed struct {
		sample Sample
		bucket int64
	}
	r := rand.New(rand.NewPCG(1, 2))
	table := newTable(size{counters: 16, holders: [Kinds]int{16, 16, 16, 16}}, windowLayout, testStart)
	var all []observed
	now := testStart
	pick := func(what string, n int) string {
		if i := r.IntN(n + 1); i < n {
			return fmt.Sprint(what, i)
		}
		return ""
	}
	for range 3000 {
		now = now.Add(time.Duration(r.Int64N(int64(time.Minute))))
		bucket := int64(now.Sub(testStart) / bucketTime)
		s := Sample{
			JA4: pick("ja4 ", 4), Stable: pick("stable ", 3), Client: pick("client ", 3),
			Addr:      netip.AddrFrom4([4]byte{192, 0, byte(r.IntN(3)), byte(r.IntN(2))}),
			UserAgent: pick("agent ", 3), Path: pick("path ", 2), ServerName: pick("name ", 2),
			HTTP2: r.IntN(3) == 0, HTTP3: r.IntN(4) == 0, Tells: r.IntN(2) == 0,
		}
		s.HTTP3 = s.HTTP3 && !s.HTTP2
		table.Observe(s, now)
		all = append(all, observed{s, bucket})
		for len(all) > 0 && all[0].bucket <= bucket-windowBuckets {
			all = all[1:]
		}
		kind := Kind(r.IntN(int(Kinds)))
		key := [Kinds]string{JA4: "ja4 0", Stable: "stable 1", Client: "client 2", Prefix: "192.0.1.77"}[kind]
		var want Values
		sets := make([]map[string]bool, 5)
		for i := range sets {
			sets[i] = make(map[string]bool)
		}
		recent := 0
		for _, o := range all {
			if [Kinds]string{JA4: o.sample.JA4, Stable: o.sample.Stable, Client: o.sample.Client}[kind] != key &&
				(kind != Prefix || prefixOf(o.sample.Addr) != prefixOf(netip.MustParseAddr(key))) {
				continue
			}
			want.Requests++
			want.H2Ratio += float64(one(o.sample.HTTP2))
			want.H3Ratio += float64(one(o.sample.HTTP3))
			want.TellsRatio += float64(one(o.sample.Tells))
			if o.bucket >= bucket-1 {
				recent++
			}
			for i, value := range [...]string{o.sample.Addr.String(), o.sample.UserAgent, o.sample.Path, o.sample.ServerName, o.sample.JA4} {
				if value != "" {
					sets[i][value] = true
				}
			}
		}
		got, ok := table.Row(kind, key, now.Add(time.Second))
		require.Equal(t, want.Requests > 0, ok)
		if !ok {
			continue
		}
		want.H2Ratio /= float64(want.Requests)
		want.H3Ratio /= float64(want.Requests)
		want.TellsRatio /= float64(want.Requests)
		if kind == Prefix {
			want.JA4s = int64(len(sets[4]))
		} else {
			want.Addresses, want.UserAgents, want.Paths, want.ServerNames = int64(len(sets[0])), int64(len(sets[1])), int64(len(sets[2])), int64(len(sets[3]))
		}
		if now.Add(time.Second).Sub(testStart)/bucketTime != now.Sub(testStart)/bucketTime {
			continue // the row is of another bucket
		}
		over := min(now.Add(time.Second).Sub(testStart.Add(time.Duration(bucket-1)*bucketTime)), now.Add(time.Second).Sub(table.start)-table.kinds[kind].since)
		want.Rate = float64(recent) / max(over, time.Minute).Seconds()
		require.InDelta(t, want.Rate, got.Rate, 1e-9)
		got.Rate = want.Rate
		require.Equal(t, want, got.Values)
		require.Equal(t, want.Requests, got.AtMost)
		require.Equal(t, want.Requests, got.DistinctOf)
	}
}

// TestWindowEnds: an hour after the last request nothing is left, without another one.
func TestWindowEnds(t *testing.T) {
	table := newTable(small(8), windowLayout, testStart)
	table.Observe(Sample{JA4: "a", Addr: testAddr, Path: "/"}, testStart)
	for _, key := range []string{"a", "192.0.2.200"} {
		_, ok := table.Lookup(key, testStart.Add(Window-time.Second))
		assert.True(t, ok)
	}
	end := testStart.Add(Window)
	for _, key := range []string{"a", "192.0.2.200"} {
		v, ok := table.Lookup(key, end)
		assert.False(t, ok)
		assert.Zero(t, v)
	}
	assert.Empty(t, table.Top(JA4, 0, end))
	assert.Equal(t, Stats{Slots: 8, Holders: 4, Requests: 1}, table.Stats(JA4, end))
	assert.Len(t, table.kinds[JA4].holders.free, 4)
}

// TestClockSetBack: what was counted before stays for an hour from then on, and the rate
// is not that of a flood.
func TestClockSetBack(t *testing.T) {
	table := newTable(small(8), windowLayout, testStart)
	for i := range 600 {
		table.Observe(Sample{JA4: "a", Addr: testAddr}, testStart.Add(time.Duration(i)*time.Second))
	}
	back := testStart.Add(-48 * time.Hour)
	table.Observe(Sample{JA4: "a", Addr: testAddr}, back)
	v, ok := table.Lookup("a", back)
	require.True(t, ok)
	assert.EqualValues(t, 601, v.Requests)
	assert.LessOrEqual(t, v.Rate, 1.01)
	_, ok = table.Lookup("a", back.Add(Window-2*bucketTime))
	assert.True(t, ok)
	_, ok = table.Lookup("a", back.Add(Window+bucketTime))
	assert.False(t, ok)

	// One goroutine may have read the clock before another that counted first.
	table = newTable(small(8), windowLayout, testStart)
	table.Observe(Sample{JA4: "a"}, testStart.Add(bucketTime))
	table.Observe(Sample{JA4: "a"}, testStart.Add(bucketTime-1))
	assert.EqualValues(t, 1, table.kinds[JA4].bucket)
	for _, at := range []time.Time{{}, time.Unix(1<<40, 0), testStart} { // no overflow
		table.Observe(Sample{JA4: "a"}, at)
		v, ok = table.Lookup("a", at)
		assert.True(t, ok)
		assert.Positive(t, v.Requests)
		assert.LessOrEqual(t, v.Rate, 1.0)
	}
}

// TestNewKeyInheritsNothing: a key that takes the place of another has neither its
// distinct values nor its shares.
func TestNewKeyInheritsNothing(t *testing.T) {
	table := newTable(size{counters: 2, holders: [Kinds]int{2, 2, 2, 2}}, windowLayout, testStart)
	for i := range 40 {
		path := fmt.Sprint("/", i)
		for _, key := range []string{"a", "b", "b"} {
			table.Observe(Sample{JA4: key, Path: path, UserAgent: path, HTTP2: true, Tells: true}, testStart)
		}
	}
	table.Observe(Sample{JA4: "c", Path: "/c"}, testStart)
	row, ok := table.Row(JA4, "c", testStart)
	require.True(t, ok)
	assert.EqualValues(t, 41, row.AtMost)
	assert.EqualValues(t, 1, row.DistinctOf)
	assert.Equal(t, Values{Requests: 1, Rate: 1.0 / 60, Paths: 1}, row.Values)
	_, ok = table.Row(JA4, "a", testStart)
	assert.False(t, ok)
	assert.EqualValues(t, 1, table.Stats(JA4, testStart).Replaced)
	checkHolders(t, &table.kinds[JA4])
}

// TestFewHolders: those keys have distinct values that have the most requests, and keys
// that come once take them from nobody.
func TestFewHolders(t *testing.T) {
	table := newTable(size{counters: 100, holders: [Kinds]int{2, 2, 2, 2}}, windowLayout, testStart)
	for i := range 50 {
		table.Observe(Sample{JA4: fmt.Sprint("once ", i), Path: "/"}, testStart)
		table.Observe(Sample{JA4: "often", Path: fmt.Sprint("/", i%7)}, testStart)
		table.Observe(Sample{JA4: "too", Path: "/"}, testStart)
		checkHolders(t, &table.kinds[JA4])
	}
	rows := table.Top(JA4, 3, testStart)
	require.Len(t, rows, 3)
	assert.Equal(t, "often", rows[0].Value)
	assert.EqualValues(t, 7, rows[0].Paths)
	assert.EqualValues(t, 50, rows[0].DistinctOf)
	assert.EqualValues(t, 48, rows[1].DistinctOf) // from the one on with which it had more than a key with a holder
	assert.Equal(t, Row{Kind: JA4, Value: "once 0", Values: Values{Requests: 1, Rate: 1.0 / 60}, AtMost: 1}, rows[2])
}

// TestAgain: what is known later of a request that was counted adds no request.
func TestAgain(t *testing.T) {
	table := newTable(small(8), windowLayout, testStart)
	table.Observe(Sample{JA4: "a", Again: true}, testStart)
	_, ok := table.Lookup("a", testStart)
	assert.False(t, ok)
	table.Observe(Sample{JA4: "a", Tells: true}, testStart)
	table.Observe(Sample{JA4: "a", Tells: true, HTTP2: true, UserAgent: "x", Again: true}, testStart)
	v, _ := table.Lookup("a", testStart)
	assert.Equal(t, Values{Requests: 1, Rate: 1.0 / 60, UserAgents: 1, H2Ratio: 1, TellsRatio: 1}, v)
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7":            "192.0.2.0/24",
		"::ffff:192.0.2.7":     "192.0.2.0/24",
		"192.0.2.0/24":         "192.0.2.0/24",
		"192.0.2.64/26":        "192.0.2.0/24",
		"192.0.2.0/23":         "",
		"2001:db8:1:2::3":      "2001:db8:1::/48",
		"fe80::1%eth0":         "fe80::/48",
		"2001:DB8:1::/64":      "2001:db8:1::/48",
		"2001:db8::/32":        "",
		"":                     "",
		"::":                   "::/48",
		"t13d1516h2_8daaf6152": "",
		"curl 8.5":             "",
		"dead.beef":            "",
		"1.2.3.4/":             "",
		"1.2.3.4/x":            "",
		"Node.js":              "",
	} {
		got := parsePrefix(text)
		if want == "" {
			assert.False(t, got.IsValid(), text)
			continue
		}
		assert.Equal(t, want, got.String(), text)
	}
	assert.False(t, prefixOf(netip.Addr{}).IsValid())

	// The addresses of a /64 are those of one client, and count once.
	table := newTable(small(8), windowLayout, testStart)
	for i := range 100 {
		table.Observe(Sample{JA4: "a", Addr: netip.AddrFrom16([16]byte{0x20, 1, 7: byte(i / 50), 15: byte(i)})}, testStart)
		table.Observe(Sample{JA4: "b", Addr: netip.MustParseAddr("::ffff:192.0.2.1")}, testStart)
		table.Observe(Sample{JA4: "b", Addr: testAddr}, testStart)
	}
	for key, want := range map[string]int64{"a": 2, "b": 1} {
		v, _ := table.Lookup(key, testStart)
		assert.Equal(t, want, v.Addresses, key)
	}
	v, ok := table.Lookup("2001::9", testStart)
	assert.True(t, ok)
	assert.Equal(t, Values{Requests: 100, Rate: 100.0 / 60, JA4s: 1}, v)
}

// TestKindsAreApart: a text may be a key of several kinds. The first of the kinds that
// has it answers.
func TestKindsAreApart(t *testing.T) {
	table := New(Options{})
	table.Observe(Sample{Client: "x"}, testStart)
	table.Observe(Sample{Stable: "x", Client: "x", Path: "/"}, testStart)
	v, _ := table.Lookup("x", testStart)
	assert.EqualValues(t, 1, v.Requests)
	r, _ := table.Row(Client, "x", testStart)
	assert.EqualValues(t, 2, r.Requests)
	assert.Equal(t, Client, r.Kind)
	_, ok := table.Row(JA4, "x", testStart)
	assert.False(t, ok)
	for k := range Kind(Kinds) {
		parsed, err := ParseKind(k.String())
		require.NoError(t, err)
		assert.Equal(t, k, parsed)
	}
	_, err := ParseKind("ja3")
	assert.EqualError(t, err, `"ja3": must be ja4, stable, client or prefix`)
	text, err := json.Marshal(r)
	require.NoError(t, err)
	assert.JSONEq(t, `{"value":"x","requests":2,"rate":0.03333333333333333,"addresses":0,"user_agents":0,"paths":1,"server_names":0,
		"h2_ratio":0,"h3_ratio":0,"tells_ratio":0,"ja4s":0,"at_most":2,"distinct_of":2}`, string(text))
}

// TestTotal: there is no window, in whatever order the times come.
func TestTotal(t *testing.T) {
	table := newTable(small(8), totalLayout, testStart)
	for _, days := range []int{3, 0, 5, 1} {
		table.Observe(Sample{JA4: "a", Path: fmt.Sprint(days)}, testStart.Add(time.Duration(days)*24*time.Hour))
	}
	v, ok := table.Lookup("a", testStart.Add(-time.Hour))
	assert.True(t, ok)
	assert.Equal(t, Values{Requests: 4, Rate: 4 / (5 * 24 * time.Hour).Seconds(), Paths: 4}, v)
	table.Observe(Sample{JA4: "a"}, time.Time{})
	table.Observe(Sample{JA4: "a"}, time.Unix(1<<40, 0))
	v, _ = table.Lookup("a", testStart)
	assert.InDelta(t, 0, v.Rate, 1e-6)
}

// TestConcurrent: no request is lost that goroutines count at once.
func TestConcurrent(t *testing.T) {
	table := New(Options{MaxBytes: MinMaxBytes})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				table.Observe(Sample{JA4: "a", Stable: fmt.Sprint(g, i), Addr: netip.AddrFrom4([4]byte{10, byte(g), byte(i >> 4), byte(i)})}, testStart.Add(time.Duration(i)*bucketTime/2500))
				if i%50 == 0 {
					table.Lookup("a", testStart)
					table.Top(Stable, 3, testStart)
					table.Stats(Prefix, testStart)
				}
			}
		})
	}
	wg.Wait()
	v, ok := table.Lookup("a", testStart.Add(bucketTime))
	assert.True(t, ok)
	assert.EqualValues(t, 16000, v.Requests)
	for k := range table.kinds {
		checkCounters(t, &table.kinds[k].counters)
		checkHolders(t, &table.kinds[k])
	}
}

func TestSampleOf(t *testing.T) {
	name := "shop.example"
	e := event.Event{
		Transport: "tls",
		SrcIP:     testAddr,
		SNI:       &name,
		UserAgent: "x/1",
		Client:    []known.Candidate{{Name: "curl", Distance: 99}, {Name: "wget"}},
		Tells:     []known.Tell{{Name: "alps", Novel: true}},
		Handshake: &event.Handshake{ALPN: "h2"},
	}
	e.Fingerprints.Set("ja4", "t13")
	e.Fingerprints.Set("stable", "s1t13")
	want := Sample{JA4: "t13", Stable: "s1t13", Client: "curl", Addr: testAddr, UserAgent: "x/1", ServerName: name, HTTP2: true}
	assert.Equal(t, want, SampleOf(&e))

	e.Client[0].Distance = 100 // nobody near
	e.Tells = append(e.Tells, known.Tell{Name: "padding"})
	e.SNI, e.Handshake = nil, nil
	want.Client, want.ServerName, want.HTTP2, want.Tells = "", "", false, true
	assert.Equal(t, want, SampleOf(&e))

	e.Transport, e.ALPN = "quic", []string{"hq", "h3-29"}
	want.HTTP3 = true
	assert.Equal(t, want, SampleOf(&e))
	e.Handshake = &event.Handshake{ALPN: "hq"}
	want.HTTP3 = false
	assert.Equal(t, want, SampleOf(&e))
	assert.Equal(t, Sample{}, SampleOf(new(event.Event)))
}

// TestSizes compares the sizes that the bound is computed from.
func TestSizes(t *testing.T) {
	assert.LessOrEqual(t, int(reflect.TypeFor[counter]().Size()), counterBytes)
	assert.EqualValues(t, cellBytes, reflect.TypeFor[cell]().Size())
	assert.LessOrEqual(t, int(reflect.TypeFor[holder]().Size()), holderBytes)
	assert.EqualValues(t, distinctBytes, reflect.TypeFor[distinct]().Size())
	for n := 1; n < 5000; n += 7 {
		c := newCounters(n, 1)
		assert.LessOrEqual(t, len(c.index)*4, max(n*indexBytes, 16))
	}
	assert.Equal(t, sizeFor(MinMaxBytes, windowLayout), sizeFor(1, windowLayout))
	assert.Positive(t, sizeFor(1, windowLayout).counters)
}
