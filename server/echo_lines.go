package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
)

// maxKept is the longest answer that is kept from one line to the next.
const maxKept = 16 << 10

// answerLines answers each line with the connection's own Event, until the
// client has said its last, or ctx is done. A last line without its end counts.
func (a *answers) answerLines(ctx context.Context, conn net.Conn) error {
	client := connOf(conn)
	b := bufio.NewReaderSize(conn, maxLine)
	var kept []byte
	for {
		conn.SetReadDeadline(time.Now().Add(defaultIdleTimeout))
		if ctx.Err() != nil { // after the deadline, which its end puts into the past
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
		if kept, err = a.answerLine(ctx, conn, client, kept); err != nil {
			return err
		}
	}
}

// answerLine answers a line, and returns the answer if it is not too long to be
// kept for the next one.
func (a *answers) answerLine(ctx context.Context, conn net.Conn, client *Conn, answer []byte) ([]byte, error) {
	leave, ok := a.enter(ctx, client)
	if !ok {
		return nil, errors.New(busy)
	}
	defer leave()
	if answer == nil {
		o, ok := client.observed(new(parser.ClientHello))
		if !ok {
			return nil, ErrNoHello
		}
		e := eventOf(&o, client.users(), event.Full)
		var err error
		if answer, err = e.AppendJSON(nil); err != nil {
			return nil, fmt.Errorf("writing an Event: %w", err)
		}
		answer = append(answer, '\n')
	}
	if err := writeAll(conn, conn.SetWriteDeadline, answer); err != nil {
		return nil, err
	}
	if len(answer) > maxKept {
		answer = nil
	}
	return answer, nil
}
