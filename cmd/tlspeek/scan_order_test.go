package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
)

// TestAhead: what is written before its turn has a limit for all files together,
// whether they are whole or not, and comes in the order of the files.
func TestAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const files = 40
		var b bytes.Buffer
		o := newOrderedWriter(&b)
		first := o.turn(0)
		line := []byte(strings.Repeat("x", maxAhead/8-1) + "\n")
		done := 0
		go func() {
			for i := range files - 1 {
				w := o.turn(1 + i)
				w.Write(line)
				w.close()
				done++
			}
		}()
		synctest.Wait() // sync.Cond blocks durably
		assert.Equal(t, 9, done)
		assert.Zero(t, b.Len())
		first.Write([]byte("first\n"))
		first.close()
		synctest.Wait()
		assert.Equal(t, files-1, done)
		assert.NoError(t, o.finish())
		assert.Equal(t, "first\n"+strings.Repeat(string(line), files-1), b.String())
		assert.Zero(t, o.ahead)
	})
}

// TestAheadChunks: the memory of what was written before its turn is used again,
// and lines of any length keep their order.
func TestAheadChunks(t *testing.T) {
	var b bytes.Buffer
	var want strings.Builder
	o := newOrderedWriter(&b)
	for round := range 5 {
		first, second := o.turn(2*round), o.turn(2*round+1)
		for i := range 3000 {
			line := strings.Repeat("y", i%200) + "\n"
			if i == 1500 {
				line = strings.Repeat("z", chunkSize) + "\n"
			}
			second.Write([]byte(line))
			want.WriteString(line)
		}
		assert.Positive(t, o.ahead)
		assert.NoError(t, first.close())
		assert.NoError(t, second.close())
		assert.Zero(t, o.ahead)
		assert.Len(t, o.free, 6, "300 kB, around the long line")
	}
	assert.NoError(t, o.finish())
	assert.Equal(t, want.String(), b.String())
}
