package proxy_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Backend returns a handler of connections over HTTP/2 without TLS that calls answer for
// each request. A connection ends when that returns false.
func h2Backend(settings []http2.Setting, answer func(f *http2.Framer, stream uint32) bool) func(net.Conn, *bufio.Reader) {
	return func(conn net.Conn, r *bufio.Reader) {
		if _, err := io.CopyN(io.Discard, r, int64(len(http2.ClientPreface))); err != nil {
			return
		}
		f := http2.NewFramer(conn, r)
		if f.WriteSettings(settings...) != nil {
			return
		}
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					_ = f.WriteSettingsAck()
				}
			case *http2.HeadersFrame:
				if !answer(f, frame.StreamID) {
					return
				}
			}
		}
	}
}

// fields encodes fields for a HEADERS frame.
func fields(pairs ...string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(pairs); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return b.Bytes()
}

func headers(f *http2.Framer, stream uint32, end bool, pairs ...string) {
	_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: fields(pairs...), EndHeaders: true, EndStream: end})
}

// TestRefusalsOfHTTP2Backends: none of what has a Transport send a request again keeps a
// client waiting for longer than the limits say, or floods the backend with connections.
func TestRefusalsOfHTTP2Backends(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings []http2.Setting
		answer   func(f *http2.Framer, stream uint32) bool
		status   int
		kind     string
	}{
		{"GOAWAY and end", nil, func(f *http2.Framer, _ uint32) bool { _ = f.WriteGoAway(0, http2.ErrCodeNo, nil); return false }, 502, "reset"},
		{"GOAWAY", nil, func(f *http2.Framer, _ uint32) bool { _ = f.WriteGoAway(0, http2.ErrCodeNo, nil); return true }, 502, "reset"},
		{"GOAWAY with an error", nil, func(f *http2.Framer, _ uint32) bool {
			_ = f.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil)
			return false
		}, 502, "reset"},
		{"GOAWAY of what was taken", nil, func(f *http2.Framer, s uint32) bool { _ = f.WriteGoAway(s, http2.ErrCodeNo, nil); return true }, 504, "timeout"},
		{"refused stream", nil, func(f *http2.Framer, s uint32) bool { return f.WriteRSTStream(s, http2.ErrCodeRefusedStream) == nil }, 504, "timeout"},
		{"protocol error", nil, func(f *http2.Framer, s uint32) bool { return f.WriteRSTStream(s, http2.ErrCodeProtocol) == nil }, 502, "reset"},
		{"no streams", []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 0}}, func(*http2.Framer, uint32) bool { return true }, 504, "timeout"},
		{"an interim answer", nil, func(f *http2.Framer, s uint32) bool { headers(f, s, false, ":status", "103"); return true }, 504, "timeout"},
		{"end", nil, func(*http2.Framer, uint32) bool { return false }, 502, "reset"},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(c.name+" "+method, func(t *testing.T) {
				t.Parallel()
				b := startRaw(t, h2Backend(c.settings, c.answer))
				var failed failures
				p := to(t, "h2c"+strings.TrimPrefix(b.url, "http"))
				p.AnswerTimeout, p.StallTimeout, p.ConnectTimeout, p.Failed = 400*time.Millisecond, 400*time.Millisecond, time.Second, failed.note
				f := start(t, p)
				for range 2 {
					answered := make(chan int, 1)
					go func() {
						var body io.Reader
						if method == "POST" {
							body = strings.NewReader("hello")
						}
						req, _ := http.NewRequest(method, f.url("h2"), body)
						resp, err := f.h2.Do(req)
						if err != nil {
							answered <- 0
							return
						}
						_, _ = io.Copy(io.Discard, resp.Body)
						resp.Body.Close()
						answered <- resp.StatusCode
					}()
					select {
					case status := <-answered:
						if method == "GET" {
							assert.Equal(t, c.status, status)
						} else {
							assert.Contains(t, []int{502, 504}, status)
						}
					case <-time.After(10 * time.Second):
						t.Fatal("no answer")
					}
				}
				if method == "GET" {
					assert.Contains(t, failed.all(), "default "+c.kind)
				}
				_, conns := b.received()
				assert.LessOrEqual(t, conns, 25)
			})
		}
	}
}
