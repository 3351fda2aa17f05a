package echo

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/answers"
	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// TestShapeCost has no shape cost more than was said before.
func TestShapeCost(t *testing.T) {
	hellos := hellotest.Costly()
	for name, h := range hellotest.Real(t) {
		hellos[name] = h
	}
	for name, h := range hellos {
		o := event.Observation{Hello: h, Transport: h.Transport, Index: 1}
		q := &request{httptest.NewRequest("GET", "/api/all", nil), answers.Event(&o, nil, event.Full), h, nil}
		for _, shape := range []any{peetAll(q), peetClean(q), browserleaks(q)} {
			var b strings.Builder
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			e.SetIndent("", "  ")
			require.NoError(t, e.Encode(shape))
			assert.LessOrEqual(t, b.Len(), answers.ShapeCost(len(h.Raw)).Bytes, "%s: %T", name, shape)
		}
	}
}
