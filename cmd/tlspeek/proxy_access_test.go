package main

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/server/proxy"
)

// TestPassedLines: the line of a connection follows the rules of that of a request. What has
// no value is left out, and tags are one text.
func TestPassedLines(t *testing.T) {
	line := func(c proxy.PassedConn) string {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		(&accessLog{log: log}).passed(&c)
		return out.String()
	}
	client := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:1234"))
	assert.Equal(t, "level=INFO msg=connection client=192.0.2.1 result=no_hello seconds=0.007128 sent=0 received=0 error=EOF\n",
		line(proxy.PassedConn{Client: client, Took: 7128218 * time.Nanosecond, Err: io.EOF}))
	assert.Equal(t, "level=INFO msg=connection route=default result=passed seconds=1 sent=2 received=3\n",
		line(proxy.PassedConn{Client: &net.UnixAddr{}, To: "127.0.0.1:1", Took: time.Second, Sent: 3, Received: 2}))
	e := event.Event{ID: event.ID{15: 1}, Rule: "r", Action: "tag", Tags: []string{"none", "b:c"}}
	e.Fingerprints.Set("ja4", "t13d1516h2_8daaf6152771_d8a2da3f94cd")
	assert.Equal(t, "level=INFO msg=connection client=192.0.2.1 server_name=a.example route=*.example result=broken seconds=0 sent=0 received=0"+
		" event=00000000000000000000000000000001 ja4=t13d1516h2_8daaf6152771_d8a2da3f94cd rule=r action=tag tags=none,b:c error=gone\n",
		line(proxy.PassedConn{Client: client, ServerName: "a.example", Route: "*.example", To: "127.0.0.1:1", Err: errors.New("gone"), Event: e}))
}

// TestAccessLogNamesItself: when it cannot be written, the message is not about Events.
func TestAccessLogNamesItself(t *testing.T) {
	var log lockedBuffer
	f := accessFlags{log: "-", format: "text"}
	broken, w := io.Pipe()
	broken.CloseWithError(errors.New("no room"))
	a, err := f.open(w, slog.New(slog.NewTextHandler(&log, nil)))
	assert.NoError(t, err)
	a.log.Info("x")
	assert.Eventually(t, func() bool { return strings.Contains(log.String(), "fails") }, time.Minute, time.Millisecond)
	assert.Error(t, a.finish(t.Context(), slog.New(slog.DiscardHandler)))
	assert.Contains(t, log.String(), `level=ERROR msg="writing lines of the access log fails" file=- error="no room"`)
}
