// Tlspeek reads the first message of TLS clients, live and from captures, and
// identifies the clients.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run runs the program with args and returns the exit status: 0, or 1 after an error.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	// A second signal ends the program at once, if it does not end in order.
	context.AfterFunc(ctx, stop)

	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if !errors.Is(err, errReported) {
		fmt.Fprintln(stderr, "tlspeek:", err)
	}
	return 1
}

// errReported ends the program with status 1 after errors that were reported.
var errReported = errors.New("reported")

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "tlspeek",
		Short: "Read, fingerprint and identify TLS ClientHellos",
		Long: `Tlspeek reads the ClientHello, the first message of a TLS client, byte for
byte: from captures, from its own live endpoint, or from a file. It computes
fingerprints (JA3, JA4 and others) and identifies the client.

Results go to standard output, everything else to standard error. The exit
status is 1 after an error, and 0 otherwise.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(seeHelp)
	root.AddCommand(
		scanCommand(),
		parseCommand(),
		explainCommand(),
		diffCommand(),
		clientsCommand(),
		policyCommand(),
		serveCommand(),
		proxyCommand(),
		clientCommand(),
		versionCommand(),
	)
	explainArgs(root)
	return root
}

// explainArgs makes errors of cmd and of the commands below it say what arguments
// they take.
func explainArgs(cmd *cobra.Command) {
	args := cmd.Args
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		switch err := args(cmd, given); {
		case err == nil:
			return nil
		case cmd.HasSubCommands():
			if near := cmd.SuggestionsFor(given[0]); len(near) > 0 {
				err = fmt.Errorf("%w (did you mean %s?)", err, strings.Join(near, " or "))
			}
			return seeHelp(cmd, err)
		default:
			return fmt.Errorf("usage: %s: %w", cmd.UseLine(), seeHelp(cmd, err))
		}
	}
	for _, sub := range cmd.Commands() {
		explainArgs(sub)
	}
}

// seeHelp adds a reference to the help of cmd to err.
func seeHelp(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())
}
