package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/internal/helloinput"
	"github.com/tlspeek/tlspeek/parser"
)

func parseCommand() *cobra.Command {
	var source helloSource
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "parse [HELLO]",
		Short: "Show one hello, field by field",
		Long: `Show one ClientHello, field by field: the offset and size in bytes of each
field of the handshake message, its name in the RFC, and its value.

HELLO is a file, hex on the command line, or standard input if it is absent or -.
A file has the hello as hex (with or without blanks, colons and 0x, or as xxd and
hexdump -C print it), as base64, or as raw bytes: TLS records, a handshake message,
DTLS records, a hello in SSLv2 format or a QUIC Initial. A file may also be a
capture. If it has several hellos, choose one by the number of its packet:
capture.pcap:17, or --packet 17.

If a hello is malformed, parse prints what it can read, reports each error with its
offset in the message, and exits with status 1.`,
		Example: `  tlspeek parse hello.hex
  tlspeek parse capture.pcap:17
  xxd -p hello.bin | tlspeek parse --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, name, err := source.parse(cmd.Context(), cmp.Or(strings.Join(args, ""), "-"), cmd.InOrStdin())
			if err != nil {
				return err
			}
			var out []byte
			if asJSON {
				if out, err = appendParsedJSON(nil, p); err != nil {
					return err
				}
			} else {
				out = appendParsed(nil, p)
			}
			if _, err := cmd.OutOrStdout().Write(out); err != nil {
				return err
			}
			for _, err := range p.Errs {
				if name != "" {
					err = fmt.Errorf("reading %s: %w", name, err)
				}
				fmt.Fprintln(cmd.ErrOrStderr(), "tlspeek:", err)
			}
			if p.Errs != nil {
				return errReported
			}
			return nil
		},
	}
	source.packetFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object: transport, form, errors, and the fields as hello")
	return cmd
}

// appendParsedJSON appends p as a JSON object and a line end.
func appendParsedJSON(dst []byte, p *helloinput.Parsed) ([]byte, error) {
	o := struct {
		Transport string        `json:"transport,omitempty"`
		Form      string        `json:"form,omitempty"`
		Errors    []string      `json:"errors"`
		Hello     *parser.Field `json:"hello,omitempty"`
	}{Errors: []string{}}
	for _, err := range p.Errs {
		o.Errors = append(o.Errors, err.Error())
	}
	if p.Hello != nil {
		root := parser.Dissect(p.Hello)
		o.Transport, o.Form, o.Hello = p.Hello.Transport.String(), p.Form, &root
	}
	text, err := json.Marshal(o)
	return append(append(dst, text...), '\n'), err
}

// appendParsed appends p as text: a line for each field.
func appendParsed(dst []byte, p *helloinput.Parsed) []byte {
	if p.Hello == nil {
		return dst
	}
	root := parser.Dissect(p.Hello)
	dst = fmt.Appendf(dst, "%s, %d bytes of message\n\noffset  size  field\n", p.Form, len(p.Hello.Raw))
	for i := range root.Children {
		dst = appendField(dst, &root.Children[i], "")
	}
	return dst
}

// appendField appends a line for f and one for each field in it.
func appendField(dst []byte, f *parser.Field, indent string) []byte {
	dst = fmt.Appendf(dst, "%6d %5d  %s%s", f.Offset, len(f.Bytes), indent, f.Name)
	text := fieldText(f)
	if f.Name == "extension" || f.Name == "transport_parameter" {
		text = fieldText(&f.Children[0]) // its type
	}
	if text != "" {
		dst = append(append(dst, ": "...), text...)
	}
	if f.Note != "" && f.Note != grease {
		dst = fmt.Appendf(dst, " (%s)", f.Note)
	}
	dst = append(dst, '\n')
	for i := range f.Children {
		dst = appendField(dst, &f.Children[i], indent+"  ")
	}
	return dst
}

// maxShown is how many bytes of a field parse prints.
const maxShown = 32

// grease is the note that the tree has on a reserved value.
const grease = "GREASE"

// fieldText returns the value of a leaf as text.
func fieldText(f *parser.Field) string {
	switch v := f.Value.(type) {
	case string:
		return `"` + strings.ReplaceAll(v, `"`, `\"`) + `"`
	case uint64:
		switch {
		case f.ValueName != "":
			return fmt.Sprintf("%s (0x%x)", f.ValueName, f.Bytes)
		case f.Note == grease:
			return fmt.Sprintf("%s (0x%x)", grease, f.Bytes)
		case strings.HasSuffix(f.Name, "length"):
			return strconv.FormatUint(v, 10)
		}
		return fmt.Sprintf("%d (0x%x)", v, f.Bytes)
	}
	switch {
	case f.Children != nil:
		return ""
	case len(f.Bytes) > maxShown:
		return fmt.Sprintf("%x...", f.Bytes[:maxShown])
	}
	return fmt.Sprintf("%x", f.Bytes)
}
