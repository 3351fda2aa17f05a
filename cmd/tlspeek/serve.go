package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/server/echo"
)

// serveFlags has the flags of "tlspeek serve".
type serveFlags struct {
	frontFlags
	page   pageFlags
	budget budgetFlags
}

// check checks the values of flags and their combinations.
func (f *serveFlags) check() error { return errors.Join(f.problems()...) }

// problems returns everything that is wrong with the values of flags and their
// combinations.
func (f *serveFlags) problems() []error {
	all := f.frontFlags.problems()
	if err := f.budget.check(); err != nil {
		all = append(all, err)
	}
	return all
}

func serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve an endpoint that tells each client its own hello",
		Long: `Serve answers each client with the Event of its own connection, as JSON. Over
HTTP/1.1, HTTP/2 and HTTP/3 it serves:

  /                   for browsers: a page that shows the hello byte by byte
  /, /json            the Event; with ?detail=1 also the hello as a tree and bytes
  /hello.bin          the bytes of the handshake message
  /api/all            the same in the form of tls.peet.ws
  /api/clean          the same in the short form of tls.peet.ws
  /api/browserleaks   the same in the form of tls.browserleaks.com

A client that does not speak HTTP gets one line for each line that it sends: a compact
Event, a full one for the line "full", and the hello as a tree for "detail".

Without --cert and --key, serve creates a self-signed certificate for localhost
and keeps it in the state directory. It reloads certificates, and the policy with its
lists, when their files change. SIGINT, SIGTERM and SIGHUP end it once the open connections are finished
and the files are written, or --grace is over. A second signal ends it at once.
The exit status is 1 if the last Events could not be written.

Every flag can be set in the environment: --hello-json as TLSPEEK_HELLO_JSON.
Sockets passed by systemd replace --listen; with --listen systemd there must be some.`,
		Example: `  tlspeek serve
  tlspeek serve --listen :443 --cert server.pem --key server.key --events hellos.jsonl
  tlspeek serve --clients mine.jsonl
  tlspeek serve --check --listen :443 --cert server.pem --key server.key
  tlspeek serve --policy policy.yaml --policy-dry-run
  tlspeek serve --listen :443 --acme tls.example --admin 127.0.0.1:9090`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := fromEnvironment(cmd.Flags())
			if f.checkOnly {
				return checkFront(cmd, &f.frontFlags, f.problems(), err)
			}
			if err != nil {
				return err
			}
			if err := f.check(); err != nil {
				return err
			}
			return serve(cmd.Context(), &f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.frontFlags.add(cmd)
	f.page.add(cmd.Flags())
	f.budget.add(cmd.Flags())
	return cmd
}

// serve runs the endpoint.
func serve(ctx context.Context, f *serveFlags, stdout, stderr io.Writer) error {
	return runFront(ctx, &f.frontFlags, stdout, stderr, func(e *front) error {
		p := f.page.page()
		p.Clients, e.live = e.listener.Clients, p.Live
		h := &echo.Handler{Page: p, NextLine: e.rates.nextLine, MaxBytes: f.budget.answerMemory}
		e.serveHTTP(h, h.ServeLines)
		return e.run(ctx, func(r *prometheus.Registry) { addBudgetMetrics(r, h) }, printHints)
	})
}

// printHints prints how to try the endpoint.
func printHints(w io.Writer, addr net.Addr) {
	host, port, _ := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); ip == nil || ip.IsLoopback() || ip.IsUnspecified() {
		host = "localhost"
	}
	at := net.JoinHostPort(host, port)
	fmt.Fprintf(w, `listening on %s; to try it:
  curl -k https://%s/
  openssl s_client -quiet -connect %s    and type a line
  %s client --insecure %s
  a browser at https://%s/
`, addr, at, at, os.Args[0], at, at)
}
