package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/listen"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/server"
)

// Any server has the hello of its clients when its listener is a Listener.
func ExampleListener() {
	ln := exampleListener()
	srv := &http.Server{
		ConnContext: server.ConnContext,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e, _ := server.FromContext(r.Context())
			fmt.Fprintln(w, r.Proto, *e.SNI, e.ALPN, e.Version)
		}),
	}
	certFile, keyFile := exampleFiles()
	go srv.ServeTLS(&server.Listener{Listener: ln}, certFile, keyFile)
	defer srv.Close()

	fmt.Print(exampleGet(ln.Addr()))
	// Output: HTTP/2.0 tls.example [h2 http/1.1] 1.3
}

// The Event of a request has the claim: whether the hello fits the User-Agent.
func ExampleEventOf() {
	ln := exampleListener()
	srv := &http.Server{
		ConnContext: server.ConnContext,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e, ok := server.EventOf(r, event.Full)
			if !ok {
				http.Error(w, "no hello", http.StatusInternalServerError)
				return
			}
			fmt.Fprintln(w, e.UserAgent, "is", e.Claim.Verdict)
		}),
	}
	certFile, keyFile := exampleFiles()
	go srv.ServeTLS(&server.Listener{Listener: ln}, certFile, keyFile)
	defer srv.Close()

	fmt.Print(exampleGet(ln.Addr()))
	// Output: Go-http-client/2.0 is consistent
}

// A backend gets the fingerprints as header fields, never the client's own.
func ExampleHeaders() {
	ln := exampleListener()
	backend := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		settings, rest, _ := strings.Cut(r.Header.Get("X-HTTP2-Fingerprint"), "|")
		fmt.Fprintln(w, settings != "", rest, len(r.Header.Get("X-JA4-Fingerprint")))
	})
	srv := &http.Server{Handler: server.Headers{}.Wrap(backend), ConnContext: server.ConnContext}
	if err := server.ConfigureHTTP2(srv); err != nil {
		log.Fatal(err)
	}
	certFile, keyFile := exampleFiles()
	go srv.ServeTLS(&server.Listener{Listener: ln}, certFile, keyFile)
	defer srv.Close()

	fmt.Print(exampleGet(ln.Addr()))
	// Output: true 1073741824|0|a,m,p,s 36
}

// A server of another protocol over TLS has no http.Request, but the connection.
func ExampleConnOf() {
	ln := tls.NewListener(&server.Listener{Listener: exampleListener()}, exampleConfig())
	defer ln.Close()
	go tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: "mail.example"})
	conn, err := ln.Accept()
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*tls.Conn).Handshake(); err != nil {
		log.Fatal(err)
	}
	e, _ := server.ConnOf(conn).Event(event.Compact)
	fmt.Println(*e.SNI, e.Client[0].Family)
	// Output: mail.example Go
}

// A server behind a CDN has the hello of the CDN, and the JA4 of its client in a
// header field.
func ExampleEventOf_front() {
	l := &server.Listener{
		Listener:       exampleListener(),
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		TrustHeader:    "Cf-Ja4",
	}
	srv := &http.Server{
		ConnContext: server.ConnContext,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e, _ := server.EventOf(r, event.Full)
			fmt.Println(e.FrontJA4.JA4)
		}),
	}
	certFile, keyFile := exampleFiles()
	go srv.ServeTLS(l, certFile, keyFile)
	defer srv.Close()

	cdn := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer cdn.CloseIdleConnections()
	req, err := http.NewRequest("GET", "https://"+l.Addr().String(), nil)
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Cf-Ja4", "t13d1516h2_8daaf6152771_b186095e22b6")
	if _, err := cdn.Do(req); err != nil {
		log.Fatal(err)
	}
	// Output: t13d1516h2_8daaf6152771_b186095e22b6
}

// A hook decides on a connection before it costs a handshake.
func ExampleListener_decide() {
	l := &server.Listener{
		Listener: exampleListener(),
		Decide: func(c server.Client) server.Decision {
			e, _ := c.Event(event.Compact)
			if e.SNI == nil || *e.SNI != "tls.example" {
				return server.Decision{Close: true, Rule: "name"}
			}
			return server.Decision{}
		},
	}
	defer l.Close()
	go tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: "other.example"})
	conn, err := l.Accept()
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	err = tls.Server(conn, exampleConfig()).Handshake()
	fmt.Println(err, errors.Is(err, server.ErrRefused))
	// Output: refused for its ClientHello true
}

// A Decision can also choose the configuration of a handshake.
func ExampleConfigForDecisions() {
	old := exampleConfig()
	old.MaxVersion = tls.VersionTLS12
	l := &server.Listener{
		Listener: exampleListener(),
		Decide: func(c server.Client) server.Decision {
			if e, _ := c.Event(event.Compact); e.SNI != nil && *e.SNI == "tls.example" {
				return server.Decision{Config: old}
			}
			return server.Decision{}
		},
	}
	srv := &http.Server{
		TLSConfig: server.ConfigForDecisions(exampleConfig()),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintln(w, tls.VersionName(r.TLS.Version))
		}),
	}
	go srv.ServeTLS(l, "", "")
	defer srv.Close()

	fmt.Print(exampleGet(l.Addr()))
	// Output: TLS 1.2
}

// A server without net/http asks the connection itself.
func ExampleConn() {
	l := &server.Listener{Listener: exampleListener(), MaxHello: 64}
	defer l.Close()
	for _, sent := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01", exampleRecord(100)} {
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		io.WriteString(client, sent)
		client.Close()
		conn, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		_, err = conn.(*server.Conn).ClientHello()
		switch {
		case errors.Is(err, server.ErrOverLimit):
			fmt.Println("too long")
		case errors.Is(err, server.ErrNoHello):
			fmt.Println("ended too early")
		default:
			fmt.Println(err)
		}
		conn.Close()
	}
	// Output:
	// parser: record.type: not TLS at byte 0
	// ended too early
	// too long
}

// Limits bound connections, over TCP and QUIC together if both share them.
func ExampleLimits() {
	limits := &server.Limits{
		MaxPerAddr: 1,
		Dropped: func(why server.DropReason) {
			switch why {
			case server.DropConns, server.DropAddr:
				fmt.Println("one too many:", why)
			case server.DropHalfOpen:
				fmt.Println("too slow:", why)
			}
		},
	}
	l := &server.Listener{Listener: exampleListener(), Limits: limits}
	var clients []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		clients = append(clients, c)
	}
	conn, err := l.Accept()
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	go func() {
		clients[1].Read(make([]byte, 1)) // until it is closed
		l.Close()
	}()
	_, err = l.Accept()
	fmt.Println(errors.Is(err, net.ErrClosed))
	// Output:
	// one too many: addr
	// true
}

// A Server runs one handler over all versions of HTTP, and another one for
// clients that speak none.
func ExampleServer() {
	var lines server.LineHandler = func(ctx context.Context, conn net.Conn) error {
		e, _ := server.ClientOf(ctx).Event(event.Compact)
		s := bufio.NewScanner(conn)
		for s.Scan() {
			fmt.Fprintf(conn, "%s, %s\n", s.Text(), *e.SNI)
		}
		return s.Err()
	}
	srv := &server.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e, _ := server.FromContext(r.Context())
			fmt.Fprintln(w, r.Proto, *e.SNI)
		}),
		Lines:     lines,
		TLSConfig: exampleConfig(),
	}
	l := &server.Listener{Listener: exampleListener()}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()

	fmt.Print(exampleGet(l.Addr()))
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: "lines.example"})
	if err != nil {
		log.Fatal(err)
	}
	io.WriteString(conn, "hello\n")
	conn.CloseWrite()
	answer, _ := io.ReadAll(conn)
	fmt.Print(string(answer))

	if err := srv.Shutdown(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-served)
	// Output:
	// HTTP/2.0 tls.example
	// hello, lines.example
	// http: Server closed
}

// An HTTP3 serves HTTP/3 beside an http.Server. A Server does that by itself.
func ExampleHTTP3() {
	ln := exampleListener()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		log.Fatal(err)
	}
	defer udp.Close()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c server.Client = server.ClientOf(r.Context())
		var t server.Times = c.Times()
		fmt.Fprintln(w, r.Proto, t.Finished.After(t.Hello))
	})
	limits := &server.Limits{MaxConns: 1000}
	h3 := &server.HTTP3{Handler: handler, TLSConfig: exampleConfig(), Limits: limits}
	go h3.Serve(udp)
	defer h3.Close()
	srv := &http.Server{ConnContext: server.ConnContext, Handler: handler}
	certFile, keyFile := exampleFiles()
	go srv.ServeTLS(&server.Listener{Listener: ln, Limits: limits}, certFile, keyFile)
	defer srv.Close()

	fmt.Print(exampleGet(ln.Addr()))
	// Output: HTTP/2.0 true
}

func exampleListener() net.Listener {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return ln
}

// exampleRecord returns a record with a ClientHello message of n bytes.
func exampleRecord(n int) string {
	message := append([]byte{1, 0, byte((n - 4) >> 8), byte(n - 4), 3, 3}, make([]byte, n-6)...)
	return string(append([]byte{22, 3, 1, byte(n >> 8), byte(n)}, message...))
}

var exampleDir string // which TestMain removes

// exampleFiles returns the files of a certificate for localhost.
var exampleFiles = sync.OnceValues(func() (certFile, keyFile string) {
	var err error
	if exampleDir, err = os.MkdirTemp("", "tlspeek-example-"); err != nil {
		log.Fatal(err)
	}
	if certFile, keyFile, err = listen.SelfSigned(exampleDir); err != nil {
		log.Fatal(err)
	}
	return certFile, keyFile
})

func exampleConfig() *tls.Config {
	pair, err := tls.LoadX509KeyPair(exampleFiles())
	if err != nil {
		log.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}

func exampleGet(addr net.Addr) string {
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, ServerName: "tls.example"},
		ForceAttemptHTTP2: true,
	}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + addr.String())
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	return string(text)
}

// The Event of each connection is handed on once, when its first request has come,
// or none will come.
func ExampleWrap() {
	l := &server.Listener{
		Listener: exampleListener(),
		Settled: func(_ *event.Observation, e *event.Event) {
			fmt.Println(e.Settled, e.UserAgent, e.Claim.Verdict)
		},
	}
	srv := &http.Server{
		TLSConfig:   exampleConfig(),
		ConnContext: server.ConnContext,
		Handler: server.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e, _ := server.FromContext(r.Context())
			fmt.Fprintln(w, e.Claim.Program)
		})),
	}
	go srv.ServeTLS(l, "", "")
	defer srv.Close()

	fmt.Print(exampleGet(l.Addr()))
	// Output:
	// request Go-http-client/2.0 consistent
	// Go net/http
}

// A handler refuses what says that it is a browser and is none.
func Example_refuseImpersonators() {
	genuine := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e, ok := server.EventOf(r, event.Compact)
			if ok && e.Claim != nil && e.Claim.Verdict == known.VerdictInconsistent {
				http.Error(w, "not the browser that you claim to be", http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	srv := &server.Server{
		TLSConfig: exampleConfig(),
		Handler:   genuine(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "welcome") })),
	}
	l := &server.Listener{Listener: exampleListener()}
	go srv.Serve(l)
	defer srv.Close()

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for _, agent := range []string{"Go-http-client/1.1", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"} {
		r, err := http.NewRequest("GET", "https://"+l.Addr().String(), nil)
		if err != nil {
			log.Fatal(err)
		}
		r.Header.Set("User-Agent", agent)
		res, err := client.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Print(res.StatusCode, " ", string(body))
	}
	// Output:
	// 200 welcome
	// 403 not the browser that you claim to be
}

// A Listener decides about each request, so that the Event has the rule, and a handler
// obeys. Package guard does so by a file of rules.
func ExampleJudge() {
	l := &server.Listener{Listener: exampleListener(), DecideRequest: func(c server.Client, r *http.Request) server.Decision {
		if r != nil && r.URL.Path == "/admin" {
			return server.Decision{Rule: "no-admin", Action: "deny"}
		}
		return server.Decision{}
	}}
	obey := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r, d := server.Judge(r, l.DecideRequest)
		if d.Action == "deny" {
			e, _ := server.EventOf(r, event.Compact)
			http.Error(w, "refused by "+e.Rule, http.StatusForbidden)
			return
		}
		fmt.Fprintln(w, "welcome")
	})
	srv := &server.Server{TLSConfig: exampleConfig(), Handler: obey}
	go srv.Serve(l)
	defer srv.Close()

	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for _, path := range []string{"/", "/admin"} {
		res, err := client.Get("https://" + l.Addr().String() + path)
		if err != nil {
			log.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Print(res.StatusCode, " ", string(body))
	}
	// Output:
	// 200 welcome
	// 403 refused by no-admin
}
