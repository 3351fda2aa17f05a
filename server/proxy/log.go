package proxy

import (
	"context"
	"log/slog"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/server"
)

// logFailed logs that x failed, with the id of the Event and the rest by which its line in the
// access log is found.
func (x *exchange) logFailed(kind FailKind, err error) {
	level := slog.LevelWarn
	if kind == FailClient {
		level = slog.LevelDebug
	}
	ctx := context.Background()
	if !x.p.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("route", x.to.name), slog.String("kind", kind.String()), slog.Any("error", err),
		slog.String("client", clientAddr(x.in.RemoteAddr)), slog.String("host", accessText(x.in.Host))}
	if c := server.ClientOf(x.in.Context()); c != nil {
		if e, ok := c.Event(event.Compact); ok {
			attrs = append(attrs, slog.String("event", e.ID.String()))
		}
	}
	x.p.log.LogAttrs(ctx, level, "a request could not be passed on", attrs...)
}
