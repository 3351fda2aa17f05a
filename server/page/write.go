package page

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"

	"github.com/tlspeek/tlspeek/internal/answers"
)

// write answers with body, compressed if the client accepts that: the page of a
// large hello has 1 MB. It contains no secrets whose length could leak.
func write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body = compress(body)
	}
	w.WriteHeader(status)
	answers.WriteBody(w, body)
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	z.Write(body)
	z.Close()
	return b.Bytes()
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3).
func acceptsGzip(header string) bool {
	for coding := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return strings.Trim(weight, " \tqQ=0.") != "" || strings.TrimSpace(weight) == ""
		}
	}
	return false
}
