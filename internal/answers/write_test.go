package answers

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A slowWriter takes some time for each write, and records its deadline.
type slowWriter struct {
	strings.Builder
	took     time.Duration
	deadline time.Time
	sizes    []int
}

func (w *slowWriter) SetWriteDeadline(t time.Time) error { w.deadline = t; return nil }

func (w *slowWriter) Write(p []byte) (int, error) {
	time.Sleep(w.took)
	if time.Now().After(w.deadline) {
		return 0, errors.New("late")
	}
	w.sizes = append(w.sizes, len(p))
	return w.Builder.Write(p)
}

func TestWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := strings.Repeat("x", 5*step/2)
		w := &slowWriter{took: stepTimeout}
		require.NoError(t, Write(w, w.SetWriteDeadline, []byte(body)))
		assert.Equal(t, body, w.String())
		assert.Equal(t, []int{step, step, step / 2}, w.sizes)

		w = &slowWriter{took: stepTimeout + 1}
		assert.EqualError(t, Write(w, w.SetWriteDeadline, []byte(body)), "late")
		assert.Empty(t, w.String())

		w = &slowWriter{took: stepTimeout}
		began := time.Now()
		assert.EqualError(t, Write(w, w.SetWriteDeadline, make([]byte, 100*step)), "late")
		assert.LessOrEqual(t, time.Since(began), writeTimeout+stepTimeout)

		require.NoError(t, Write(io.Discard, func(time.Time) error { return http.ErrNotSupported }, []byte(body)))
	})
}
