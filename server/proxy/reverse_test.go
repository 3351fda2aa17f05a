package proxy_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// echo answers with the request, its fields and trailers, and sends trailers of its own.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Trailer", "Announced")
	w.Header().Set("X-Backend", "yes")
	w.Header()["Content-Type"] = nil
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, "%s %s %s\n", r.Method, r.RequestURI, r.Host)
	for _, fields := range []http.Header{r.Header, r.Trailer} {
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			for _, value := range fields[name] {
				fmt.Fprintf(w, "%s: %s\n", name, value)
			}
		}
	}
	fmt.Fprintf(w, "body %s", body)
	w.Header().Set("Announced", "one")
	w.Header().Set(http.TrailerPrefix+"Late", "two")
}

// TestEveryCombination sends a request with trailers over each version to each kind of
// backend.
func TestEveryCombination(t *testing.T) {
	for _, scheme := range schemes {
		f := through(t, scheme, http.HandlerFunc(echo))
		for _, version := range versions {
			t.Run(version+" to "+scheme, func(t *testing.T) {
				req, err := http.NewRequest("POST", f.url(version)+"/a%2Fb//c?x=1;y=%zz", io.MultiReader(strings.NewReader("hello")))
				require.NoError(t, err)
				req.Host = "shop.example:8443"
				req.Header = http.Header{"Accept": {"one", "two"}, "Te": {"trailers"}, "Cookie": {"a=1; b=2"}}
				req.Trailer = http.Header{"Sum": {"5"}, "X-Forwarded-For": {"FORGED"}, "X-Ja4-Fingerprint": {"FORGED"}}
				resp, err := f.client(version).Do(req)
				require.NoError(t, err)
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				assert.Equal(t, http.StatusAccepted, resp.StatusCode)
				assert.Equal(t, "yes", resp.Header.Get("X-Backend"))
				assert.Nil(t, resp.Header["Content-Type"])
				assert.Equal(t, "one", resp.Trailer.Get("Announced"))
				assert.Equal(t, "two", resp.Trailer.Get("Late"))
				got := string(text)
				assert.Contains(t, got, "POST /a%2Fb//c?x=1;y=%zz shop.example:8443\n")
				assert.Contains(t, got, "Accept: one\nAccept: two\n")
				assert.Contains(t, got, "Cookie: a=1; b=2\n")
				assert.Contains(t, got, "Te: trailers\n")
				assert.Contains(t, got, "Sum: 5\n")
				assert.Contains(t, got, "X-Forwarded-For: 127.0.0.1\nX-Forwarded-Host: shop.example:8443\nX-Forwarded-Proto: https\n")
				assert.Contains(t, got, "Forwarded: for=127.0.0.1;host=\"shop.example:8443\";proto=https\n")
				assert.Regexp(t, "X-Ja4-Fingerprint: [tq]13i", got)
				assert.NotContains(t, got, "FORGED")
				assert.True(t, strings.HasSuffix(got, "body hello"), got)
			})
		}
	}
}
