package page

import (
	"compress/gzip"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
)

func TestPageIsCompressed(t *testing.T) {
	h := pageOf(&Page{}, hellotest.Real(t)["firefox-153"])
	for _, path := range []string{"/", "/compare", "/static/style.css", "/static/page.js"} {
		plain := get(h, path, "text/html")
		assert.Empty(t, plain.Header().Get("Content-Encoding"), path)
		assert.Contains(t, plain.Header().Values("Vary"), "Accept-Encoding", path)

		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Accept-Encoding", "br;q=1.0, gzip;q=0.8")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		assert.Equal(t, "gzip", w.Header().Get("Content-Encoding"), path)
		assert.Less(t, w.Body.Len(), plain.Body.Len()/2, path)
		z, err := gzip.NewReader(w.Body)
		require.NoError(t, err, path)
		body, err := io.ReadAll(z)
		require.NoError(t, err, path)
		assert.Equal(t, plain.Body.String(), string(body), path)
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "gzip, deflate, br, zstd": true, "br,GZIP": true, "gzip;q=0.001": true, "gzip ; q=1": true,
		"gzip;q=0": false, "br, gzip; q=0.000": false, "identity": false, "x-gzip": false,
	} {
		assert.Equal(t, want, acceptsGzip(header), header)
	}
}

// The address of a file that browsers cache for a year changes with the file.
func TestStaticFilesHaveAVersion(t *testing.T) {
	p := &Page{}
	body := get(pageOf(p, hellotest.Real(t)["firefox-153"]), "/", "text/html").Body.String()
	all := regexp.MustCompile(`"/static/[^"]*"`).FindAllString(body, -1)
	require.Len(t, all, 4) // the icon twice
	for _, address := range all {
		assert.True(t, strings.HasSuffix(address, "?"+p.version+`"`), address)
	}
}
