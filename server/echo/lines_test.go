package echo_test

import (
	"bytes"
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/server/echo"
)

func TestLines(t *testing.T) {
	addr := start(t)
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer c.Close()
	var replies bytes.Buffer
	lines := "one\n\n" + strings.Repeat("long ", 100_000) + "\nGET me\nno end"
	require.NoError(t, echo.RunLines(t.Context(), c, strings.NewReader(lines), &replies))
	all := strings.Split(strings.TrimSuffix(replies.String(), "\n"), "\n")
	require.Len(t, all, 5)
	for _, l := range all {
		assert.Equal(t, all[0], l)
		assert.Equal(t, c.LocalAddr().(*net.TCPAddr).Port, decode(t, []byte(l)).SrcPort)
	}
}

// TestLinesOfEachSize: a line may ask for more than the compact Event.
func TestLinesOfEachSize(t *testing.T) {
	c, err := tls.Dial("tcp", start(t), &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer c.Close()
	var replies bytes.Buffer
	require.NoError(t, echo.RunLines(t.Context(), c, strings.NewReader("a\nfull\r\ndetail\n full \nb\n"), &replies))
	all := strings.Split(strings.TrimSuffix(replies.String(), "\n"), "\n")
	require.Len(t, all, 5)
	assert.Equal(t, all[0], all[4])
	assert.Equal(t, all[1], all[3])
	assert.NotContains(t, all[0], `"carrier"`)
	assert.Contains(t, all[1], `"carrier"`)
	assert.NotContains(t, all[1], `"raw"`)
	assert.Contains(t, all[2], `"raw"`)
	assert.Less(t, len(all[0]), 900)
}
