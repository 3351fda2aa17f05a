package event

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMAC(t *testing.T) {
	m := MAC{2, 0, 0x5e, 0x10, 0, 0xff}
	assert.Equal(t, "02:00:5e:10:00:ff", m.String())
	assert.Empty(t, MAC{}.String())
	for _, m := range []MAC{m, {}} {
		b, err := json.Marshal(m)
		require.NoError(t, err)
		again := MAC{9}
		require.NoError(t, json.Unmarshal(b, &again))
		assert.Equal(t, m, again)
	}
	assert.EqualError(t, m.UnmarshalText([]byte("02:00")), "event: address 02:00: invalid MAC address")
	assert.EqualError(t, m.UnmarshalText([]byte("00:00:00:00:00:00:00:01")), "event: a MAC address of 8 bytes, not 6")
}
