package main

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/helloinput"
	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// FuzzParse: parse has an answer to any input.
func FuzzParse(f *testing.F) {
	for _, h := range hellotest.Real(f) {
		f.Add(h.Raw)
		f.Add([]byte(hex.EncodeToString(h.Raw)))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		b, err := helloinput.Decode(input)
		if err != nil {
			return
		}
		p := helloinput.Parse(b)
		require.True(t, p.Hello != nil || len(p.Errs) > 0)
		text, err := appendParsedJSON(nil, p)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), "\n"))
		for _, c := range string(appendParsed(nil, p)) {
			require.True(t, c == '\n' || c >= ' ' && c != 0x7f)
		}
	})
}
