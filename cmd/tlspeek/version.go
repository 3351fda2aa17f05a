package main

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/internal/licenses"
)

func versionCommand() *cobra.Command {
	var legal bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit and the Go release of this build",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if legal {
				_, err := io.WriteString(cmd.OutOrStdout(), licenses.Text)
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version())
			return err
		},
	}
	cmd.Flags().BoolVar(&legal, "licenses", false, "print the licences of the program and of all that it is built of")
	return cmd
}

// version returns the build information of the program as text.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "tlspeek, built without Go modules"
	}
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	line := "tlspeek " + info.Main.Version
	if revision := settings["vcs.revision"]; revision != "" {
		line += " commit " + revision
		if settings["vcs.modified"] == "true" {
			line += " with changes"
		}
	}
	return line + " " + info.GoVersion + " " + settings["GOOS"] + "/" + settings["GOARCH"]
}
