package helloinput

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/observe"
)

// FromCapture calls take with the hello of the given packet, or with the only hello if
// packet is 0. An error of the capture matters only if that hello is not found.
func FromCapture(ctx context.Context, r io.Reader, packet int64, take func(*capture.Hello) error) error {
	found := false
	var taken error // of take
	var packets []string
	errFound := errors.New("found")
	stats, err := capture.Read(ctx, r, func(h *capture.Hello) error {
		packets = append(packets, strconv.FormatInt(h.Packet, 10))
		if packet != 0 && h.Packet != packet || packet == 0 && found {
			return nil
		}
		found = true
		taken = take(h)
		if packet != 0 {
			return errFound
		}
		return nil
	})
	switch {
	case packet == 0 && len(packets) > 1:
		return fmt.Errorf("%d hellos: choose one with --packet, of %s", len(packets), list(packets))
	case found:
		return taken
	case err != nil:
		return err
	case len(packets) == 0:
		return errNone(&stats)
	}
	return fmt.Errorf("no hello ends in packet %d; they end in %s", packet, list(packets))
}

// errNone returns the error for a capture without a hello, with what was not read in it.
func errNone(stats *capture.Stats) error {
	text := "no hello in this capture"
	for i, n := range stats.Notes() {
		separator := ", "
		if i == 0 {
			separator = ": "
		}
		text += separator + strconv.FormatInt(n.Count, 10) + " " + n.Text
	}
	return errors.New(text)
}

// list returns the first few items.
func list(items []string) string {
	const most = 12
	if len(items) > most {
		return strings.Join(items[:most], ", ") + " and so on"
	}
	return strings.Join(items, ", ")
}

// Input returns a copy of h as package fingerprint takes it.
func Input(h *capture.Hello) *fingerprint.Input {
	in := &fingerprint.Input{Hello: h.ClientHello.Clone()}
	if h.QUIC != nil {
		initial := observe.Initial(h.QUIC)
		in.QUIC = clone(&initial)
	}
	return in
}

func clone(q *fingerprint.QUICInitial) *fingerprint.QUICInitial {
	c := *q
	c.FrameTypes = bytes.Clone(q.FrameTypes)
	return &c
}

// Bounds on a capture of which all hellos are kept.
const (
	maxHellos   = 500
	maxMemory   = 16 << 20 // bytes of state
	maxExpanded = 64 << 20 // bytes
)

// Observations returns the hellos in input: those of a capture, at most 500 of them,
// or the one in what Decode and Parse take.
func Observations(ctx context.Context, input []byte) ([]event.Observation, error) {
	b, err := Decode(input)
	if err != nil {
		return nil, err
	}
	r := capture.Reader{MaxMemory: maxMemory, MaxExpanded: maxExpanded}
	if format, _, err := r.Detect(bytes.NewReader(b)); format != capture.FormatUnknown || errors.Is(err, capture.ErrUnsupported) {
		return captureObservations(ctx, &r, b)
	}
	p := Parse(b)
	if p.Hello == nil {
		return nil, errors.Join(p.Errs...)
	}
	o := event.Observation{Index: 1, Hello: p.Hello, Transport: p.Hello.Transport, Err: p.FramingErr()}
	o.Carrier.Bytes = len(p.Hello.Raw)
	return []event.Observation{o}, nil
}

// errEnough ends the reading of a capture with too many hellos.
var errEnough = errors.New("enough")

func captureObservations(ctx context.Context, r *capture.Reader, input []byte) ([]event.Observation, error) {
	var found []event.Observation
	_, err := r.Read(ctx, bytes.NewReader(input), func(h *capture.Hello) error {
		if len(found) == maxHellos {
			return errEnough
		}
		o := h.Observation()
		o.Hello, o.Received = h.ClientHello.Clone(), nil
		if o.QUIC != nil {
			o.QUIC = clone(o.QUIC)
		}
		found = append(found, o)
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}
