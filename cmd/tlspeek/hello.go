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
	"github.com/tlspeek/tlspeek/internal/helloinput"
	"github.com/tlspeek/tlspeek/parser"
)

// A helloSource finds the one hello that an argument stands for.
type helloSource struct {
	packet    int64  // of a capture; 0 if there is no --packet
	transport string // of a bare handshake message, which does not say it
}

func (s *helloSource) packetFlag(cmd *cobra.Command) {
	cmd.Flags().Int64Var(&s.packet, "packet", 0, "of a capture with several hellos, the `number` of the packet that completes the one")
}

func (s *helloSource) flags(cmd *cobra.Command) {
	s.packetFlag(cmd)
	cmd.Flags().StringVar(&s.transport, "transport", "", "`transport` of a bare handshake message: tls, quic or dtls")
	suggest(cmd, "transport", "tls", "quic", "dtls")
}

// helloHelp describes a HELLO in the help of a verb.
const helloHelp = `A HELLO is a file, - for standard input, or hex on the command line. A file is a
capture, or what parse takes: TLS or DTLS records, a QUIC Initial or a bare
handshake message, as raw bytes, hex or base64. If a capture has several hellos,
choose one by the number of its packet: capture.pcap:17, or --packet 17.`

// looksNPF matches fingerprints in Cisco's NPF, which have slashes as file names do.
var looksNPF = regexp.MustCompile(`^(tls|dtls|quic)/`)

// errNoHello says that an argument is something else than a hello, such as a
// fingerprint.
var errNoHello = errors.New("neither a file nor a hello in hex")

// read returns the hello that arg stands for.
func (s *helloSource) read(ctx context.Context, arg string, stdin io.Reader) (*fingerprint.Input, error) {
	in, err := s.open(arg, stdin)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var found *fingerprint.Input
	if in.isCapture {
		err = helloinput.FromCapture(ctx, in, in.packet, func(h *capture.Hello) error {
			if h.Err != nil {
				return fmt.Errorf("packet %d: %w", h.Packet, h.Err)
			}
			found = helloinput.Input(h)
			return nil
		})
	} else {
		var b []byte
		if b, err = helloinput.Read(in); err == nil {
			found, err = s.decode(b)
		}
	}
	if err != nil {
		return nil, in.failed(err)
	}
	return found, nil
}

// parse reads the hello that arg stands for as far as it can. name is that of its
// source.
func (s *helloSource) parse(ctx context.Context, arg string, stdin io.Reader) (p *helloinput.Parsed, name string, err error) {
	in, err := s.open(arg, stdin)
	if errors.Is(err, errNoHello) {
		err = fmt.Errorf("%q is %w", arg, err)
	}
	if err != nil {
		return nil, "", err
	}
	defer in.Close()
	if in.isCapture {
		err = helloinput.FromCapture(ctx, in, in.packet, func(h *capture.Hello) error {
			p = helloinput.Message(fmt.Sprintf("packet %d of a capture", h.Packet), h.Transport, bytes.Clone(h.ClientHello.Raw), nil)
			if h.Err != nil && p.Errs == nil {
				p.Errs = []error{h.Err}
			}
			return nil
		})
	} else {
		var b []byte
		if b, err = helloinput.Read(in); err == nil {
			p = helloinput.Parse(b)
		}
	}
	if err != nil {
		return nil, "", in.failed(err)
	}
	return p, in.name, nil
}

// An inputFile is the open input that an argument stands for.
type inputFile struct {
	io.Reader
	io.Closer
	name      string // for errors; empty for hex on the command line
	isCapture bool
	packet    int64 // of a capture; 0 for any
}

func (in *inputFile) failed(err error) error {
	if in.name == "" {
		return err
	}
	return fmt.Errorf("reading %s: %w", in.name, err)
}

// open opens what arg stands for. The error is [errNoHello] if that is no hello.
func (s *helloSource) open(arg string, stdin io.Reader) (*inputFile, error) {
	in := &inputFile{name: arg, packet: s.packet}
	if arg == "-" {
		in.name, in.Closer, in.Reader = "standard input", io.NopCloser(nil), stdin
		in.detect()
		return in, nil
	}
	f, err := os.Open(arg)
	if err != nil {
		// capture.pcap:17, unless there is a file with that name.
		if i := strings.LastIndexByte(arg, ':'); i > 0 {
			if n, nerr := strconv.ParseInt(arg[i+1:], 10, 64); nerr == nil && n > 0 {
				f, err = os.Open(arg[:i])
				if err != nil && !strings.Contains(arg, "|") { // bars are in HTTP/2 fingerprints, which may end like that
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
	// A hello is longer than 38 bytes, and a fingerprint in hex is shorter.
	switch b, err := helloinput.DecodeHex(arg); {
	case len(b) <= 38:
	case err == nil:
		in.name, in.Reader, in.Closer = "", bytes.NewReader([]byte(arg)), io.NopCloser(nil)
		return in, nil
	case errors.Is(err, hex.ErrLength):
		return nil, helloinput.ErrOddHex
	}
	if _, ferr := explain.Text(arg); ferr != nil && strings.ContainsAny(arg, "./") && !looksNPF.MatchString(arg) && !strings.ContainsAny(arg, "|,") {
		return nil, err // it is a file name
	}
	return nil, errNoHello
}

// detect sets isCapture, also for a capture in a format that is not read: its error
// names it. If the input cannot be read, the next Read fails again.
func (in *inputFile) detect() {
	format, r, err := capture.Detect(in.Reader)
	in.Reader, in.isCapture = r, format != capture.FormatUnknown || errors.Is(err, capture.ErrUnsupported)
}

// decode reads a hello from the bytes that carried it, or from the bare handshake
// message. Malformed extensions are no error.
func (s *helloSource) decode(b []byte) (*fingerprint.Input, error) {
	p := helloinput.Parse(b)
	if p.Hello == nil {
		return nil, p.Errs[0]
	}
	if s.transport != "" {
		transport, ok := parser.ParseTransport(s.transport)
		if !ok {
			return nil, fmt.Errorf("--transport %q: must be tls, quic or dtls", s.transport)
		}
		p.Hello.Transport = transport
	}
	if err := p.Hello.Unmarshal(p.Hello.Raw); err != nil {
		return nil, err
	}
	return &fingerprint.Input{Hello: p.Hello, QUIC: p.QUIC}, nil
}
