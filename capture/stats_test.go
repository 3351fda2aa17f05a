package capture

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// distinctStats returns Stats in which each counter has a number of its own.
func distinctStats(t *testing.T) *Stats {
	s := &Stats{
		UnknownLinks:      map[LinkType]int64{147: 1000, 9999: 2000},
		UnknownEtherTypes: map[EtherType]int64{0x8906: 3000},
		UnknownProtocols:  map[Protocol]int64{50: 4000},
	}
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Int64 {
			f.SetInt(int64(i + 1))
		} else {
			require.Equal(t, reflect.Map, f.Kind())
			require.NotZero(t, f.Len(), v.Type().Field(i).Name)
		}
	}
	return s
}

// TestCounters requires that each number of Stats is in counters once.
func TestCounters(t *testing.T) {
	s := distinctStats(t)
	fields := make(map[*int64]int)
	for _, c := range counters {
		fields[c.field(s)]++
	}
	v := reflect.ValueOf(s).Elem()
	for i := range v.NumField() {
		if p, ok := v.Field(i).Addr().Interface().(*int64); ok {
			assert.Equal(t, 1, fields[p], "%s in counters", v.Type().Field(i).Name)
			delete(fields, p)
		}
	}
	assert.Empty(t, fields)
}

func TestStatsAdd(t *testing.T) {
	s := distinctStats(t)
	var total Stats
	total.Add(s)
	assert.Equal(t, s, &total)
	total.Add(&Stats{
		UnknownLinks:      map[LinkType]int64{147: 1, 148: 2},
		UnknownEtherTypes: map[EtherType]int64{0x8906: 1},
		UnknownProtocols:  map[Protocol]int64{50: 1, 132: 2},
	})
	assert.Equal(t, map[EtherType]int64{0x8906: 3001}, total.UnknownEtherTypes)
	assert.Equal(t, map[Protocol]int64{50: 4001, 132: 2}, total.UnknownProtocols)
	assert.Equal(t, map[LinkType]int64{147: 1001, 148: 2, 9999: 2000}, total.UnknownLinks)
	assert.Equal(t, map[LinkType]int64{147: 1000, 9999: 2000}, s.UnknownLinks)

	var none Stats
	none.Add(new(Stats))
	assert.Equal(t, Stats{}, none)
}

// TestNotes requires a note for each counter but the totals.
func TestNotes(t *testing.T) {
	totals := map[string]bool{"Packets": true, "Bytes": true, "Hellos": true}
	assert.Empty(t, new(Stats).Notes())
	s := distinctStats(t)
	v := reflect.ValueOf(s).Elem()
	counts := make(map[int64]bool)
	for _, n := range s.Notes() {
		assert.NotEmpty(t, n.Text)
		assert.False(t, counts[n.Count], "two notes of %d", n.Count)
		counts[n.Count] = true
	}
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		switch {
		case v.Field(i).Kind() == reflect.Map:
			for _, n := range v.Field(i).Seq2() {
				assert.True(t, counts[n.Int()], name)
			}
		case name == "Unknown":
			assert.False(t, counts[v.Field(i).Int()])
		default:
			assert.Equal(t, !totals[name], counts[v.Field(i).Int()], name)
		}
	}

	assert.Equal(t, []Note{
		{12345, "packets of link type 147 (USER0): not read"},
		{3, "packets of link type 195 (IEEE802_15_4_WITHFCS): not read"},
		{3, "packets of link type 220 (USB_LINUX_MMAPPED): not read"},
		{1, "packet of link type 9999: not read"},
		{2, "in more than 16 encapsulations: not read"},
	}, (&Stats{TooNested: 2, UnknownLinks: map[LinkType]int64{9999: 1, 147: 12345, 220: 3, 195: 3}}).Notes())
}
