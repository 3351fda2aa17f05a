package echo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/answers"
	"github.com/tlspeek/tlspeek/server"
)

const (
	lineTimeout = 2 * time.Minute // to the next line
	lineBuffer  = 4 << 10         // bytes; longer lines are answered too

	// maxKept is the longest answer that is kept from one line to the next.
	maxKept = 16 << 10

	// maxCompact is how long a compact answer may be because of its candidates, with
	// its newline. Simple clients read 1,000 bytes at once.
	maxCompact = 900
)

// ServeLines is a [server.LineHandler]: it answers each line with the Event of
// the connection, as one line of JSON, until the client ends its side, sends
// nothing for two minutes, or ctx is done. A last line without its end counts.
//
// The Event is compact, and lacks the last of its candidates if it would be over 900
// bytes with them. After the line "full" it is full, and after "detail" it has the
// hello as a tree and as bytes. If there is no room for an answer for 15 seconds, the
// line is {"error":...}, and the last one.
func (h *Handler) ServeLines(ctx context.Context, conn net.Conn) error {
	h.once.Do(h.register)
	b := bufio.NewReaderSize(conn, lineBuffer)
	var kept keptAnswer
	long := false // the line is longer than the buffer
	for {
		conn.SetReadDeadline(time.Now().Add(lineTimeout))
		if ctx.Err() != nil { // checked last: its end sets a deadline in the past
			return nil
		}
		line, err := b.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long = true
			continue // to the line's end
		}
		if err != nil && (err != io.EOF || len(line) == 0) {
			if err == io.EOF {
				return nil
			}
			return err
		}
		size := event.Compact
		if !long {
			size = sizeOf(line)
		}
		long = false
		if h.NextLine != nil {
			if err := h.NextLine(ctx); err != nil {
				return err
			}
		}
		if kept, err = h.answerLine(ctx, conn, size, kept); err != nil {
			return err
		}
	}
}

// appendLine appends e, which may lose candidates.
func appendLine(dst []byte, e *event.Event, size event.Size) ([]byte, error) {
	for {
		line, err := e.AppendJSON(dst)
		if err != nil {
			return dst, err
		}
		line = append(line, '\n')
		if size != event.Compact || len(line)-len(dst) <= maxCompact || len(e.Client) < 2 {
			return line, nil
		}
		e.Client = e.Client[:len(e.Client)-1]
	}
}

// sizeOf returns the size of Event that a line asks for.
func sizeOf(line []byte) event.Size {
	switch string(bytes.TrimSpace(line)) {
	case "full":
		return event.Full
	case "detail":
		return event.Detail
	}
	return event.Compact
}

// A keptAnswer is the answer to the line before.
type keptAnswer struct {
	size event.Size
	text []byte // nil if none is kept
}

// busyLine is the answer to a line that has waited in vain.
const busyLine = `{"error":"` + answers.Busy + `"}` + "\n"

// answerLine answers a line with an Event of the given size, and returns the answer
// if it is short enough to keep for the next one.
func (h *Handler) answerLine(ctx context.Context, conn net.Conn, size event.Size, kept keptAnswer) (keptAnswer, error) {
	c := server.ClientOf(ctx)
	if c == nil {
		return keptAnswer{}, errUnknownConnection
	}
	cost := answers.EventCost(size, c.HelloSize())
	if kept.text != nil && kept.size == size {
		cost = answers.Cost{Bytes: len(kept.text)}
	}
	a, ok := h.budgets.Begin(ctx, answers.NetworkOf(conn.RemoteAddr()), cost)
	if !ok {
		err := answers.Write(conn, conn.SetWriteDeadline, []byte(busyLine))
		return keptAnswer{}, errors.Join(errors.New(answers.Busy), err)
	}
	defer a.End()
	if kept.text == nil || kept.size != size {
		e, ok := answers.EventOfClient(c, size)
		if !ok {
			return keptAnswer{}, server.ErrNoHello
		}
		text, err := appendLine(nil, &e, size)
		if err != nil {
			return keptAnswer{}, fmt.Errorf("writing an Event: %w", err)
		}
		kept = keptAnswer{size, text}
	}
	a.Rendered(cap(kept.text))
	if err := answers.Write(conn, conn.SetWriteDeadline, kept.text); err != nil {
		return keptAnswer{}, err
	}
	if len(kept.text) > maxKept {
		kept = keptAnswer{}
	}
	return kept, nil
}
