package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/fingerprint/explain"
	"github.com/tlspeek/tlspeek/internal/observe"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// A helloSource finds the one hello that an argument means.
type helloSource struct {
	packet    int64  // of a capture; 0 if the argument says it, or none does
	transport string // of a bare handshake message, which does not tell
}

func (s *helloSource) packetFlag(cmd *cobra.Command) {
	cmd.Flags().Int64Var(&s.packet, "packet", 0, "the `number` of the packet that completes the hello, of a capture with several")
}

func (s *helloSource) flags(cmd *cobra.Command) {
	s.packetFlag(cmd)
	cmd.Flags().StringVar(&s.transport, "transport", "", "`carrier` of a bare handshake message: tls, quic or dtls")
	suggest(cmd, "transport", "tls", "quic", "dtls")
}

// helloHelp is what the help of a verb says of its input.
const helloHelp = `A hello is a file, - for standard input, or hex on the command line. A file is a
capture, or what parse takes: TLS or DTLS records, a QUIC Initial or the bare
handshake message, raw, in hex or in base64. Of a capture with several hellos, one
is chosen by the number of its packet: capture.pcap:17, or --packet 17.`

// looksNPF matches what is meant as a fingerprint in Cisco's NPF, which has a
// slash as names of files do.
var looksNPF = regexp.MustCompile(`^(tls|dtls|quic)/`)

// errNoHello is for an argument that is not meant as a hello at all.
var errNoHello = errors.New("neither a file nor a hello in hex")

// read returns the hello that arg means.
func (s *helloSource) read(ctx context.Context, arg string, stdin io.Reader) (*fingerprint.Input, error) {
	in, err := s.open(arg, stdin)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var found *fingerprint.Input
	if in.isCapture {
		err = readCapture(ctx, in, in.packet, func(h *capture.Hello) error {
			if h.Err != nil {
				return fmt.Errorf("packet %d: %w", h.Packet, h.Err)
			}
			found = &fingerprint.Input{Hello: h.ClientHello.Clone()}
			if h.QUIC != nil {
				initial := observe.Initial(h.QUIC)
				initial.FrameTypes = bytes.Clone(initial.FrameTypes)
				found.QUIC = &initial
			}
			return nil
		})
	} else {
		var b []byte
		if b, err = readInput(in); err == nil {
			found, err = s.decode(b)
		}
	}
	if err != nil {
		return nil, in.failed(err)
	}
	return found, nil
}

// parse returns what parse has to show of the hello that arg means. Name is
// that of its source.
func (s *helloSource) parse(ctx context.Context, arg string, stdin io.Reader) (p *parsed, name string, err error) {
	in, err := s.open(arg, stdin)
	if errors.Is(err, errNoHello) {
		err = fmt.Errorf("%q is %w", arg, err)
	}
	if err != nil {
		return nil, "", err
	}
	defer in.Close()
	if in.isCapture {
		err = readCapture(ctx, in, in.packet, func(h *capture.Hello) error {
			p = unmarshal(fmt.Sprintf("packet %d of a capture", h.Packet), h.Transport, bytes.Clone(h.ClientHello.Raw), nil)
			if h.Err != nil && p.errs == nil {
				p.errs = []error{h.Err}
			}
			return nil
		})
	} else {
		var b []byte
		if b, err = readInput(in); err == nil {
			p = parseHello(b)
		}
	}
	if err != nil {
		return nil, "", in.failed(err)
	}
	return p, in.name, nil
}

// A helloInput is what an argument means, to be read.
type helloInput struct {
	io.Reader
	io.Closer
	name      string // for errors; empty for hex on the command line
	isCapture bool
	packet    int64 // of a capture; 0 for any
}

func (in *helloInput) failed(err error) error {
	if in.name == "" {
		return err
	}
	return fmt.Errorf("reading %s: %w", in.name, err)
}

// open finds out what arg means. The error is [errNoHello] if it is not meant
// as a hello.
func (s *helloSource) open(arg string, stdin io.Reader) (*helloInput, error) {
	in := &helloInput{name: arg, packet: s.packet}
	if arg == "-" {
		in.name, in.Closer, in.Reader = "standard input", io.NopCloser(nil), stdin
		in.detect()
		return in, nil
	}
	f, err := os.Open(arg)
	if err != nil {
		// capture.pcap:17, unless there is a file of that name.
		if i := strings.LastIndexByte(arg, ':'); i > 0 {
			if n, nerr := strconv.ParseInt(arg[i+1:], 10, 64); nerr == nil && n > 0 {
				if f, err = os.Open(arg[:i]); err != nil {
					return nil, err
				}
				in.packet = n
			}
		}
	}
	if f != nil {
		in.Reader, in.Closer = f, f
		in.detect()
		return in, nil
	}
	// Nothing shorter is a hello, and no fingerprint in hex is as long.
	switch b, err := decodeHex(arg); {
	case len(b) <= 38:
	case err == nil:
		in.name, in.Reader, in.Closer = "", bytes.NewReader([]byte(arg)), io.NopCloser(nil)
		return in, nil
	case errors.Is(err, hex.ErrLength):
		return nil, errOddHex
	}
	if _, ferr := explain.Text(arg); ferr != nil && strings.ContainsAny(arg, "./") && !looksNPF.MatchString(arg) && !strings.ContainsAny(arg, "|,") {
		return nil, err // it is the name of a file
	}
	return nil, errNoHello
}

// detect sets isCapture. An error of the input appears again when it is read.
func (in *helloInput) detect() {
	format, r, _ := capture.Detect(in.Reader)
	in.Reader, in.isCapture = r, format != capture.FormatUnknown
}

// readCapture gives take the hello of the given packet, or the only one if
// packet is 0. What is wrong with the capture matters only where there is none.
func readCapture(ctx context.Context, r io.Reader, packet int64, take func(*capture.Hello) error) error {
	found := false
	var broken error // of the hello that is meant
	var packets []string
	errFound := errors.New("found")
	_, err := capture.Read(ctx, r, func(h *capture.Hello) error {
		packets = append(packets, strconv.FormatInt(h.Packet, 10))
		if packet != 0 && h.Packet != packet || packet == 0 && found {
			return nil
		}
		found = true
		broken = take(h)
		if packet != 0 {
			return errFound
		}
		return nil
	})
	switch {
	case packet == 0 && len(packets) > 1:
		return fmt.Errorf("%d hellos: choose one with --packet, of %s", len(packets), list(packets))
	case found:
		return broken
	case err != nil:
		return err
	case len(packets) == 0:
		return errors.New("no hello in this capture")
	}
	return fmt.Errorf("no hello ends in packet %d; they end in %s", packet, list(packets))
}

// list returns the first few items.
func list(items []string) string {
	const most = 12
	if len(items) > most {
		return strings.Join(items[:most], ", ") + " and so on"
	}
	return strings.Join(items, ", ")
}

// decode reads a hello from the bytes that carried it, or from the bare
// handshake message. An extension that is malformed is no hindrance.
func (s *helloSource) decode(b []byte) (*fingerprint.Input, error) {
	p := parseHello(b)
	if p.hello == nil {
		return nil, p.errs[0]
	}
	found := &fingerprint.Input{Hello: p.hello}
	if s.transport != "" {
		transport, ok := parser.ParseTransport(s.transport)
		if !ok {
			return nil, fmt.Errorf("--transport %q is none of tls, quic and dtls", s.transport)
		}
		found.Hello.Transport = transport
	}
	if err := found.Hello.Unmarshal(found.Hello.Raw); err != nil {
		return nil, err
	}
	if quichello.IsInitial(b) {
		var a quichello.Assembler
		if h, err := a.Next(b); err == nil && h != nil {
			initial := observe.Initial(h)
			found.QUIC = &initial
		}
	}
	return found, nil
}
