package capture

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestEtherTypes(t *testing.T) {
	assert.True(t, slices.IsSortedFunc(etherTypes, func(a, b etherRow) int { return int(a.number) - int(b.number) }))
	for i, row := range etherTypes {
		assert.Same(t, &etherTypes[i], rowOfEtherType(etherTypes, row.number))
		assert.Greater(t, row.number, uint16(1500), "a length")
	}
	assert.Len(t, slices.CompactFunc(slices.Clone(etherTypes), func(a, b etherRow) bool { return a.number == b.number }), len(etherTypes))
	assert.Nil(t, rowOfEtherType(etherTypes, etherIPv4), "etherType reads it without the table")
}
