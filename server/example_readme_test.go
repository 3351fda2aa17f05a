package server_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/server"
)

// serveReadme is the example of the README.
func serveReadme(ln net.Listener, certFile, keyFile string) error {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, _ := server.EventOf(r, event.Full)
		fmt.Fprintln(w, e.JA4(), len(e.Tells), "tells")
	})
	srv := &http.Server{Handler: h, ConnContext: server.ConnContext}
	return srv.ServeTLS(&server.Listener{Listener: ln}, certFile, keyFile)
}

// The lines of the README that embed tlspeek in a server.
func Example() {
	ln := exampleListener()
	defer ln.Close()
	certFile, keyFile := exampleFiles()
	go serveReadme(ln, certFile, keyFile)

	ja4, rest, _ := strings.Cut(exampleGet(ln.Addr()), " ")
	fmt.Print(ja4[:10], " ", rest)
	// Output: t13d1312h2 0 tells
}

// TestExampleOfReadme finds the lines of serveReadme in the README.
func TestExampleOfReadme(t *testing.T) {
	code, err := os.ReadFile("example_readme_test.go")
	require.NoError(t, err)
	_, body, found := strings.Cut(string(code), "func serveReadme(")
	require.True(t, found)
	_, body, _ = strings.Cut(body, "{\n")
	body, _, _ = strings.Cut(body, "\n}\n")
	body = strings.ReplaceAll("\n"+body, "\n\t", "\n")
	body = strings.Replace(body, "return srv", "log.Fatal(srv", 1) + ")\n```"
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	assert.True(t, strings.Contains(string(readme), "```go"+body), "README.md does not have these lines:\n%s", body)
}
