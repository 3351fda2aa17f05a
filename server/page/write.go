package page

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
)

// A body is the body of a response while it is made, compressed if the client accepts
// that: the page of a large hello has 1 MB. It contains no secrets whose length could
// leak.
type body struct {
	buffer bytes.Buffer
	gzip   *gzip.Writer // nil if it is not compressed
}

// newBody returns one for the client of r, and says so in h. One that is short is not
// compressed: that takes a megabyte of tables.
func newBody(h http.Header, r *http.Request, short bool) *body {
	b := new(body)
	if !short && setEncoding(h, r) {
		b.gzip = newGzip(&b.buffer)
	}
	return b
}

func (b *body) Write(p []byte) (int, error) {
	if b.gzip != nil {
		return b.gzip.Write(p)
	}
	return b.buffer.Write(p)
}

// bytes returns what was written. There may be no more after it.
func (b *body) bytes() []byte {
	if b.gzip != nil {
		b.gzip.Close()
	}
	return b.buffer.Bytes()
}

func newGzip(w io.Writer) *gzip.Writer {
	z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
	return z
}

// setEncoding says in h how the body is encoded, and reports whether it is compressed.
func setEncoding(h http.Header, r *http.Request) bool {
	h.Add("Vary", "Accept-Encoding")
	if !acceptsGzip(r.Header.Get("Accept-Encoding")) {
		return false
	}
	h.Set("Content-Encoding", "gzip")
	return true
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
