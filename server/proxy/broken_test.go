package proxy_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBrokenAnswers: an answer whose backend gives up in the middle has no regular end for
// the client, whatever both speak. Without a length nothing else would tell.
func TestBrokenAnswers(t *testing.T) {
	for _, scheme := range schemes {
		f := through(t, scheme, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, "only this")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}))
		for _, version := range versions {
			t.Run(version+" to "+scheme, func(t *testing.T) {
				resp, err := f.client(version).Get(f.url(version))
				if err != nil {
					return // before the header was sent
				}
				defer resp.Body.Close()
				require.Equal(t, http.StatusOK, resp.StatusCode)
				_, err = io.ReadAll(resp.Body)
				assert.Error(t, err)
			})
		}
	}
}
