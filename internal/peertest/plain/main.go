// Plain is a reverse proxy of the standard library alone, on crypto/tls and net/http. It
// is what "tlspeek proxy" is measured against, and what its tests compare it with.
package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

func main() {
	listen := flag.String("listen", "localhost:8443", "`address` to listen on")
	to := flag.String("to", "", "`URL` of the backend, over HTTP/1.1")
	cert := flag.String("cert", "", "PEM `file` of the certificate and its chain")
	key := flag.String("key", "", "PEM `file` of the certificate's key")
	admin := flag.String("admin", "", "`address` that answers once it is ready")
	flag.Parse()
	if *admin != "" {
		ready := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		go func() { log.Fatal(http.ListenAndServe(*admin, ready)) }()
	}
	log.Fatal(serve(*listen, *to, *cert, *key))
}

func serve(listen, to, cert, key string) error {
	backend, err := url.Parse(to)
	if err != nil {
		return err
	}
	if backend.Host == "" {
		return errors.New("-to needs a URL")
	}
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	srv := &http.Server{
		Handler:           &httputil.ReverseProxy{Transport: transport(), Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(backend); r.SetXForwarded(); r.Out.Host = r.In.Host }},
		TLSConfig:         &tls.Config{NextProtos: []string{"h2", "http/1.1"}},
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	return srv.ServeTLS(ln, cert, key)
}

// transport has the settings of that of "tlspeek proxy".
func transport() *http.Transport {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       90 * time.Second,
		ResponseHeaderTimeout: time.Minute,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
	}
}
