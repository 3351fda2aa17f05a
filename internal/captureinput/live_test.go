package captureinput

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestLiveReaderCallsIdle: what was read is handed on before the reader waits.
func TestLiveReaderCallsIdle(t *testing.T) {
	r, w := io.Pipe()
	var got bytes.Buffer
	idle := make(chan string, 10)
	l := NewLiveReader(t.Context(), r, func() error {
		idle <- got.String()
		return nil
	})
	done := make(chan error)
	go func() {
		_, err := io.Copy(&got, struct{ io.Reader }{l})
		done <- err
	}()
	w.Write([]byte("one "))
	for <-idle != "one " {
	}
	w.Write([]byte("two"))
	for <-idle != "one two" {
	}
	w.Close()
	require.NoError(t, <-done)
	assert.Equal(t, "one two", got.String())
}

func TestLiveReaderEnds(t *testing.T) {
	never := func() error { return nil }
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	l := NewLiveReader(ctx, r, never)
	cancel()
	_, err := l.Read(make([]byte, 1))
	assert.ErrorIs(t, err, context.Canceled)

	_, err = io.ReadAll(NewLiveReader(t.Context(), iotest.ErrReader(errors.New("broken")), never))
	assert.EqualError(t, err, "broken")

	r, w = io.Pipe()
	defer w.Close()
	_, err = NewLiveReader(t.Context(), r, func() error { return errors.New("full") }).Read(make([]byte, 1))
	assert.EqualError(t, err, "full")

	long := bytes.Repeat([]byte("0123456789"), 100_000)
	got, err := io.ReadAll(NewLiveReader(t.Context(), iotest.HalfReader(bytes.NewReader(long)), never))
	require.NoError(t, err)
	assert.Equal(t, long, got)
}
