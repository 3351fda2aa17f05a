package echo_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
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

// TestNextLine: each line waits for NextLine, whose error ends the connection.
func TestNextLine(t *testing.T) {
	var calls atomic.Int64
	h := &echo.Handler{NextLine: func(ctx context.Context) error {
		assert.NotNil(t, server.ClientOf(ctx))
		if calls.Add(1) > 2 {
			return errors.New("enough")
		}
		return nil
	}}
	ln := &server.Listener{Listener: servertest.Listen(t)}
	serve(t, h, new(server.Server), ln)
	c, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "a\nb\nc\nd\n")
	require.NoError(t, err)
	all, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.Equal(t, 2, strings.Count(string(all), "\n"))
	assert.EqualValues(t, 3, calls.Load())
}
