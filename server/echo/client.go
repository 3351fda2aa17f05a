package echo

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
)

// RunLines speaks the line protocol as a client: it sends lines until they end,
// and writes the replies until the server closes its side. It closes conn when
// ctx is done.
func RunLines(ctx context.Context, conn *tls.Conn, lines io.Reader, replies io.Writer) error {
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
