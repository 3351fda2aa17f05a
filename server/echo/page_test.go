package echo_test

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/server/echo"
	"github.com/tlspeek/tlspeek/server/page"
)

// TestBrowsersGetThePage: programs get JSON or, in this test, where nothing is known
// of the connection, an error as text.
func TestBrowsersGetThePage(t *testing.T) {
	h := &echo.Handler{Page: new(page.Page)}
	for accept, kind := range map[string]string{
		"text/html,application/xhtml+xml,*/*;q=0.8": "text/html; charset=utf-8",
		"TEXT/HTML":        "text/html; charset=utf-8",
		"*/*":              "text/plain; charset=utf-8",
		"":                 "text/plain; charset=utf-8",
		"application/json": "text/plain; charset=utf-8",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		assert.Equal(t, kind, w.Header().Get("Content-Type"), accept)
		assert.Equal(t, "Accept", w.Header().Get("Vary"), accept)
	}
}
