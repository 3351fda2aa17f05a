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
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// A helloSource finds the one hello that an argument means.
type helloSource struct {
	packet    int64  // of a capture; 0 if the argument says it, or none does
	transport string // of a bare handshake message, which does not tell
}

// aHello is a hello and the QUIC packet that brought it, if one did.
type aHello struct {
	*parser.ClientHello
	initial *fingerprint.QUICInitial
}

func (s *helloSource) flags(cmd *cobra.Command) {
	cmd.Flags().Int64Var(&s.packet, "packet", 0, "the `number` of the packet that completes the hello, of a capture with several")
	cmd.Flags().StringVar(&s.transport, "transport", "", "what carried a bare handshake message: tls, quic or dtls")
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
func (s *helloSource) read(ctx context.Context, arg string, stdin io.Reader) (*aHello, error) {
	if arg == "-" {
		return s.readFrom(ctx, stdin, "standard input", s.packet)
	}
	packet := s.packet
	f, err := os.Open(arg)
	if err != nil {
		// capture.pcap:17, unless there is a file of that name.
		if i := strings.LastIndexByte(arg, ':'); i > 0 {
			if n, nerr := strconv.ParseInt(arg[i+1:], 10, 64); nerr == nil && n > 0 {
				if f, err = os.Open(arg[:i]); err != nil {
					return nil, err
				}
				packet = n
			}
		}
	}
	if f == nil {
		// Nothing shorter is a hello, and no fingerprint in hex is as long.
		switch b, err := decodeHex(arg); {
		case len(b) <= 38:
		case err == nil:
			return s.decode(b)
		case errors.Is(err, hex.ErrLength):
			return nil, errOddHex
		}
		if _, ferr := fingerprint.Explain(arg); ferr != nil && strings.ContainsAny(arg, "./") && !looksNPF.MatchString(arg) && !strings.ContainsAny(arg, "|,") {
			return nil, err // it is the name of a file
		}
		return nil, errNoHello
	}
	defer f.Close()
	return s.readFrom(ctx, f, arg, packet)
}

func (s *helloSource) readFrom(ctx context.Context, r io.Reader, name string, packet int64) (*aHello, error) {
	var head [4]byte
	n, err := io.ReadFull(r, head[:])
	switch {
	case err == io.EOF:
		return nil, fmt.Errorf("reading %s: %w", name, errEmpty)
	case err != nil && err != io.ErrUnexpectedEOF:
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	r = io.MultiReader(bytes.NewReader(head[:n]), r)
	if capture.FormatOf(head) != capture.Unknown {
		h, err := s.readCapture(ctx, r, packet)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		return h, nil
	}
	b, err := readInput(r)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	h, err := s.decode(b)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return h, nil
}

// readCapture returns the hello of the given packet, or the only one if packet
// is 0. What is wrong with the capture matters only where there is none.
func (s *helloSource) readCapture(ctx context.Context, r io.Reader, packet int64) (*aHello, error) {
	var found *aHello
	var broken error // the hello that is meant
	var packets []string
	errFound := errors.New("found")
	_, err := capture.Read(ctx, r, func(h *capture.Hello) error {
		packets = append(packets, strconv.FormatInt(h.Packet, 10))
		switch {
		case packet != 0 && h.Packet != packet:
			return nil
		case h.Err != nil:
			broken = fmt.Errorf("packet %d: %w", h.Packet, h.Err)
		default:
			found = &aHello{ClientHello: h.ClientHello.Clone()}
			if h.QUIC != nil {
				found.initial = quicInitial(h.QUIC)
			}
		}
		if packet != 0 {
			return errFound
		}
		return nil
	})
	switch {
	case packet == 0 && len(packets) > 1:
		return nil, fmt.Errorf("%d hellos: choose one with --packet, of %s", len(packets), list(packets))
	case found != nil:
		return found, nil
	case broken != nil:
		return nil, broken
	case err != nil:
		return nil, err
	case len(packets) == 0:
		return nil, errors.New("no hello in this capture")
	}
	return nil, fmt.Errorf("no hello ends in packet %d; they end in %s", packet, list(packets))
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
func (s *helloSource) decode(b []byte) (*aHello, error) {
	p := parseHello(b)
	if p.hello == nil {
		return nil, p.errs[0]
	}
	found := &aHello{ClientHello: p.hello}
	switch s.transport {
	case "":
	case "tls", "quic", "dtls":
		found.Transport = map[string]parser.Transport{"tls": parser.TLS, "quic": parser.QUIC, "dtls": parser.DTLS}[s.transport]
	default:
		return nil, fmt.Errorf("--transport %q is none of tls, quic and dtls", s.transport)
	}
	if err := found.Unmarshal(found.Raw); err != nil {
		return nil, err
	}
	if quichello.IsInitial(b) {
		var a quichello.Assembler
		if h, err := a.Next(b); err == nil && h != nil {
			found.initial = quicInitial(h)
		}
	}
	return found, nil
}

func quicInitial(h *quichello.Hello) *fingerprint.QUICInitial {
	return &fingerprint.QUICInitial{
		Version: uint32(h.Version), DCIDLen: h.DCID.Len(), SCIDLen: h.SCID.Len(),
		PacketNumberLen: h.NumberLen, FrameTypes: bytes.Clone(h.FrameTypes), Token: h.TokenLen > 0,
	}
}
