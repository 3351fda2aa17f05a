package peertest

import (
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/websocket"

	"github.com/tlspeek/tlspeek/internal/sitetest"
)

// BigSize is the size of a file of a Site.
const BigSize = 10_000_000

// A Site is what each backend serves: /small.txt, /big.bin, and the fields of a request at
// /fields, as lines.
type Site struct {
	Dir string // small.txt and big.bin
	Big string // the SHA-256 of big.bin
}

// Small is the content of /small.txt.
const Small = "small enough for one packet\n"

// NewSite writes the files.
func NewSite(t testing.TB) *Site {
	t.Helper()
	s := &Site{Dir: publicDir(t)}
	big := make([]byte, BigSize)
	rand.Read(big)
	s.Big = Digest(big)
	require.NoError(t, os.WriteFile(filepath.Join(s.Dir, "small.txt"), []byte(Small), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(s.Dir, "big.bin"), big, 0o644))
	return s
}

// publicDir returns a folder that servers can read which run as another user.
func publicDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		require.NoError(t, os.Chmod(d, 0o755))
	}
	return dir
}

// Digest returns the SHA-256 of b.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// The page does what pages of browsers do, and shows what passed as JSON.
//
//go:embed page.html
var page string

// Handler returns a server in Go of all that a proxy has to pass.
func (s *Site) Handler() http.Handler {
	mux := http.NewServeMux()
	files := http.FileServer(http.Dir(s.Dir))
	mux.Handle("/", files)
	mux.HandleFunc("/small.txt", func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			files.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "text/plain")
		z := gzip.NewWriter(w)
		io.WriteString(z, Small)
		z.Close()
	})
	mux.HandleFunc("/fields", fields)
	mux.HandleFunc("/upload", upload)
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not wanted", http.StatusForbidden) // the body is not asked for
	})
	mux.HandleFunc("/events", events)
	mux.HandleFunc("/trailers", trailers)
	mux.HandleFunc("/hints", hints)
	mux.HandleFunc("/duplex", duplex)
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, page)
	})
	mux.HandleFunc("/break", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, "only this much")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.Handle("/websocket", websocket.Server{Handler: func(c *websocket.Conn) { io.Copy(c, c) }})
	return mux
}

// fields shows the request as its handler sees it.
func fields(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s %s %s\nHost: %s\n", r.Method, r.URL, r.Proto, r.Host)
	for _, name := range slices.Sorted(keys(r.Header)) {
		for _, value := range r.Header[name] {
			fmt.Fprintf(w, "%s: %s\n", name, value)
		}
	}
}

func keys(h http.Header) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range h {
			if !yield(name) {
				return
			}
		}
	}
}

// upload answers with the digest of the body, and the trailer "Sum" of the request.
func upload(w http.ResponseWriter, r *http.Request) {
	h := sha256.New()
	n, err := io.Copy(h, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%s %d %s\n", hex.EncodeToString(h.Sum(nil)), n, r.Trailer.Get("Sum"))
}

// events sends three, each once the one before was taken: nothing may hold them up.
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	c := http.NewResponseController(w)
	for n := range 3 {
		fmt.Fprintf(w, "id: %d\ndata: event %d\n\n", n, n)
		if c.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	<-r.Context().Done() // the client has to see them before the end
}

func trailers(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Trailer", "Sum")
	io.WriteString(w, "a body")
	http.NewResponseController(w).Flush()
	w.Header().Set("Sum", Digest([]byte("a body")))
	w.Header().Set(http.TrailerPrefix+"Late", "not announced")
}

func hints(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Link", "</style.css>; rel=preload; as=style")
	w.WriteHeader(http.StatusEarlyHints)
	w.Header().Set("Content-Type", "text/plain")
	io.WriteString(w, "an answer")
}

// duplex answers with what it reads, while it reads.
func duplex(w http.ResponseWriter, r *http.Request) {
	c := http.NewResponseController(w)
	if r.ProtoMajor == 1 && c.EnableFullDuplex() != nil {
		return
	}
	w.WriteHeader(http.StatusOK)
	c.Flush()
	b := make([]byte, 4096)
	for {
		n, err := r.Body.Read(b)
		if _, failed := w.Write(b[:n]); failed != nil || c.Flush() != nil || err != nil {
			return
		}
	}
}

// StartGo serves the site over http, h2c, https, unix or unix+h2c. It returns the value of
// --to, and further flags.
func (s *Site) StartGo(t testing.TB, scheme string) (to string, flags []string) {
	t.Helper()
	srv := &http.Server{Handler: s.Handler(), Protocols: new(http.Protocols)}
	srv.Protocols.SetHTTP1(!strings.Contains(scheme, "h2c"))
	srv.Protocols.SetUnencryptedHTTP2(strings.Contains(scheme, "h2c"))
	srv.Protocols.SetHTTP2(scheme == "https")
	network, addr := "tcp", "127.0.0.1:0"
	if strings.HasPrefix(scheme, "unix") {
		network, addr = "unix", filepath.Join(t.TempDir(), "socket")
	}
	ln, err := net.Listen(network, addr)
	require.NoError(t, err)
	addr = ln.Addr().String()
	served := make(chan error, 1)
	switch {
	case scheme == "https":
		dir := t.TempDir()
		ca, _, _ := sitetest.Certify(t, dir)
		flags = []string{"--backend-ca", ca, "--backend-server-name", sitetest.Name}
		go func() { served <- srv.ServeTLS(ln, filepath.Join(dir, "site.pem"), filepath.Join(dir, "site.key")) }()
	default:
		go func() { served <- srv.Serve(ln) }()
	}
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	if network == "unix" {
		return scheme + ":" + addr, flags
	}
	return scheme + "://" + addr, flags
}
