package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/event"
)

func scanCommand() *cobra.Command {
	var full bool
	cmd := &cobra.Command{
		Use:   "scan PATH...",
		Short: "Print the hellos in captures",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out := bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16)
			defer out.Flush()
			size := event.Compact
			if full {
				size = event.Full
			}
			var ob event.Observer
			var line []byte
			var failed error
			for _, name := range args {
				f, err := os.Open(name)
				if err != nil {
					return err
				}
				stats, err := capture.Read(cmd.Context(), f, func(h *capture.Hello) error {
					o := event.Observation{Time: h.Time, Src: h.Src, Dst: h.Dst, Packet: h.Packet, Index: h.Index,
						Carrier: event.Carrier{Records: h.Records, Segments: h.Segments, Datagrams: h.Datagrams, Bytes: len(h.ClientHello.Raw)},
						Hello:   h.ClientHello, Transport: h.Transport, Err: h.Err}
					if size != event.Compact {
						for _, l := range h.Encapsulation {
							o.Via = append(o.Via, l.String())
						}
					}
					e := ob.Event(&o, size)
					var err error
					if line, err = e.AppendJSON(line[:0]); err != nil {
						return err
					}
					_, err = out.Write(append(line, '\n'))
					return err
				})
				f.Close()
				if err != nil {
					failed = fmt.Errorf("%s: %w", name, err)
					fmt.Fprintln(cmd.ErrOrStderr(), failed)
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "%+v\n", stats)
			}
			if failed != nil {
				return errReported
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&full, "full", false, "every fingerprint, and how the hello came")
	return cmd
}
