package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/policy"
)

// policyEvents makes the Events of captures that a policy is asked about: those that
// scan prints, whatever the policy needs.
type policyEvents struct {
	reader capture.Reader
	size   event.Size
	memo   event.Memo

	clients     *known.Database
	skipClients bool
}

// eventsFor returns the policyEvents for a policy.
func eventsFor(p *policy.Policy, clients *known.Database) *policyEvents {
	return &policyEvents{
		size:        max(p.Size(policy.AtHello), p.Size(policy.AtRequest)),
		clients:     clients,
		skipClients: !p.NeedsClients(policy.AtHello) && !p.NeedsClients(policy.AtRequest),
	}
}

// read calls each with the Event of each hello of a capture, which is valid until each
// returns.
func (c *policyEvents) read(ctx context.Context, name string, r io.Reader, each func(*event.Event) error) (capture.Stats, error) {
	observer := event.Observer{Clients: c.clients, SkipClients: c.skipClients, Memo: &c.memo}
	var trackers known.Trackers
	var tells []known.Tell
	var e event.Event
	return c.reader.Read(ctx, r, func(h *capture.Hello) error {
		o := h.Observation()
		o.File = name
		if !c.skipClients && o.Err == nil {
			tells = trackers.AppendTells(tells[:0], o.Src.Addr(), &known.Observation{Hello: o.Hello, Index: o.Index})
			o.Tells = tells
		}
		observer.Fill(&e, &o, c.size)
		return each(&e)
	})
}

// errFound ends the search for a packet.
var errFound = errors.New("found")

// packet calls each with the Events of the hellos that a packet of a capture completed.
func (c *policyEvents) packet(ctx context.Context, name string, number int64, each func(*event.Event) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	found := false
	var others []string
	_, err = c.read(ctx, name, f, func(e *event.Event) error {
		switch {
		case e.Packet == number:
			found = true
			return each(e)
		case found:
			return errFound
		case len(others) < 5:
			others = append(others, strconv.FormatInt(e.Packet, 10))
		}
		return nil
	})
	switch {
	case errors.Is(err, errFound) || found && err == nil:
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case others == nil:
		return fmt.Errorf("%s has no hello", name)
	}
	return fmt.Errorf("no hello of %s is complete with packet %d; the first are with %s", name, number, strings.Join(others, ", "))
}

// argument calls each with the Events that an argument names: those of a file or of
// standard input in JSON, or the hellos of a packet as in capture.pcap:17.
func (c *policyEvents) argument(ctx context.Context, arg string, stdin io.Reader, each func(*event.Event) error) error {
	if arg == "-" {
		return readEvents("standard input", stdin, each)
	}
	f, err := os.Open(arg)
	if err == nil {
		defer f.Close()
		return readEvents(arg, f, each)
	}
	name, number, _ := cutLast(arg, ":")
	packet, numberErr := strconv.ParseInt(number, 10, 64)
	switch _, statErr := os.Stat(name); {
	case statErr != nil:
		return err
	case numberErr != nil || packet < 1:
		return fmt.Errorf("%s: the number of a packet is 1 or more", arg)
	}
	return c.packet(ctx, name, packet, each)
}

// cutLast cuts s around the last sep.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// readEvents reads Events in JSON.
func readEvents(name string, r io.Reader, each func(*event.Event) error) error {
	b := bufio.NewReader(r)
	if start, err := b.Peek(1); err == nil && !strings.Contains("{ \t\r\n", string(start)) {
		return fmt.Errorf("%s has no Events in JSON; for a hello of a capture, write %s:17, with the number of its packet", name, name)
	}
	if err := policy.ReadEvents(b, each); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
