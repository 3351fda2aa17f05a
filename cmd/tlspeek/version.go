package main

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit it was built from and the Go release",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return fmt.Errorf("this program has no build information: build it with Go modules")
			}
			return printVersion(cmd.OutOrStdout(), info)
		},
	}
}

func printVersion(w io.Writer, info *debug.BuildInfo) error {
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
	_, err := fmt.Fprintln(w, line, info.GoVersion, settings["GOOS"]+"/"+settings["GOARCH"])
	return err
}
