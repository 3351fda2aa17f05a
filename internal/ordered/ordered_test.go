package ordered

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestHeldIsBounded: what is held for parts has one bound for all of them, whether
// they are closed or not, and is written in the order of the parts.
func TestHeldIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const parts = 40
		var b bytes.Buffer
		o := NewWriter(&b)
		first := o.Part(0)
		line := []byte(strings.Repeat("x", maxHeld/8-1) + "\n")
		done := 0
		go func() {
			for i := range parts - 1 {
				p := o.Part(1 + i)
				p.Write(line)
				p.Close()
				done++
			}
		}()
		synctest.Wait() // sync.Cond blocks durably
		assert.Equal(t, 9, done)
		assert.Zero(t, b.Len())
		first.Write([]byte("first\n"))
		first.Close()
		synctest.Wait()
		assert.Equal(t, parts-1, done)
		assert.NoError(t, o.Flush())
		assert.Equal(t, "first\n"+strings.Repeat(string(line), parts-1), b.String())
		assert.Zero(t, o.held)
	})
}

// TestChunksAreUsedAgain: the memory of what was held is used again, and writes of
// any length keep their order.
func TestChunksAreUsedAgain(t *testing.T) {
	var b bytes.Buffer
	var want strings.Builder
	o := NewWriter(&b)
	for round := range 5 {
		first, second := o.Part(2*round), o.Part(2*round+1)
		for i := range 3000 {
			line := strings.Repeat("y", i%200) + "\n"
			if i == 1500 {
				line = strings.Repeat("z", chunkSize) + "\n"
			}
			second.Write([]byte(line))
			want.WriteString(line)
		}
		assert.Positive(t, o.held)
		assert.NoError(t, first.Close())
		assert.NoError(t, second.Close())
		assert.Zero(t, o.held)
		assert.Len(t, o.free, 6, "300 kB, around the long line")
	}
	assert.NoError(t, o.Flush())
	assert.Equal(t, want.String(), b.String())
}

// TestFlushWritesTheCurrentPart, and nothing of the parts behind it.
func TestFlushWritesTheCurrentPart(t *testing.T) {
	var b bytes.Buffer
	o := NewWriter(&b)
	o.Write([]byte("header\n"))
	first, second := o.Part(0), o.Part(1)
	second.Write([]byte("second\n"))
	first.Write([]byte("first\n"))
	require.NoError(t, second.Flush())
	assert.Empty(t, b.String())
	require.NoError(t, first.Flush())
	assert.Equal(t, "header\nfirst\n", b.String())
	require.NoError(t, first.Close())
	require.NoError(t, second.Flush())
	assert.Equal(t, "header\nfirst\nsecond\n", b.String())
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("disk full") }

// TestErrorsEndWaiting: once writing has failed, nobody waits, and everybody learns
// why.
func TestErrorsEndWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := NewWriter(fullDisk{})
		first, second := o.Part(0), o.Part(1)
		second.Write(make([]byte, maxHeld+1))
		waited := make(chan error)
		go func() {
			_, err := second.Write([]byte("more"))
			waited <- err
		}()
		synctest.Wait()
		first.Write([]byte("first"))
		assert.EqualError(t, first.Flush(), "disk full")
		assert.EqualError(t, first.Close(), "disk full")
		assert.EqualError(t, <-waited, "disk full")
		assert.EqualError(t, o.Flush(), "disk full")
	})
}
