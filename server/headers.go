package server

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// Headers passes fingerprints on to a backend, in header fields of the request
// with these names. What the client sent under one of them never gets there.
// Where there is no value, the field says "none" and why.
type Headers struct {
	JA3   string // "X-JA3-Fingerprint" if empty
	JA4   string // "X-JA4-Fingerprint" if empty
	HTTP2 string // "X-HTTP2-Fingerprint" if empty
}

// Why there is no value for a header field. A client that has one of these is
// none that has lost its fingerprint on the way.
const (
	noneUnknown  = "none; unknown connection"
	noneHello    = "none; no hello"
	noneLimit    = "none; hello over limit"
	noneBroken   = "none; malformed hello"
	noneSSLv2    = "none; SSLv2 hello"
	noneNotHTTP2 = "none; not HTTP/2"
	noneHTTP2    = "none; HTTP/2 not recorded"
)

// Wrap returns a handler that gives next the request with the fields set. It
// sets them in the request itself, of which net/http makes one for each.
func (h Headers) Wrap(next http.Handler) http.Handler {
	ja3 := headerName(h.JA3, "X-JA3-Fingerprint")
	ja4 := headerName(h.JA4, "X-JA4-Fingerprint")
	h2 := headerName(h.HTTP2, "X-HTTP2-Fingerprint")
	ours := func(name string) bool { return alike(name, ja3) || alike(name, ja4) || alike(name, h2) }
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
		keepOnHop(r.Header, ours)
		if r.Trailer != nil || r.ContentLength < 0 { // a trailer may come with the body's end
			remove(r.Trailer)
			r.Body = &withoutTrailers{r.Body, func() { remove(r.Trailer) }}
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

// alike reports whether name may be taken for ours: backends that put fields
// into the environment make an underscore of a hyphen, or of whatever is
// neither letter nor digit.
func alike(name, ours string) bool {
	if len(name) != len(ours) {
		return false
	}
	for i := range len(name) {
		if variable(name[i]) != variable(ours[i]) {
			return false
		}
	}
	return true
}

// variable returns what becomes of a byte of a field's name in the name of a
// CGI variable (RFC 3875, section 4.1.18).
func variable(b byte) byte {
	switch {
	case 'a' <= b && b <= 'z':
		return b - 'a' + 'A'
	case 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return b
	}
	return '_'
}

// keepOnHop takes our names from the Connection field, by which a client has
// proxies remove fields (RFC 9110, section 7.6.1).
func keepOnHop(fields http.Header, ours func(name string) bool) {
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

// withoutTrailers removes fields from the trailer, which come with the body's
// end, or when what is left of it is thrown away.
type withoutTrailers struct {
	io.ReadCloser
	remove func()
}

func (b *withoutTrailers) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.remove()
	}
	return n, err
}

func (b *withoutTrailers) Close() error {
	err := b.ReadCloser.Close()
	b.remove()
	return err
}

// fingerprints are the values of [Headers].
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

func fingerprintsOf(h *parser.ClientHello, err error) fingerprints {
	none := ""
	var malformed *parser.Error
	switch {
	case errors.Is(err, ErrOverLimit):
		none = noneLimit
	case errors.As(err, &malformed):
		none = noneBroken
	case err != nil:
		none = noneHello
	case h.SSLv2:
		none = noneSSLv2
	default:
		return fingerprints{fingerprint.JA3(h), fingerprint.JA4(h), noneHTTP2}
	}
	return fingerprints{none, none, noneHTTP2}
}
