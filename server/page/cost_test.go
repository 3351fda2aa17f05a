package page

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/internal/answers"
	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// TestPageCost has no page cost more than was said before.
func TestPageCost(t *testing.T) {
	hellos := hellotest.Costly()
	for name, h := range hellotest.Real(t) {
		hellos[name] = h
	}
	for name, h := range hellos {
		w := get(pageOf(&Page{}, h), "/", "text/html")
		assert.Equal(t, http.StatusOK, w.Code)
		c := answers.PageCost(len(h.Raw))
		assert.LessOrEqual(t, w.Body.Len(), c.Bytes, name)
		assert.True(t, c.Heavy)
	}
}
