package proxy

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
)

// maxAccessText is how many bytes of a text of the client a line has.
const maxAccessText = 4 << 10

// logAccess has log write the record of a request. Attributes without a value are left out.
func logAccess(ctx context.Context, log *slog.Logger, x *Access) {
	var room [24]slog.Attr
	attrs := room[:0]
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	if x.Client.IsValid() {
		text("client", x.Client.String())
	}
	text("method", accessText(x.Method))
	text("host", accessText(x.Host))
	text("uri", accessText(x.URI))
	text("proto", x.Proto)
	attrs = append(attrs,
		slog.Int("status", x.Status),
		slog.Int64("sent", x.Sent),
		slog.Int64("received", x.Received),
		slog.Float64("seconds", x.Took.Round(time.Microsecond).Seconds()))
	text("user_agent", accessText(x.UserAgent))
	text("referer", accessText(x.Referer))
	text("route", x.Route)
	if x.Upgraded {
		attrs = append(attrs, slog.Bool("upgraded", true))
	}
	if x.Aborted {
		attrs = append(attrs, slog.Bool("aborted", true))
	}
	if x.Event != (event.ID{}) {
		text("event", x.Event.String())
	}
	text("ja4", x.JA4)
	text("tls_client", x.TLS)
	text("claim", x.Claim)
	text("rule", x.Rule)
	text("action", x.Action)
	text("tags", strings.Join(x.Tags, ","))
	log.LogAttrs(ctx, slog.LevelInfo, "request", attrs...)
}

// accessText returns a text of the client as an Event has it: printable, and without loss
// unless it is too long.
func accessText(s string) string {
	s = s[:min(len(s), maxAccessText)]
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '\\' {
			return parser.Text([]byte(s))
		}
	}
	return s
}

// appendCombined appends the line of a request in Apache's combined format, with two more
// fields in quotes: JA4 and client.
func (x *Access) appendCombined(dst []byte) []byte {
	if x.Client.IsValid() {
		dst = x.Client.AppendTo(dst)
	} else {
		dst = append(dst, '-')
	}
	dst = append(dst, " - - ["...)
	dst = x.Time.AppendFormat(dst, "02/Jan/2006:15:04:05 -0700")
	dst = append(dst, `] "`...)
	dst = append(appendEscaped(dst, x.Method), ' ')
	dst = append(appendEscaped(dst, x.URI), ' ')
	dst = append(appendEscaped(dst, x.Proto), `" `...)
	dst = append(strconv.AppendInt(dst, int64(x.Status), 10), ' ')
	if x.Sent > 0 {
		dst = strconv.AppendInt(dst, x.Sent, 10)
	} else {
		dst = append(dst, '-')
	}
	for _, text := range [...]string{x.Referer, x.UserAgent, x.JA4, x.TLS} {
		dst = append(dst, ` "`...)
		if text == "" {
			text = "-"
		}
		dst = append(appendEscaped(dst, text), '"')
	}
	return append(dst, '\n')
}

// appendEscaped appends s as Apache's mod_log_config does: quotes and backslashes after a
// backslash, and what is not printable ASCII as \n or \xhh.
func appendEscaped(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	s = s[:min(len(s), maxAccessText)]
	for i := range len(s) {
		c := s[i]
		if ' ' <= c && c <= '~' && c != '"' && c != '\\' {
			dst = append(dst, c)
			continue
		}
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\v':
			dst = append(dst, `\v`...)
		default:
			dst = append(dst, '\\', 'x', digits[c>>4], digits[c&15])
		}
	}
	return dst
}
