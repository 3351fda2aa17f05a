package proxy

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// TestAccessLogWaits: for requests that are still answered, and no longer than it is told to.
func TestAccessLogWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := &AccessLog{W: &out, Format: AccessCombined}
		assert.NoError(t, l.Wait(t.Context()), "nothing has come")
		h := l.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Minute)
			w.WriteHeader(http.StatusNoContent)
		}))
		go h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		synctest.Wait()
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.ErrorIs(t, l.Wait(short), context.DeadlineExceeded)
		assert.NoError(t, l.Wait(t.Context()))
		assert.Contains(t, out.String(), " 204 ")
	})
}
