// Tlspeek reads the first message of TLS clients, from the wire and from
// captures, and says who they are.
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

// run does what args say and returns the exit status: 0, or 1 when anything
// went wrong.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	// A second signal ends the program at once, should the orderly end not come.
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

// errReported ends the program with status 1 where what went wrong has been
// said already.
var errReported = errors.New("reported")

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "tlspeek",
		Short: "See what TLS clients say first, and who they are",
		Long: `Tlspeek reads the ClientHello, the first message of a TLS client, byte for
byte: from captures, from its own live endpoint, or from a file. It computes
fingerprints (JA3, JA4 and others) and says which client it is.

Results go to standard output, everything else to standard error. The exit
status is 1 if anything went wrong, and 0 otherwise.`,
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
		serveCommand(),
		clientCommand(),
		versionCommand(),
	)
	explainArgs(root)
	return root
}

// explainArgs has cmd and the commands below say what they take, when they are
// given something else.
func explainArgs(cmd *cobra.Command) {
	args := cmd.Args
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		switch err := args(cmd, given); {
		case err == nil:
			return nil
		case cmd.HasSubCommands():
			if near := cmd.SuggestionsFor(given[0]); len(near) > 0 {
				err = fmt.Errorf("%w, but there is %s", err, strings.Join(near, " and "))
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

// seeHelp adds to err where to read what cmd takes.
func seeHelp(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())
}
