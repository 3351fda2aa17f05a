package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/net/http/httpguts"
)

func proxyCommand() *cobra.Command {
	var f proxyFlags
	cmd := &cobra.Command{
		Use:   "proxy",
		Short: "Stand in front of a server, and tell it who its clients are",
		Long: `Proxy terminates TLS in front of any web server, over HTTP/1.1, HTTP/2 and HTTP/3, and
passes requests on with what it knows of the client: fingerprints, the clients that send
such hellos, tells, whether all that fits the User-Agent, and what the policy decided. What
a client sends under the names of these fields, or as X-Forwarded-For and the like, never
gets through. Let nobody else reach the server behind.

Backends, for --to and --route:

  http://host:port    HTTP/1.1, also with WebSocket
  h2c://host:port     HTTP/2 without TLS, as for gRPC
  https://host:port   HTTP/2 or HTTP/1.1 over TLS
  unix:/path          HTTP/1.1 over a Unix socket; unix+h2c:/path for HTTP/2

With --pass, TLS is not touched: bytes go to the server behind, chosen by server name, with
a header of the PROXY protocol, version 2, that says the client's address, JA3, JA4, name
and tags. The policy decides about hellos. TCP only: HTTP/3 is not passed.

The flags for certificates, limits, Events, the policy and --admin work as in serve. Without
--cert and --acme, there is a self-signed certificate for localhost. The program reloads
certificates and the policy when they change, and needs no signal for renamed logs. SIGINT,
SIGTERM and SIGHUP end it once the open connections are finished, or --grace is over. A
second signal ends it at once.

Every flag can be set in the environment: --to as TLSPEEK_TO, and several routes, separated
by commas or newlines, as TLSPEEK_ROUTE.`,
		Example: `  tlspeek proxy --to http://127.0.0.1:8080
  tlspeek proxy --listen :443 --acme shop.example --to http://127.0.0.1:8080 --policy policy.yaml
  tlspeek proxy --to http://127.0.0.1:8080 --route 'shop.example/api=h2c://127.0.0.1:9000'
  tlspeek proxy --listen :443 --pass --to 127.0.0.1:8443 --route '*.example=10.0.0.1:443'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && f.headerJSON == defaultHeaderJSON && httpguts.ValidHeaderFieldName(args[0]) {
				return fmt.Errorf("--header-json takes its name after a =, as --header-json=%s", args[0])
			}
			return cobra.NoArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := fromEnvironment(cmd.Flags())
			problems := f.problems(cmd.Flags())
			if f.checkOnly {
				return checkFront(cmd, &f.frontFlags, problems, err, f.checkAccess, f.checkStages, f.checkBackends)
			}
			if err := errors.Join(err, errors.Join(problems...)); err != nil {
				return err
			}
			if f.passed {
				return runPass(cmd.Context(), &f, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return runReverse(cmd.Context(), &f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.add(cmd)
	return cmd
}

// proxyHints returns what prints how to try a proxy.
func (f *proxyFlags) hints() func(w io.Writer, addr net.Addr) {
	var to []string
	if f.to != "" {
		to = append(to, f.to)
	}
	return func(w io.Writer, addr net.Addr) {
		host, port, _ := net.SplitHostPort(addr.String())
		if ip := net.ParseIP(host); ip == nil || ip.IsLoopback() || ip.IsUnspecified() {
			host = "localhost"
		}
		what := "requests"
		if f.passed {
			what = "connections"
		}
		fmt.Fprintf(w, "listening on %s; %s go to %s; to try it:\n  curl -k https://%s/\n", addr, what, strings.Join(append(to, f.routes...), ", "), net.JoinHostPort(host, port))
	}
}
