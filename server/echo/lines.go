package echo

import (
	"bufio"
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
)

// ServeLines is a [server.LineHandler]: it answers each line with the Event of
// the connection, as one line of JSON, until the client ends its side, sends
// nothing for two minutes, or ctx is done. A last line without its end counts.
func (h *Handler) ServeLines(ctx context.Context, conn net.Conn) error {
	b := bufio.NewReaderSize(conn, lineBuffer)
	var kept []byte
	for {
		conn.SetReadDeadline(time.Now().Add(lineTimeout))
		if ctx.Err() != nil { // checked last: its end sets a deadline in the past
			return nil
		}
		line, err := b.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue // to the line's end
		}
		if err != nil && (err != io.EOF || len(line) == 0) {
			if err == io.EOF {
				return nil
			}
			return err
		}
		if kept, err = h.answerLine(ctx, conn, kept); err != nil {
			return err
		}
	}
}

// answerLine answers a line, and returns the answer if it is short enough to
// keep for the next one.
func (h *Handler) answerLine(ctx context.Context, conn net.Conn, answer []byte) ([]byte, error) {
	leave, ok := h.limiter.Enter(ctx)
	if !ok {
		return nil, errors.New(answers.Busy)
	}
	defer leave()
	if answer == nil {
		c := server.ClientOf(ctx)
		if c == nil {
			return nil, errors.New(unknownConnection)
		}
		o, ok := c.Observation()
		if !ok {
			return nil, server.ErrNoHello
		}
		e := answers.Event(&o, h.Clients, event.Full)
		var err error
		if answer, err = e.AppendJSON(nil); err != nil {
			return nil, fmt.Errorf("writing an Event: %w", err)
		}
		answer = append(answer, '\n')
	}
	if err := answers.Write(conn, conn.SetWriteDeadline, answer); err != nil {
		return nil, err
	}
	if len(answer) > maxKept {
		answer = nil
	}
	return answer, nil
}
