package server

import (
	"errors"
	"io"
	"net/http"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// Headers passes what is known of a client to a backend, in header fields of the
// request. JA3, JA4 and HTTP2 are always set. Any other field is set if it has a
// name here, or under its standard name with All.
//
// A field that the client sent under the name of one of these, or under a name that a
// backend may take for it, is removed, also where Headers does not set that one. A
// field without a name here has its standard name; JSON and Drop have none.
//
// A field without a value says "none", and why. A missing field means that the
// request has bypassed Headers. All values are printable ASCII; other bytes stand
// as \xNN. Names in a list are separated by a comma and a space; a comma within a
// name stands as \x2c.
type Headers struct {
	JA3   string // "X-JA3-Fingerprint" if empty
	JA4   string // "X-JA4-Fingerprint" if empty
	HTTP2 string // "X-HTTP2-Fingerprint" if empty

	HTTP3  string // the fingerprint of HTTP/3; "X-HTTP3-Fingerprint" with All
	Stable string // the fingerprint that resumption does not change; "X-Stable-Fingerprint" with All
	Client string // the names of the clients that may have sent the hello; "X-TLS-Client" with All
	Tells  string // the names of the tells that are evidence; "X-TLS-Tells" with All
	Claim  string // whether the hello fits the User-Agent: consistent, inconsistent or unknown; "X-TLS-Claim" with All
	Tags   string // what rules and the server add; "X-TLS-Tags" with All
	Rule   string // the rule that decided about the request, or about the hello; "X-TLS-Rule" with All
	Action string // and what it decided; "X-TLS-Action" with All

	// Dictionary is a field with all of these values, as a dictionary of RFC 9651;
	// "TLSpeek" with All. Its keys are ja4, ja3, http2, http3, stable, client,
	// tells, claim, tags, rule and action; those without a value are left out. Tells
	// are an inner list of tokens, tags one of strings, and claim and action are tokens. The
	// client is a string, or an inner list of strings if several are as near. The key
	// none says why there is no hello.
	Dictionary string

	// JSON is a field with the compact [event.Event] of the request as one line of JSON,
	// in printable ASCII: other characters stand as \uXXXX. It has no standard name, and
	// All does not set it. Where there is no hello, the first key is "none", and says
	// why: {"none":"unknown connection"}. An Event of more than 6 KB stands without
	// what the client may make that long, and begins with {"none":"event over limit".
	JSON string

	// Drop has the names of further fields that are removed from requests, with the
	// same care: X-Forwarded-For. An asterisk at the end stands for any ending, as in
	// X-Forwarded-*.
	Drop []string

	// All sets every field that has a standard name.
	All bool
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
	f := h.fields()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		values := f.valuesOf(r) // while r is as the client sent it
		if len(values) > f.always {
			r.Header = f.names.without(r.Header, len(values))
		} else {
			f.names.removeFrom(r.Header)
		}
		f.names.removeFromConnection(r.Header)
		if mayHaveTrailer(r) {
			f.names.removeFrom(r.Trailer)
			r.Body = &trailerFilter{r.Body, r, f.names}
		}
		for i := range values {
			r.Header[f.set[i].name] = values[i : i+1 : i+1]
		}
		next.ServeHTTP(w, r)
	})
}

// Sets reports whether a backend may take name for a field that h sets, or that it removes
// from requests.
func (h Headers) Sets(name string) bool { return h.fields().names.Has(name) }

func headerName(name, standard string) string {
	if name == "" {
		name = standard
	}
	return http.CanonicalHeaderKey(name)
}

// mayHaveTrailer reports whether a trailer may come with the end of r's body. Over
// HTTP/3 it may come in any case: quic-go takes it unannounced, and after a body whose
// length was given.
func mayHaveTrailer(r *http.Request) bool {
	return r.Body != nil && (r.Trailer != nil || r.ContentLength < 0 || r.ProtoMajor >= 3 && r.Body != http.NoBody)
}

// A trailerFilter is a body that removes fields from the trailer. They come with
// the end of the body, or when Close discards the rest of it. Over HTTP/3 they are
// there one Read before the end.
type trailerFilter struct {
	io.ReadCloser
	r     *http.Request
	names nameSet
}

func (b *trailerFilter) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.names.removeFrom(b.r.Trailer)
	return n, err
}

func (b *trailerFilter) Close() error {
	err := b.ReadCloser.Close()
	b.names.removeFrom(b.r.Trailer)
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
	if c.http2 != nil {
		values.http2 = c.http2.fingerprint
	}
	return values
}

func (c *Conn) http2Fingerprint() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http2 == nil {
		return noneHTTP2
	}
	return c.http2.fingerprint
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
