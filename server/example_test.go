package server_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/tlspeek/tlspeek/internal/listen"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// Any server has the hello of its clients when its listener is a Listener.
func ExampleListener() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	srv := &http.Server{
		ConnContext: server.ConnContext,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e, _ := server.FromContext(r.Context())
			fmt.Fprintln(w, r.Proto, *e.SNI, e.ALPN, e.Version)
		}),
	}
	certFile, keyFile := exampleCertificate()
	go srv.ServeTLS(&server.Listener{Listener: ln}, certFile, keyFile)
	defer srv.Close()

	fmt.Print(exampleGet(ln.Addr()))
	// Output: HTTP/2.0 tls.example [h2 http/1.1] 1.3
}

// A backend gets the fingerprints as header fields, never the client's own.
func ExampleHeaders() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	backend := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		settings, rest, _ := strings.Cut(r.Header.Get("X-HTTP2-Fingerprint"), "|")
		fmt.Fprintln(w, settings != "", rest, len(r.Header.Get("X-JA4-Fingerprint")))
	})
	srv := &http.Server{Handler: server.Headers{}.Wrap(backend), ConnContext: server.ConnContext}
	if err := server.ConfigureHTTP2(srv); err != nil {
		panic(err)
	}
	certFile, keyFile := exampleCertificate()
	go srv.ServeTLS(&server.Listener{Listener: ln}, certFile, keyFile)
	defer srv.Close()

	fmt.Print(exampleGet(ln.Addr()))
	// Output: true 1073741824|0|a,m,p,s 36
}

// A hook decides on a connection before it costs a handshake.
func ExampleListener_decide() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	l := &server.Listener{
		Listener: ln,
		Decide: func(h *parser.ClientHello, client net.Addr) server.Decision {
			return server.Decision{Close: h == nil || string(h.ServerName) != "tls.example"}
		},
	}
	certFile, keyFile := exampleCertificate()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		panic(err)
	}
	go tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: "other.example"})
	conn, err := l.Accept()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Println(tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{pair}}).Handshake())
	// Output: refused for its ClientHello
}

// exampleDir has it; TestMain removes it.
var exampleDir string

// exampleCertificate returns the files of a certificate for localhost.
var exampleCertificate = sync.OnceValues(func() (certFile, keyFile string) {
	var err error
	if exampleDir, err = os.MkdirTemp("", "tlspeek-example-"); err != nil {
		panic(err)
	}
	if certFile, keyFile, err = listen.SelfSigned(exampleDir); err != nil {
		panic(err)
	}
	return certFile, keyFile
})

func exampleGet(addr net.Addr) string {
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ServerName: "tls.example"},
		ForceAttemptHTTP2: true,
	}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + addr.String())
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(err)
	}
	return string(text)
}
