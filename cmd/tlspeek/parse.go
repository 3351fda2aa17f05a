package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/parser"
)

func parseCommand() *cobra.Command {
	var source helloSource
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "parse [HELLO]",
		Short: "Show one hello, field by field",
		Long: `Show one ClientHello, field by field: the offset and size in bytes of each
field of the handshake message, its name in the RFC, and what it says.

HELLO is a file, hex on the command line, or standard input if it is absent or -.
A file has the hello as hex (with or without blanks, colons and 0x; also as xxd
and hexdump -C print it), as base64, or as it is. It may be TLS records, a
handshake message, a DTLS record, a hello in SSLv2 format or a QUIC Initial: parse
finds out. Of a capture with several hellos, one is chosen by the number of its
packet: capture.pcap:17, or --packet 17.

If something is wrong with it, parse shows what can be read, says what is wrong
and at which byte of the message, and exits with status 1.`,
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
				if out, err = p.appendJSON(nil); err != nil {
					return err
				}
			} else {
				out = p.appendText(nil)
			}
			if _, err := cmd.OutOrStdout().Write(out); err != nil {
				return err
			}
			for _, err := range p.errs {
				if name != "" {
					err = fmt.Errorf("reading %s: %w", name, err)
				}
				fmt.Fprintln(cmd.ErrOrStderr(), "tlspeek:", err)
			}
			if p.errs != nil {
				return errReported
			}
			return nil
		},
	}
	source.packetFlag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON: transport, form, errors, and the fields by their names as hello")
	return cmd
}

// A parsed is what parse found in its input.
type parsed struct {
	form  string // what the input is: "TLS records"
	hello *parser.ClientHello
	errs  []error
}

// appendJSON appends p as a JSON object and a line end.
func (p *parsed) appendJSON(dst []byte) ([]byte, error) {
	o := struct {
		Transport string        `json:"transport,omitempty"`
		Form      string        `json:"form,omitempty"`
		Errors    []string      `json:"errors"`
		Hello     *parser.Field `json:"hello,omitempty"`
	}{Errors: []string{}}
	for _, err := range p.errs {
		o.Errors = append(o.Errors, err.Error())
	}
	if p.hello != nil {
		root := parser.Dissect(p.hello)
		o.Transport, o.Form, o.Hello = p.hello.Transport.String(), p.form, &root
	}
	text, err := json.Marshal(o)
	return append(append(dst, text...), '\n'), err
}

// appendText appends p for people to read: a line for each field.
func (p *parsed) appendText(dst []byte) []byte {
	if p.hello == nil {
		return dst
	}
	root := parser.Dissect(p.hello)
	dst = fmt.Appendf(dst, "%s, %d bytes of message\n\noffset  size  field\n", p.form, len(p.hello.Raw))
	for i := range root.Children {
		dst = appendField(dst, &root.Children[i], "")
	}
	return dst
}

// appendField appends a line for f and one for each field that it is made of.
func appendField(dst []byte, f *parser.Field, indent string) []byte {
	dst = fmt.Appendf(dst, "%6d %5d  %s%s", f.Offset, len(f.Bytes), indent, f.Name)
	text := fieldText(f)
	if f.Name == "extension" || f.Name == "transport_parameter" {
		text = fieldText(&f.Children[0]) // its type, so that one need not look below
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

// maxShown is how many bytes of a field are shown.
const maxShown = 32

// grease is how the tree notes a reserved value.
const grease = "GREASE"

// fieldText returns what a leaf says.
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
