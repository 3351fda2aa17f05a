package guard_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing/fstest"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/listen"
	"github.com/tlspeek/tlspeek/policy"
	"github.com/tlspeek/tlspeek/server"
	"github.com/tlspeek/tlspeek/server/guard"
)

// What claims to be a browser and is none is counted for a week. Nobody is refused who
// should not be: then the rule acts.
func Example_countThenDeny() {
	const impostors = `
rules:
  - name: not-a-browser
    when: claim.verdict == "inconsistent" && claim.proxy == ""
    do: deny
    mode: %s
`
	var rules atomic.Pointer[policy.Policy]
	load := func(mode string) {
		files := fstest.MapFS{"policy.yaml": {Data: fmt.Appendf(nil, impostors, mode)}}
		p, err := policy.Load(files, "policy.yaml", policy.LoadOptions{Previous: rules.Load()})
		if err != nil {
			log.Fatal(err)
		}
		rules.Store(p)
	}
	load("count")

	g := &guard.Guard{Policy: rules.Load}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	l := &server.Listener{Listener: ln, Settled: func(_ *event.Observation, e *event.Event) {
		fmt.Println("event:", e.UserAgent, e.Rule, e.Action, e.Tags)
	}}
	g.Attach(l)
	srv := &server.Server{
		TLSConfig: exampleConfig(),
		Handler:   g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "welcome") })),
	}
	go srv.Serve(l)
	defer srv.Close()

	get := func(agent string) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
		r, err := http.NewRequest("GET", "https://"+ln.Addr().String(), nil)
		if err != nil {
			log.Fatal(err)
		}
		r.Header.Set("User-Agent", agent)
		res, err := client.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		line, _ := bufio.NewReader(res.Body).ReadString('\n')
		fmt.Print(res.StatusCode, " ", line)
	}
	const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	get("Go-http-client/1.1")
	get(firefox)
	for r := range rules.Load().Rules() {
		fmt.Println("a week later:", r.Name, "would have refused", r.Counts().Matched)
	}
	load("enforce")
	get("Go-http-client/1.1")
	get(firefox)
	// Output:
	// event: Go-http-client/1.1   []
	// 200 welcome
	// event: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 not-a-browser count [would-deny]
	// 200 welcome
	// a week later: not-a-browser would have refused 1
	// event: Go-http-client/1.1   []
	// 200 welcome
	// event: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 not-a-browser deny []
	// 403 forbidden
}

// exampleConfig returns a configuration with a certificate of its own.
func exampleConfig() *tls.Config {
	dir, err := os.MkdirTemp("", "tlspeek")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	certFile, keyFile, err := listen.SelfSigned(dir)
	if err != nil {
		log.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		log.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}
}
