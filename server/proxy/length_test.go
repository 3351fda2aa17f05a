package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBodiesShorterThanTheirLength are a fault of the client: over HTTP/3 the server
// does not see it.
func TestBodiesShorterThanTheirLength(t *testing.T) {
	for _, scheme := range []string{"http", "h2c"} {
		for name, body := range map[string]string{"short": "abc", "none": ""} {
			t.Run(name+" to "+scheme, func(t *testing.T) {
				url, _ := serveBackend(t, scheme, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					_, err := io.Copy(io.Discard, r.Body)
					assert.Error(t, err, "it is not whole for the backend either")
				}))
				var failed failures
				p := to(t, url)
				p.Failed = failed.note
				f := start(t, p)
				req, err := http.NewRequest("POST", f.url("h3"), io.MultiReader(strings.NewReader(body)))
				require.NoError(t, err)
				req.ContentLength = 10
				resp, err := f.h3.Do(req)
				require.NoError(t, err)
				resp.Body.Close()
				assert.Equal(t, 400, resp.StatusCode)
				assert.Equal(t, []string{"default client"}, failed.all())
			})
		}
	}
}
