package learn

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// maxEventLine is the longest line of Events that is read, in bytes: a hello of 64 KiB as
// a tree.
const maxEventLine = 32 << 20

// An eventLine has the keys of an Event that are read.
type eventLine struct {
	Time            time.Time  `json:"time"`
	Transport       string     `json:"transport"`
	SrcIP           netip.Addr `json:"src_ip"`
	HelloIndex      int        `json:"hello_index"`
	AddressVerified *bool      `json:"address_verified"`
	UserAgent       string     `json:"user_agent"`
	Claim           struct {
		Verdict string `json:"verdict"`
	} `json:"claim"`
	Tells []known.Tell `json:"tells"`
	Raw   []byte       `json:"raw"`
}

// EventCounts says what lines of Events had no hello to add.
type EventCounts struct {
	Lines  int64 // that are not empty
	NoRaw  int64 // without the key raw
	Broken int64 // no JSON object, not those of an Event, or too long
	First  error // why the first of Broken is none
}

// Events reads Events as JSON lines, adds their hellos, and calls each after each line. The
// error is that of r or ctx.
func (l *Learner) Events(ctx context.Context, r io.Reader, source string, each func()) (c EventCounts, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	var long []byte // a line that is longer than the buffer
	var h parser.ClientHello
	for n := 1; ctx.Err() == nil; n++ {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = long[:0]
			for ; errors.Is(err, bufio.ErrBufferFull); line, err = in.ReadSlice('\n') {
				if len(long) <= maxEventLine {
					long = append(long, line...)
				}
			}
			if len(long) <= maxEventLine {
				long = append(long, line...)
			}
			line = long
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return c, err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			c.Lines++
			if bad := l.event(line, source, &h, &c); bad != nil {
				if c.Broken++; c.First == nil {
					c.First = fmt.Errorf("line %d: %w", n, bad)
				}
			}
			each()
		}
		if err != nil {
			return c, nil
		}
	}
	return c, ctx.Err()
}

// event adds the hello of a line.
func (l *Learner) event(line []byte, source string, h *parser.ClientHello, c *EventCounts) error {
	if len(line) > maxEventLine {
		return fmt.Errorf("longer than %d bytes", maxEventLine)
	}
	var e eventLine
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	if len(e.Raw) == 0 {
		c.NoRaw++
		return nil
	}
	transport, ok := parser.ParseTransport(e.Transport)
	if !ok {
		return fmt.Errorf("transport %q is none of tls, quic, dtls", e.Transport)
	}
	s := Sighting{
		Time: e.Time, Addr: e.SrcIP, Index: e.HelloIndex, UserAgent: e.UserAgent, Verdict: e.Claim.Verdict, Source: source,
		Unverified: e.AddressVerified != nil && !*e.AddressVerified,
	}
	s.AddTells(e.Tells)
	h.Transport = transport
	if h.Unmarshal(e.Raw) == nil {
		s.Hello = h
	}
	l.Add(&s)
	return nil
}
