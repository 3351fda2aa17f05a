package varint

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
)

// The examples of RFC 9000, appendix A.1.
func TestParse(t *testing.T) {
	for _, test := range []struct {
		hex  string
		want uint64
	}{
		{"c2197c5eff14e88c", 151288809941952652},
		{"9d7f3e7d", 494878333},
		{"7bbd", 15293},
		{"25", 37},
		{"4025", 37},
	} {
		b, err := hex.DecodeString(test.hex)
		require.NoError(t, err)
		v, n := Parse(append(b, 0xff))
		assert.Equal(t, test.want, v, test.hex)
		assert.Equal(t, len(b), n, test.hex)
		s := cryptobyte.String(append(b, 0xff))
		require.True(t, Read(&s, &v))
		assert.Equal(t, test.want, v, test.hex)
		assert.Equal(t, cryptobyte.String{0xff}, s)

		for n := range b { // truncated
			s, v := cryptobyte.String(b[:n]), uint64(7)
			assert.False(t, Read(&s, &v), test.hex)
			assert.Equal(t, cryptobyte.String(b[:n]), s)
			assert.EqualValues(t, 7, v)
			_, length := Parse(b[:n])
			assert.Zero(t, length)
		}
	}
}

func TestAppend(t *testing.T) {
	for _, test := range []struct {
		v   uint64
		len int
	}{
		{0, 1}, {1<<6 - 1, 1}, {1 << 6, 2}, {1<<14 - 1, 2}, {1 << 14, 4}, {1<<30 - 1, 4}, {1 << 30, 8}, {1<<62 - 1, 8},
	} {
		b := Append([]byte{9}, test.v)
		v, n := Parse(b[1:])
		assert.Equal(t, test.v, v)
		assert.Equal(t, test.len, n)
		assert.Len(t, b, 1+test.len)
	}
}
