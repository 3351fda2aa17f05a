package capture

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestIPProtocols(t *testing.T) {
	for i, row := range ipProtocols {
		if i > 0 {
			assert.Less(t, ipProtocols[i-1].number, row.number)
		}
		assert.NotNil(t, row.read, row.number)
	}
}
