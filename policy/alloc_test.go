//go:build !race

package policy

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMatchAllocations(t *testing.T) {
	env := testEnv(t)
	e := theEvent()
	for _, c := range conditions {
		x, err := env.Compile(c.text, AtHello)
		require.NoError(t, err)
		var in Input
		got := testing.AllocsPerRun(100, func() {
			in.Reset(e, nil)
			x.Match(&in)
		})
		assert.LessOrEqual(t, got, c.allocs, c.name)
	}
}
