package server_test

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/server"
)

// http2Bytes returns what a client sends over HTTP/2: its preface, its settings, and
// what frames writes.
func http2Bytes(t *testing.T, frames func(f *http2.Framer)) []byte {
	t.Helper()
	var out bytes.Buffer
	out.WriteString(http2.ClientPreface)
	f := http2.NewFramer(&out, nil)
	f.AllowIllegalWrites = true
	require.NoError(t, f.WriteSettings())
	frames(f)
	return out.Bytes()
}

// headerBlock returns the HPACK form of names and values in turn.
func headerBlock(namesAndValues ...string) []byte {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for i := 0; i < len(namesAndValues); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: namesAndValues[i], Value: namesAndValues[i+1]}) // a Buffer takes all
	}
	return block.Bytes()
}

// getFields returns the header block of a GET request, with more fields after those that
// each request has.
func getFields(more ...string) []byte {
	return headerBlock(append([]string{":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/"}, more...)...)
}

// headerFrames returns a function that writes whole header blocks, each on a stream of its
// own and in as many frames as it needs.
func headerFrames(blocks ...[]byte) func(f *http2.Framer) {
	return func(f *http2.Framer) {
		for i, block := range blocks {
			writeBlock(f, uint32(2*i+1), block, true)
		}
	}
}

// writeBlock writes a header block. The last frame says that it ends if end is set.
func writeBlock(f *http2.Framer, stream uint32, block []byte, end bool) {
	const most = 16 << 10 // bytes of a frame, as it begins
	first := block[:min(len(block), most)]
	block = block[len(first):]
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: true, EndHeaders: end && len(block) == 0})
	for len(block) > 0 {
		next := block[:min(len(block), most)]
		block = block[len(next):]
		_ = f.WriteContinuation(stream, end && len(block) == 0, next)
	}
}

// TestSettledByUnusualRequestsOverHTTP2: what upgrades a connection, opens a tunnel,
// or is malformed settles once. A header block that is whole is the first request,
// whether net/http answers it or resets its stream; one that never is, or that HPACK
// cannot read, is none.
func TestSettledByUnusualRequestsOverHTTP2(t *testing.T) {
	for name, c := range map[string]struct {
		frames  func(f *http2.Framer)
		settled event.Settled
		agent   string
	}{
		"WebSocket": {headerFrames(headerBlock(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":path", "/chat",
			":authority", "x", "sec-websocket-version", "13", "user-agent", "socket/1")), event.SettledRequest, "socket/1"},
		"CONNECT":                     {headerFrames(headerBlock(":method", "CONNECT", ":authority", "other.example:443", "user-agent", "tunnel/1")), event.SettledRequest, "tunnel/1"},
		"OPTIONS *":                   {headerFrames(headerBlock(":method", "OPTIONS", ":scheme", "https", ":authority", "x", ":path", "*", "user-agent", "all/1")), event.SettledRequest, "all/1"},
		"two User-Agents":             {headerFrames(getFields("user-agent", "first/1", "user-agent", "second/1")), event.SettledRequest, "first/1"},
		"no User-Agent":               {headerFrames(getFields()), event.SettledRequest, ""},
		"two requests":                {headerFrames(getFields("user-agent", "a/1"), getFields("user-agent", "b/1")), event.SettledRequest, "a/1"},
		"no path":                     {headerFrames(headerBlock(":method", "GET", ":scheme", "https", ":authority", "x", "user-agent", "bare/1")), event.SettledRequest, "bare/1"},
		"no pseudo-header fields":     {headerFrames(headerBlock("user-agent", "none/1")), event.SettledRequest, "none/1"},
		"pseudo-header field at last": {headerFrames(headerBlock("user-agent", "late/1", ":method", "GET", ":scheme", "https", ":path", "/")), event.SettledRequest, "late/1"},
		"upper case":                  {headerFrames(getFields("user-agent", "case/1", "X-Upper", "x")), event.SettledRequest, "case/1"},
		"malformed before another":    {headerFrames(headerBlock(":method", "GET", "user-agent", "bad/1"), getFields("user-agent", "good/1")), event.SettledRequest, "bad/1"},
		"reset after its header": {func(f *http2.Framer) {
			headerFrames(getFields("user-agent", "gone/1"))(f)
			_ = f.WriteRSTStream(1, http2.ErrCodeCancel)
		}, event.SettledRequest, "gone/1"},
		"CONTINUATION": {func(f *http2.Framer) {
			block := getFields("user-agent", "parts/1")
			_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:1], EndStream: true})
			for i := 1; i < len(block); i++ {
				_ = f.WriteContinuation(1, i == len(block)-1, block[i:i+1])
			}
		}, event.SettledRequest, "parts/1"},
		"longer than what is recorded": {headerFrames(getFields("user-agent", "long/1", "x", strings.Repeat("x", 100<<10))), event.SettledRequest, "long/1"},
		"longer than what is served":   {headerFrames(getFields("user-agent", "long/1", "x", strings.Repeat("x", 4<<20))), event.SettledEnd, ""},
		"index that is not there":      {headerFrames(append(getFields("user-agent", "bad/1"), 0xfe)), event.SettledEnd, ""},
		"index 0":                      {headerFrames(append(getFields("user-agent", "bad/1"), 0x80)), event.SettledEnd, ""},
		"string that is cut":           {headerFrames(append(getFields("user-agent", "bad/1"), 0x00, 0x05, 'a')), event.SettledEnd, ""},
		"Huffman code that is none":    {headerFrames(append(getFields("user-agent", "bad/1"), 0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00)), event.SettledEnd, ""},
		"CONTINUATION without end": {func(f *http2.Framer) {
			writeBlock(f, 1, getFields("user-agent", "part/1", "x", strings.Repeat("x", 4<<20)), false)
		}, event.SettledEnd, ""},
		"empty CONTINUATION without end": {func(f *http2.Framer) {
			writeBlock(f, 1, getFields("user-agent", "part/1"), false)
			for range 20_000 {
				_ = f.WriteContinuation(1, false, nil)
			}
		}, event.SettledEnd, ""},
		"header without end": {func(f *http2.Framer) { writeBlock(f, 1, getFields("user-agent", "part/1"), false) }, event.SettledEnd, ""},
		"reset before its end": {func(f *http2.Framer) {
			writeBlock(f, 1, getFields("user-agent", "part/1"), false)
			_ = f.WriteRSTStream(1, http2.ErrCodeCancel)
			_ = f.WriteContinuation(1, true, nil)
		}, event.SettledEnd, ""},
		"another stream before its end": {func(f *http2.Framer) {
			writeBlock(f, 1, getFields("user-agent", "part/1"), false)
			writeBlock(f, 3, getFields("user-agent", "other/1"), true)
		}, event.SettledEnd, ""},
		"stream 0":    {func(f *http2.Framer) { writeBlock(f, 0, getFields("user-agent", "zero/1"), true) }, event.SettledEnd, ""},
		"no requests": {func(f *http2.Framer) { _ = f.WritePing(false, [8]byte{}) }, event.SettledEnd, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // net/http waits for a second before it closes a connection with an error
			var settled settledEvents
			l := &server.Listener{Listener: servertest.Listen(t), Settled: settled.add}
			stop := serve(t, &server.Server{Handler: http.HandlerFunc(verdicts)}, l, time.Second)
			conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
			require.NoError(t, err)
			defer conn.Close()
			sent := http2Bytes(t, c.frames)
			go func() {
				conn.Write(sent) // the server may close before all is sent
				if c.settled == event.SettledEnd {
					conn.CloseWrite()
				}
			}()
			if c.settled == event.SettledRequest {
				settled.wait(t, 1) // the connection is open
			} else {
				io.Copy(io.Discard, conn) // until the server closes
			}
			conn.Close()
			require.NoError(t, stop())
			require.NoError(t, l.SettleAll(t.Context()))
			events := settled.all()
			require.Len(t, events, 1)
			assert.Equal(t, c.settled, events[0].Settled)
			assert.Equal(t, c.agent, events[0].UserAgent)
			assert.Equal(t, c.agent != "", events[0].Claim != nil)
			if assert.NotNil(t, events[0].Handshake) {
				assert.Equal(t, "h2", events[0].Handshake.ALPN)
			}
		})
	}
}
