package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/server"
)

// serveFlags are those of "tlspeek serve".
type serveFlags struct {
	listen        string
	cert, key     string
	stateDir      string
	events        string
	eventsFull    bool
	helloJSON     string
	helloJSONKeep int
	grace         time.Duration
	logLevel      slog.Level
	page          pageFlags
}

func serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Tell each client that connects what its hello was",
		Long: `Serve answers each client with the Event of its own connection, as JSON: over
HTTP/1.1 and HTTP/2 at / and /json (with ?detail=1 for the bytes of the hello),
to browsers with a page that shows it byte by byte, and to clients that speak
no HTTP one line for each line they send.

Without --cert and --key it makes a self-signed certificate for localhost,
which it keeps in the state directory. It ends on SIGINT and SIGTERM, when the
open connections have had their time to finish; a second signal ends it at
once.`,
		Example: `  tlspeek serve
  tlspeek serve --listen :443 --cert server.pem --key server.key --events hellos.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), &f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "localhost:8443", "`address` to listen on")
	flags.StringVar(&f.cert, "cert", "", "PEM `file` of the certificate and its chain")
	flags.StringVar(&f.key, "key", "", "PEM `file` of the certificate's key")
	flags.StringVar(&f.stateDir, "state-dir", defaultStateDir(), "`folder` for a certificate of our own")
	flags.StringVar(&f.events, "events", "", "append the Event of each hello to `file`, a line each; - is standard output")
	flags.BoolVar(&f.eventsFull, "events-full", false, "record Events in full size")
	flags.StringVar(&f.helloJSON, "hello-json", "", "keep the latest Events in `file`, as one JSON array")
	flags.IntVar(&f.helloJSONKeep, "hello-json-keep", 10000, "`number` of Events in that file")
	flags.DurationVar(&f.grace, "grace", 10*time.Second, "time that open connections have to finish at the end")
	flags.TextVar(&f.logLevel, "log-level", slog.LevelInfo, "least `level` of what is logged: debug, info, warn or error")
	f.page.add(flags)
	cmd.MarkFlagsRequiredTogether("cert", "key")
	return cmd
}

func serve(ctx context.Context, f *serveFlags, stdout, stderr io.Writer) error {
	if f.helloJSONKeep < 1 {
		return fmt.Errorf("--hello-json-keep %d: it is to be 1 or more", f.helloJSONKeep)
	}
	if f.cert == "" {
		var err error
		if f.cert, f.key, err = server.SelfSigned(f.stateDir); err != nil {
			return err
		}
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("reading certificate %s and key %s: %w", f.cert, f.key, err)
	}
	recorder, closeEvents, err := openRecorder(f, stdout)
	if err != nil {
		return err
	}
	defer closeEvents()
	ln, err := net.Listen("tcp", f.listen)
	if err != nil {
		return err
	}
	defer ln.Close()
	printLinesToTry(stderr, ln.Addr())
	echo := &server.Echo{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
		Page:      f.page.page(),
		Recorder:  recorder,
		Grace:     f.grace,
		Log:       slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: f.logLevel})),
	}
	return echo.Serve(ctx, ln)
}

// openRecorder opens what --events and --hello-json name.
func openRecorder(f *serveFlags, stdout io.Writer) (r *server.Recorder, closeFile func() error, err error) {
	r, closeFile = &server.Recorder{}, func() error { return nil }
	if f.eventsFull {
		r.Size = event.Full
	}
	if f.helloJSON != "" {
		r.Latest = &server.Latest{Path: f.helloJSON, Keep: f.helloJSONKeep}
		if err := r.Latest.Load(); err != nil {
			return nil, nil, err
		}
	}
	switch f.events {
	case "":
	case "-":
		r.File = stdout
	default:
		file, err := os.OpenFile(f.events, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, nil, err
		}
		r.File, closeFile = file, file.Close
	}
	return r, closeFile, nil
}

// defaultStateDir follows the XDG Base Directory Specification.
func defaultStateDir() string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "tlspeek")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ".tlspeek"
	}
	return filepath.Join(home, ".local", "state", "tlspeek")
}

func printLinesToTry(w io.Writer, addr net.Addr) {
	host, port, _ := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); ip == nil || ip.IsLoopback() || ip.IsUnspecified() {
		host = "localhost"
	}
	at := net.JoinHostPort(host, port)
	fmt.Fprintf(w, `listening on %s; to try it:
  curl -k https://%s/
  openssl s_client -quiet -connect %s    and type a line
  tlspeek client --insecure %s
  a browser at https://%s/
`, addr, at, at, at, at)
}
