package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/server/echo"
)

// clientFlags has the flags of "tlspeek client".
type clientFlags struct {
	insecure bool
	lines    []string
	stdin    bool
	count    int
}

func clientCommand() *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "client ADDR",
		Short: "Ask an endpoint for the hello of this program",
		Long: `Client connects to the endpoint at ADDR, a host with or without a port (8443),
sends lines and prints the replies: one Event as JSON for each line.`,
		Example: `  tlspeek client --insecure localhost:8443
  tlspeek client --line one --line two tls.example
  seq 3 | tlspeek client --stdin --insecure localhost`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(cmd.Context(), args[0], &f, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.insecure, "insecure", false, "accept any certificate")
	flags.StringArrayVar(&f.lines, "line", nil, "send this `text` instead of hello; can be repeated")
	flags.BoolVar(&f.stdin, "stdin", false, "send the lines of standard input")
	flags.IntVar(&f.count, "count", 1, "`number` of times to send the lines")
	cmd.MarkFlagsMutuallyExclusive("line", "stdin")
	cmd.MarkFlagsMutuallyExclusive("count", "stdin")
	return cmd
}

func ask(ctx context.Context, addr string, f *clientFlags, stdin io.Reader, stdout io.Writer) error {
	if f.count < 1 {
		return fmt.Errorf("--count %d: must be 1 or more", f.count)
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = strings.Trim(addr, "[]")
		addr = net.JoinHostPort(host, "8443")
	}
	lines := stdin
	if !f.stdin {
		if len(f.lines) == 0 {
			f.lines = []string{"hello"}
		}
		lines = strings.NewReader(strings.Repeat(strings.Join(f.lines, "\n")+"\n", f.count))
	}
	dialer := tls.Dialer{Config: &tls.Config{ServerName: host, InsecureSkipVerify: f.insecure}}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		var unverified *tls.CertificateVerificationError
		if errors.As(err, &unverified) {
			return fmt.Errorf("%w (--insecure accepts a self-signed certificate)", err)
		}
		return err
	}
	defer conn.Close()
	return echo.RunLines(ctx, conn.(*tls.Conn), lines, stdout)
}
