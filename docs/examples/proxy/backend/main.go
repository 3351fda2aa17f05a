// Command backend is a server in Go behind
//
//	tlspeek proxy --pass --listen :443 --to 127.0.0.1:8443
//
// It takes the client's address and fingerprints from the PROXY header, refuses one
// fingerprint and one tag, and passes requests on to an application.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pires/go-proxyproto"
)

// fields are what the application gets, and the TLVs that it comes from.
var fields = map[string]proxyproto.PP2Type{
	"X-JA3-Fingerprint": 0xE3,
	"X-JA4-Fingerprint": 0xE4,
	"X-TLS-Client":      0xE5,
	"X-TLS-Tags":        0xE6,
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8443", "address; only tlspeek should reach it")
	trusted := flag.String("trusted", "127.0.0.1/32", "network of tlspeek")
	app := flag.String("app", "http://127.0.0.1:8080", "application")
	cert := flag.String("cert", "/etc/ssl/shop.example/fullchain.pem", "certificate")
	key := flag.String("key", "/etc/ssl/shop.example/privkey.pem", "private key")
	ja4 := flag.String("refuse-ja4", "t13d190900_9dc949149365_97f8aa674fd9", "fingerprint to refuse")
	tag := flag.String("refuse-tag", "old-tls", "tag to refuse")
	flag.Parse()
	target, err := url.Parse(*app)
	if err != nil {
		log.Fatal(err)
	}
	// Anyone whose header is read can claim any address and any fingerprint. A connection
	// from elsewhere, or without a header, is closed.
	policy, err := proxyproto.TrustProxyHeaderFromRanges([]string{*trusted})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
		setFields(r.Out)
		r.Out.Trailer = nil // a client may have sent anything in it
		r.SetXForwarded()
	}}
	s := &http.Server{
		Handler:           refuse(*ja4, *tag, proxy),
		ReadHeaderTimeout: 10 * time.Second,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, headerKey{}, c.(*tls.Conn).NetConn())
		},
	}
	log.Fatal(s.ServeTLS(&proxyproto.Listener{Listener: l, ConnPolicy: policy}, *cert, *key))
}

// headerKey is the key of a connection with a PROXY header in a request's context.
type headerKey struct{}

// tlvs returns the TLVs of the connection of a request.
func tlvs(r *http.Request) []proxyproto.TLV {
	conn, ok := r.Context().Value(headerKey{}).(*proxyproto.Conn)
	if !ok || conn.ProxyHeader() == nil {
		return nil
	}
	list, err := conn.ProxyHeader().TLVs()
	if err != nil {
		return nil
	}
	return list
}

// tlv returns the value of a TLV, or "" without one.
func tlv(list []proxyproto.TLV, t proxyproto.PP2Type) string {
	for _, v := range list {
		if v.Type == t {
			return string(v.Value)
		}
	}
	return ""
}

// refuse answers 403 to the clients that are not wanted.
func refuse(ja4, tag string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		list := tlvs(r)
		if tlv(list, fields["X-JA4-Fingerprint"]) == ja4 || slices.Contains(strings.Split(tlv(list, fields["X-TLS-Tags"]), ", "), tag) {
			http.Error(w, "refused", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// setFields replaces what the client has sent under the names of fields, also with other
// bytes in the place of a hyphen, and removes fields such as X_Forwarded_For.
func setFields(r *http.Request) {
	list := tlvs(r)
	for sent := range r.Header {
		if strings.HasPrefix(plain(sent), "x_forwarded_") {
			delete(r.Header, sent)
		}
		for name := range fields {
			if plain(sent) == plain(name) {
				delete(r.Header, sent)
			}
		}
	}
	for name, t := range fields {
		if value := tlv(list, t); value != "" {
			r.Header.Set(name, value)
		}
	}
}

// plain returns name as applications that put fields into their environment see it.
func plain(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return '_'
	}, strings.ToLower(name))
}
