package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
)

// Talk speaks the line protocol: it sends lines, up to their end, and writes
// the replies, up to theirs.
func Talk(ctx context.Context, conn *tls.Conn, lines io.Reader, replies io.Writer) error {
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(conn, lines)
		if err == nil {
			err = conn.CloseWrite()
		}
		sent <- err
	}()
	if _, err := io.Copy(replies, conn); err != nil {
		return fmt.Errorf("reading replies: %w", err)
	}
	if err := <-sent; err != nil {
		return fmt.Errorf("sending lines: %w", err)
	}
	return nil
}
