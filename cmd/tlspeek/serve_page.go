package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server/page"
)

// pageFlags has the flags of the page.
type pageFlags struct {
	live          bool
	liveAddresses bool
}

func (f *pageFlags) add(flags *pflag.FlagSet) {
	flags.BoolVar(&f.live, "live", false, "show new hellos to everybody at /live")
	flags.BoolVar(&f.liveAddresses, "live-addresses", false, "let watchers of /live see the addresses of clients")
}

// page returns the page for browsers.
func (f *pageFlags) page() *page.Page {
	p := &page.Page{Read: readGiven}
	if f.live || f.liveAddresses {
		p.Live = &page.Live{Addresses: f.liveAddresses}
	}
	return p
}

// Bounds on a capture that a reader drops on the page.
const (
	maxGivenHellos   = 500
	maxGivenMemory   = 16 << 20 // bytes of state
	maxGivenExpanded = 64 << 20 // bytes
)

// readGiven finds the hellos in the input of the page: a capture, or what "tlspeek
// parse" reads.
func readGiven(ctx context.Context, input []byte) ([]event.Observation, error) {
	b, err := decodeInput(input)
	if err != nil {
		return nil, err
	}
	if format, _, _ := capture.Detect(bytes.NewReader(b)); format != capture.FormatUnknown {
		return readGivenCapture(ctx, b)
	}
	p := parseHello(b)
	if p.hello == nil {
		return nil, errors.Join(p.errs...)
	}
	o := event.Observation{Index: 1, Hello: p.hello, Transport: p.hello.Transport, Err: framingError(p)}
	o.Carrier.Bytes = len(p.hello.Raw)
	return []event.Observation{o}, nil
}

// framingError returns the errors of p besides those of single extensions. The
// error of its message comes first, and has an offset in the message.
func framingError(p *parsed) error {
	err := p.hello.Unmarshal(p.hello.Raw)
	for _, e := range p.errs[:len(p.errs)-malformed(p.hello)] {
		switch {
		case err == nil:
			err = e
		case err.Error() != e.Error():
			err = fmt.Errorf("%w; %w", err, e)
		}
	}
	return err
}

// malformed returns the number of malformed extensions.
func malformed(h *parser.ClientHello) (n int) {
	for i := range h.Extensions {
		if h.Extensions[i].Err != nil {
			n++
		}
	}
	return n
}

// errEnough ends the reading of a capture with too many hellos.
var errEnough = errors.New("enough")

func readGivenCapture(ctx context.Context, input []byte) ([]event.Observation, error) {
	var found []event.Observation
	r := capture.Reader{MaxMemory: maxGivenMemory, MaxExpanded: maxGivenExpanded}
	_, err := r.Read(ctx, bytes.NewReader(input), func(h *capture.Hello) error {
		if len(found) == maxGivenHellos {
			return errEnough
		}
		o := h.Observation()
		o.Hello, o.Received = h.ClientHello.Clone(), nil
		if o.QUIC != nil {
			q := *o.QUIC
			q.FrameTypes = bytes.Clone(q.FrameTypes)
			o.QUIC = &q
		}
		found = append(found, o)
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}
