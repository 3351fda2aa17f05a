package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"

	"github.com/tlspeek/tlspeek/internal/answers"
)

// staticTypes has the files that browsers may load.
var staticTypes = map[string]string{
	"style.css": "text/css; charset=utf-8",
	"page.js":   "text/javascript; charset=utf-8",
	"icon.svg":  "image/svg+xml",
}

// A staticFile is a file as it is and compressed. Answers share its bytes.
type staticFile struct{ plain, compressed []byte }

// loadStatic returns the files, and their version.
func loadStatic() (files map[string]staticFile, version string, err error) {
	files = make(map[string]staticFile)
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(staticTypes)) {
		b, err := webFiles.ReadFile("web/" + name)
		if err != nil {
			return nil, "", err
		}
		sum.Write(b)
		var compressed bytes.Buffer
		z := newGzip(&compressed)
		z.Write(b)
		z.Close()
		files[name] = staticFile{b, compressed.Bytes()}
	}
	return files, hex.EncodeToString(sum.Sum(nil)[:6]), nil
}

func (p *Page) serveStatic(w http.ResponseWriter, r *http.Request) {
	if !p.ready(w) {
		return
	}
	name := r.PathValue("name")
	f, ok := p.static[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	setPageHeaders(h)
	h.Set("Content-Type", staticTypes[name])
	h.Set("Cache-Control", "public, max-age=31536000, immutable") // its address has a version
	body := f.plain
	if setEncoding(h, r) {
		body = f.compressed
	}
	answers.WriteBody(w, http.StatusOK, body)
}
