package known

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
)

func TestBest(t *testing.T) {
	assert.Nil(t, Best(nil))
	assert.Nil(t, Best([]Candidate{{Name: "far", Distance: nearDistance}, {Name: "near"}}))
	list := []Candidate{{Name: "first", Distance: 99}, {Name: "nearer", Distance: 60}, {Name: "as near", Distance: 99}, {Name: "farther", Distance: 100}}
	best := Best(list)
	require.NotNil(t, best)
	assert.Equal(t, "first", best.Name)
	var good []string
	for i := range list {
		if list[i].IsAsGood(best) {
			good = append(good, list[i].Name)
		}
	}
	assert.Equal(t, []string{"first", "nearer", "as near"}, good)
}

// TestNamesOf: each candidate of a real hello has one of the names, as do the clients
// that a user adds, by a hello or by a fingerprint, also learned ones.
func TestNamesOf(t *testing.T) {
	names := NamesOf(nil)
	entries, err := BuiltinEntries()
	require.NoError(t, err)
	for _, e := range entries {
		assert.Contains(t, names.Clients, e.Name)
		assert.Contains(t, names.Families, e.Family)
	}
	var m Matcher
	for name, h := range hellotest.Real(t) {
		for _, c := range m.AppendCandidates(nil, &Observation{Hello: h}) {
			if c.Distance < nearDistance {
				assert.Contains(t, names.Clients, c.Name, name)
				assert.Contains(t, names.Families, c.Family, name)
			}
		}
	}
	assert.True(t, slices.IsSorted(names.Clients))

	learned := entries[slices.IndexFunc(entries, func(e Entry) bool { return e.Hello != "" })]
	learned.Name, learned.Family, learned.Learned = "a guess", "guesses", true
	db, err := NewDatabase([]Entry{
		{Name: "by JA4", Family: "mine", JA4: "t13d1516h2_8daaf6152771_e5627efa2ab1"}, learned,
	})
	require.NoError(t, err)
	own := NamesOf(db)
	assert.Subset(t, own.Clients, []string{"by JA4", "a guess", "Chromium"})
	assert.Subset(t, own.Families, []string{"mine", "guesses", "Chromium"})
	assert.NotContains(t, names.Clients, "by JA4")
	assert.NotContains(t, names.Clients, Unknown, "it stands for none of them")
}

// TestTellNames: the list has each name that a Tracker's tells have, once.
func TestTellNames(t *testing.T) {
	source, err := os.ReadFile("tracker_tells.go")
	require.NoError(t, err)
	names := TellNames()
	found := regexp.MustCompile(`Tell\{Name: "([a-z-]+)"`).FindAllSubmatch(source, -1)
	assert.Len(t, found, len(trackerTells))
	for _, m := range found {
		assert.Contains(t, trackerTells, string(m[1]))
	}
	assert.Len(t, names, len(TellKinds())+len(trackerTells))
	slices.Sort(names)
	assert.Len(t, slices.Compact(names), len(TellKinds())+len(trackerTells))
}
