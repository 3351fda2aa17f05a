package fingerprint

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSortValues(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sets := 0
	for range 20000 {
		list := make([]uint16, r.IntN(100))
		highs := 1 + r.IntN(7)
		for i := range list {
			list[i] = uint16(r.IntN(highs)*0x3700 + r.IntN(256))
		}
		if r.IntN(2) == 0 { // cipher suites are seldom repeated
			slices.Sort(list)
			list = slices.Compact(list)
			r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		}
		want := slices.Clone(list)
		slices.Sort(want)
		if got := slices.Clone(list); sortBySets(got) {
			sets++
			require.Equal(t, want, got)
		} else {
			require.Equal(t, list, got)
		}
		sortValues(list)
		require.Equal(t, want, list)
	}
	require.Greater(t, sets, 5000)
}
