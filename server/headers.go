package server

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// Headers passes fingerprints to a backend, in header fields of the request with
// these names. A field that the client sent under one of them, or under a name
// that a backend may take for it, is removed. Without a value, the field says
// "none" and why.
type Headers struct {
	JA3   string // "X-JA3-Fingerprint" if empty
	JA4   string // "X-JA4-Fingerprint" if empty
	HTTP2 string // "X-HTTP2-Fingerprint" if empty
}

// These values tell a backend why there is no fingerprint. A missing field means
// that the request has bypassed Headers.
const (
	noneUnknown   = "none; unknown connection"
	noneHello     = "none; no hello"
	noneLimit     = "none; hello over limit"
	noneMalformed = "none; malformed hello"
	noneSSLv2     = "none; SSLv2 hello"
	noneNotHTTP2  = "none; not HTTP/2"
	noneHTTP2     = "none; HTTP/2 not recorded"
)

// Wrap returns a handler that sets the fields and calls next. It changes the
// request itself: net/http makes each for one handler.
func (h Headers) Wrap(next http.Handler) http.Handler {
	ja3 := headerName(h.JA3, "X-JA3-Fingerprint")
	ja4 := headerName(h.JA4, "X-JA4-Fingerprint")
	h2 := headerName(h.HTTP2, "X-HTTP2-Fingerprint")
	ours := func(name string) bool {
		return sameCGIName(name, ja3) || sameCGIName(name, ja4) || sameCGIName(name, h2)
	}
	remove := func(fields http.Header) {
		for name := range fields {
			if ours(name) {
				delete(fields, name)
			}
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := fingerprints{noneUnknown, noneUnknown, noneUnknown}
		if s := clientOf(r.Context()); s != nil {
			f = s.fingerprints()
		}
		if f.http2 == noneHTTP2 && r.ProtoMajor != 2 {
			f.http2 = noneNotHTTP2
		}
		remove(r.Header)
		removeFromConnection(r.Header, ours)
		if r.Trailer != nil || r.ContentLength < 0 { // a trailer may come with the body's end
			remove(r.Trailer)
			r.Body = &trailerFilter{r.Body, func() { remove(r.Trailer) }}
		}
		values := [...]string{f.ja3, f.ja4, f.http2}
		r.Header[ja3], r.Header[ja4], r.Header[h2] = values[0:1:1], values[1:2:2], values[2:3:3]
		next.ServeHTTP(w, r)
	})
}

func headerName(name, standard string) string {
	if name == "" {
		name = standard
	}
	return http.CanonicalHeaderKey(name)
}

// sameCGIName reports whether a backend may take name for ours. Those that put
// fields into the environment replace a hyphen, or every byte that is neither
// letter nor digit, by an underscore.
func sameCGIName(name, ours string) bool {
	if len(name) != len(ours) {
		return false
	}
	for i := range len(name) {
		if cgiByte(name[i]) != cgiByte(ours[i]) {
			return false
		}
	}
	return true
}

// cgiByte returns the byte that b, of a field's name, becomes in the name of a
// CGI variable (RFC 3875, section 4.1.18).
func cgiByte(b byte) byte {
	switch {
	case 'a' <= b && b <= 'z':
		return b - 'a' + 'A'
	case 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return b
	}
	return '_'
}

// removeFromConnection removes our names from the Connection field. With it a
// client asks proxies to remove fields (RFC 9110, section 7.6.1).
func removeFromConnection(fields http.Header, ours func(name string) bool) {
	named := false
	var kept []string
	for _, value := range fields["Connection"] {
		for option := range strings.SplitSeq(value, ",") {
			option = strings.Trim(option, " \t")
			if ours(option) {
				named = true
			} else if option != "" {
				kept = append(kept, option)
			}
		}
	}
	switch {
	case !named:
	case len(kept) == 0:
		delete(fields, "Connection")
	default:
		fields["Connection"] = []string{strings.Join(kept, ", ")}
	}
}

// A trailerFilter is a body that removes fields from the trailer. They come with
// the end of the body, or when Close discards the rest of it.
type trailerFilter struct {
	io.ReadCloser
	remove func()
}

func (b *trailerFilter) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.remove()
	}
	return n, err
}

func (b *trailerFilter) Close() error {
	err := b.ReadCloser.Close()
	b.remove()
	return err
}

// fingerprints has the values of [Headers].
type fingerprints struct{ ja3, ja4, http2 string }

func (c *Conn) fingerprints() fingerprints {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.retain = true
	if c.values == nil {
		var h parser.ClientHello
		err := c.err
		if err == nil {
			err = h.Unmarshal(c.first.raw)
		}
		values := fingerprintsOf(&h, err)
		c.values = &values
	}
	values := *c.values
	if c.http2 != "" {
		values.http2 = c.http2
	}
	return values
}

// fingerprintsOf returns the fingerprints of h, or why there are none.
func fingerprintsOf(h *parser.ClientHello, err error) fingerprints {
	none := ""
	var malformed *parser.Error
	switch {
	case errors.Is(err, ErrOverLimit):
		none = noneLimit
	case errors.As(err, &malformed):
		none = noneMalformed
	case err != nil:
		none = noneHello
	case h.SSLv2:
		none = noneSSLv2
	default:
		return fingerprints{fingerprint.JA3(h), fingerprint.JA4(h), noneHTTP2}
	}
	return fingerprints{none, none, noneHTTP2}
}
