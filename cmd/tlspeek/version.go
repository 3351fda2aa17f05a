package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit and the Go release of this build",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version())
			return err
		},
	}
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
