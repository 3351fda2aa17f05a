package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/tlspeek/tlspeek/internal/fieldname"
)

// ownFields are the names of fields with which proxies tell backends about a client. None
// that a client sends reaches a backend, whether or not the proxy sets it.
var ownFields = fieldname.New(
	"Forwarded", "Forwarded-For", "X-Forwarded*",
	"X-Real-IP", "X-Client-IP", "Client-IP", "True-Client-IP", "X-Cluster-Client-IP", "CF-Connecting-IP", "CF-Connecting-IPv6",
	"Fastly-Client-IP", "Fly-Client-IP", "X-Remote-IP", "X-Remote-Addr", "X-Originating-IP", "X-ProxyUser-IP", "Proxy-Client-IP", "WL-Proxy-Client-IP",
	"X-Original*", "X-Rewrite-URL", "X-Scheme", "X-Url-Scheme", "Front-End-Https",
	"Proxy", // which CGI turns into HTTP_PROXY
)

// standardFields are the names of fields under which backends look for what is known of a
// client. They never come from a client, also where Headers has other names.
var standardFields = []string{
	"TLSpeek*", // the dictionary, and the Event in JSON
	"X-JA3-Fingerprint", "X-JA4-Fingerprint", "X-HTTP2-Fingerprint", "X-HTTP3-Fingerprint", "X-Stable-Fingerprint",
	"X-TLS-Client", "X-TLS-Tells", "X-TLS-Claim", "X-TLS-Tags", "X-TLS-Rule", "X-TLS-Action",
}

// framingFields frame a message or belong to a connection. net/http handles those that are
// spelled so; a backend may take others for them, such as Content_Length.
var framingFields = fieldname.New("Connection", "Content-Length", "Host", "HTTP2-Settings", "Keep-Alive", "Proxy-Connection", "Trailer", "Transfer-Encoding")

// removeForged removes what a client must not tell a backend.
func removeForged(fields http.Header) {
	for name := range fields {
		if ownFields.Has(name) || framingFields.Has(name) {
			delete(fields, name)
		}
	}
}

// removeForgedTrailers does the same to trailers, and removes what may not be one (RFC
// 9110, section 6.5.1).
func removeForgedTrailers(fields http.Header) {
	for name := range fields {
		if ownFields.Has(name) || framingFields.Has(name) || name == "Cookie" || !httpguts.ValidTrailerHeader(name) {
			delete(fields, name)
		}
	}
}

// removeInvalidTrailers removes trailers of an answer that may not be some (RFC 9110,
// section 6.5.1).
func removeInvalidTrailers(fields http.Header) {
	for name := range fields {
		if framingFields.Has(name) || name == "Alt-Svc" || !httpguts.ValidTrailerHeader(name) || !httpguts.ValidHeaderFieldName(name) {
			delete(fields, name)
		}
	}
}

// removeInvalid removes fields of an answer that have no valid name.
func removeInvalid(fields http.Header) {
	for name := range fields {
		if !httpguts.ValidHeaderFieldName(name) {
			delete(fields, name)
		}
	}
}

// A forward has the values of the fields that tell a backend of the client: its address,
// the host and the scheme that it has asked for.
type forward [4]string

// set sets the fields for in, the request as it came.
func (f *forward) set(fields http.Header, in *http.Request) {
	addr, host, proto := clientAddr(in.RemoteAddr), in.Host, "http"
	if in.TLS != nil {
		proto = "https"
	}
	*f = forward{addr, host, proto, forwarded(addr, host, proto)}
	for i, name := range [...]string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"} {
		if f[i] != "" {
			fields[name] = f[i : i+1 : i+1]
		}
	}
}

// clientAddr returns the IP address of a client, or "" if it has none.
func clientAddr(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return ""
	}
	if strings.IndexByte(host, ':') < 0 {
		return host
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	return addr.WithZone("").Unmap().String()
}

// forwarded returns the value of Forwarded (RFC 7239, section 4).
func forwarded(addr, host, proto string) string {
	b := make([]byte, 0, 128)
	b = append(b, "for="...)
	switch {
	case addr == "":
		b = append(b, "unknown"...)
	case strings.IndexByte(addr, ':') >= 0:
		b = append(append(append(b, `"[`...), addr...), `]"`...)
	default:
		b = append(b, addr...)
	}
	if host != "" {
		b = append(b, ";host="...)
		if strings.ContainsAny(host, ":[") { // it is no token then
			b = append(append(append(b, '"'), host...), '"')
		} else {
			b = append(b, host...)
		}
	}
	b = append(b, ";proto="...)
	return string(append(b, proto...))
}
