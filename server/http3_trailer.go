package server

import (
	"io"
	"net/http"
)

// keepTrailers has next find the trailers of a request in the map that it had at the
// beginning, as with net/http: quic-go replaces it with the end of the body, which a
// handler does not see that was called with a copy of the request. As over HTTP/2, these
// are the announced ones.
func keepTrailers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if announced := r.Trailer; announced != nil {
			r.Body = &endingBody{r.Body, func() {
				for name := range announced {
					if values, ok := r.Trailer[name]; ok {
						announced[name] = values
					}
				}
				r.Trailer = announced
			}}
		}
		next.ServeHTTP(w, r)
	})
}

// An endingBody is a body that calls ended when it ends, or Close has discarded the rest of
// it.
type endingBody struct {
	io.ReadCloser
	ended func()
}

func (b *endingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.ended()
	}
	return n, err
}

func (b *endingBody) Close() error {
	err := b.ReadCloser.Close()
	b.ended()
	return err
}
