package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/server"
)

// settings3 returns a SETTINGS frame of pairs of id and value.
func settings3(pairs ...uint64) []byte {
	var b []byte
	for _, n := range pairs {
		b = quicvarint.Append(b, n)
	}
	return frame(4, len(b), b)
}

// get3 is the HEADERS frame of GET https://a/ with pseudo-header fields in the order
// m,s,a,p, and a User-Agent.
func get3(userAgent string) []byte {
	fields := append([]byte("\x00\x00\xd1\xd7\x50\x01a\xc1\x5f\x50"), byte(len(userAgent)))
	fields = append(fields, userAgent...)
	return frame(1, len(fields), fields)
}

func text3(e event.Event) string { return e.Fingerprint("http3") }

// A recordingServer serves HTTP/3 and passes on what each request has as its Event when
// its handler runs.
type recordingServer struct {
	server.HTTP3
	addr    string
	events  chan event.Event
	settled settledEvents
}

func serveRecording(t *testing.T) *recordingServer {
	s := &recordingServer{events: make(chan event.Event, 1000)}
	s.Settled = s.settled.add
	s.Handler = server.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, _ := server.EventOf(r, event.Full)
		s.events <- e
		_, _ = io.Copy(w, r.Body)
	}))
	s.addr = serveHTTP3(t, &s.HTTP3)
	return s
}

// ask sends a request on a stream of its own and returns the answer.
func ask3(t *testing.T, conn *quic.Conn, request []byte) []byte {
	str, err := conn.OpenStreamSync(t.Context())
	require.NoError(t, err)
	_, err = str.Write(request)
	require.NoError(t, err)
	require.NoError(t, str.Close())
	require.NoError(t, str.SetReadDeadline(time.Now().Add(eventually)))
	answer, err := io.ReadAll(str)
	require.NoError(t, err)
	return answer
}

// TestHTTP3IsRecorded: the Event that a handler has, and the one that is settled, have
// the fingerprint of what the client sent.
func TestHTTP3IsRecorded(t *testing.T) {
	grease := frame(0x21, 2, []byte{1, 2})
	chromium := settings3(1, 65536, 6, 262144, 7, 100, 51, 1, 0x21+0x1f*0x12345678, 0xabcdef)
	for name, c := range map[string]struct {
		control    [][]byte // written one after the other
		request    []byte
		text, wire string
	}{
		"Chromium":            {[][]byte{{0}, chromium}, get3("x"), "1:65536;6:262144;7:100;51:1;GREASE|m,s,a,p", ""},
		"in the same write":   {[][]byte{append([]byte{0}, chromium...)}, append(grease, get3("x")...), "1:65536;6:262144;7:100;51:1;GREASE|m,s,a,p", ""},
		"unsorted":            {[][]byte{{0}, settings3(7, 20, 1, 0)}, get3("x"), "1:0;7:20|m,s,a,p", "7:20;1:0|m,s,a,p"},
		"other frames":        {[][]byte{append([]byte{0}, bytes.Join([][]byte{settings3(1, 0), grease, frame(0xf0700, 4, []byte("\x00u=1"))}, nil)...)}, get3("x"), "1:0|m,s,a,p", "1:0|GREASE|984832|m,s,a,p"},
		"empty settings":      {[][]byte{{0}, settings3()}, get3("x"), "|m,s,a,p", ""},
		"a type in two bytes": {[][]byte{{0x40, 0}, settings3(1, 0)}, get3("x"), "1:0|m,s,a,p", ""},
		"byte by byte":        {bytes.SplitAfter(append([]byte{0}, settings3(6, 0x4000, 1, 0)...), nil), get3("x"), "1:0;6:16384|m,s,a,p", "6:16384;1:0|m,s,a,p"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveRecording(t)
			conn := dialQUIC(t, s.addr)
			str, err := conn.OpenUniStream()
			require.NoError(t, err)
			for _, part := range c.control {
				_, err := str.Write(part)
				require.NoError(t, err)
				time.Sleep(time.Millisecond) // so that it has a packet of its own
			}
			assert.NotEmpty(t, ask3(t, conn, c.request))
			e := <-s.events
			assert.Equal(t, c.text, e.Fingerprint("http3"))
			if c.wire != "" {
				assert.Equal(t, c.wire, e.Fingerprint("http3_wire"))
			}
			settled := s.settled.wait(t, 1)[0]
			assert.Equal(t, event.SettledRequest, settled.Settled)
			assert.Equal(t, "x", settled.UserAgent)
			assert.Equal(t, c.text, settled.Fingerprint("http3"))
			assert.NotNil(t, settled.Handshake)
		})
	}
}

// TestHTTP3RequestBeforeSettings: the first request waits for SETTINGS, which may have
// been lost on the way, and is answered if they do not come.
func TestHTTP3RequestBeforeSettings(t *testing.T) {
	s := serveRecording(t)
	conn := dialQUIC(t, s.addr)
	str, err := conn.OpenUniStream()
	require.NoError(t, err)
	request, err := conn.OpenStream()
	require.NoError(t, err)
	_, err = request.Write(get3("x"))
	require.NoError(t, err)
	_, err = str.Write(append([]byte{0}, settings3(1, 0)...))
	require.NoError(t, err)
	assert.Equal(t, "1:0|m,s,a,p", text3(<-s.events))

	for name, control := range map[string][]byte{"no control stream": nil, "no type": {0x40}, "half of SETTINGS": {0, 4, 2, 1}, "another stream": {2}} {
		t.Run(name, func(t *testing.T) {
			s := serveRecording(t)
			conn := dialQUIC(t, s.addr)
			if control != nil {
				str, err := conn.OpenUniStream()
				require.NoError(t, err)
				_, err = str.Write(control)
				require.NoError(t, err)
			}
			assert.NotEmpty(t, ask3(t, conn, get3("x")))
			e := <-s.events
			assert.Empty(t, e.Fingerprint("http3"))
			assert.Equal(t, "x", e.UserAgent)
			assert.NotEmpty(t, ask3(t, conn, get3("x")))
		})
	}
}

// TestHTTP3MalformedControl: quic-go ends the connection, with the error that it has
// without a record.
func TestHTTP3MalformedControl(t *testing.T) {
	for name, c := range map[string]struct {
		streams [][]byte
		code    http3.ErrCode
	}{
		"no SETTINGS":          {[][]byte{append([]byte{0}, frame(7, 1, []byte{0})...)}, http3.ErrCodeMissingSettings},
		"SETTINGS twice":       {[][]byte{append(append([]byte{0}, settings3(1, 0)...), settings3(1, 0)...)}, http3.ErrCodeFrameUnexpected},
		"a setting twice":      {[][]byte{append([]byte{0}, settings3(6, 1, 6, 1)...)}, http3.ErrCodeFrameError},
		"half a setting":       {[][]byte{append([]byte{0}, frame(4, 1, []byte{0})...)}, http3.ErrCodeClosedCriticalStream},
		"two control streams":  {[][]byte{append([]byte{0}, settings3(1, 0)...), append([]byte{0}, settings3(1, 0)...)}, http3.ErrCodeStreamCreationError},
		"two without SETTINGS": {[][]byte{{0}, {0}}, http3.ErrCodeStreamCreationError},
		"HEADERS":              {[][]byte{append([]byte{0}, get3("x")...)}, http3.ErrCodeMissingSettings},
		"DATA behind SETTINGS": {[][]byte{append(append([]byte{0}, settings3(1, 0)...), frame(0, 0, nil)...)}, http3.ErrCodeFrameUnexpected},
		"a push stream":        {[][]byte{{1}}, http3.ErrCodeStreamCreationError},
		"two encoder streams":  {[][]byte{{2}, {2}}, http3.ErrCodeStreamCreationError},
		"SETTINGS without end": {[][]byte{append([]byte{0}, frame(4, 1<<20, nil)...)}, http3.ErrCodeFrameError},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveRecording(t)
			conn := dialQUIC(t, s.addr)
			for _, b := range c.streams {
				str, err := conn.OpenUniStream()
				require.NoError(t, err)
				_, err = str.Write(b)
				require.NoError(t, err)
			}
			select {
			case <-conn.Context().Done():
			case <-time.After(eventually):
				t.Fatal("it is still open")
			}
			var ended *quic.ApplicationError
			require.ErrorAs(t, context.Cause(conn.Context()), &ended)
			assert.Equal(t, quic.ApplicationErrorCode(c.code), ended.ErrorCode)
			assert.True(t, ended.Remote)
		})
	}
}

// TestHTTP3ControlStreamIsClosed: the connection ends, even if it is closed later.
func TestHTTP3ControlStreamIsClosed(t *testing.T) {
	s := serveRecording(t)
	conn := dialQUIC(t, s.addr)
	str, err := conn.OpenUniStream()
	require.NoError(t, err)
	_, err = str.Write(append([]byte{0}, settings3(1, 0)...))
	require.NoError(t, err)
	assert.NotEmpty(t, ask3(t, conn, get3("x")))
	require.NoError(t, str.Close())
	<-conn.Context().Done()
	var ended *quic.ApplicationError
	require.ErrorAs(t, context.Cause(conn.Context()), &ended)
	assert.Equal(t, quic.ApplicationErrorCode(http3.ErrCodeClosedCriticalStream), ended.ErrorCode)
}

// TestHTTP3UnreadableRequests: a request that cannot be read has no fingerprint, and the
// next one has.
func TestHTTP3UnreadableRequests(t *testing.T) {
	s := serveRecording(t)
	conn := dialQUIC(t, s.addr)
	str, err := conn.OpenUniStream()
	require.NoError(t, err)
	_, err = str.Write(append([]byte{0}, settings3(1, 0)...))
	require.NoError(t, err)
	for _, b := range [][]byte{frame(1, 3, []byte{2, 0, 0x80}), frame(1, 100, []byte{0, 0})} { // the dynamic table; half a header
		str, err := conn.OpenStream()
		require.NoError(t, err)
		_, err = str.Write(b)
		require.NoError(t, err)
		str.CancelWrite(0x10c)
	}
	assert.NotEmpty(t, ask3(t, conn, get3("x")))
	assert.Equal(t, "1:0|m,s,a,p", text3(<-s.events))
}

// TestHTTP3StalledRequests: requests whose header never ends hold up none behind them for
// long.
func TestHTTP3StalledRequests(t *testing.T) {
	s := serveRecording(t)
	conn := dialQUIC(t, s.addr)
	str, err := conn.OpenUniStream()
	require.NoError(t, err)
	_, err = str.Write(append([]byte{0}, settings3(1, 0)...))
	require.NoError(t, err)
	for range 20 {
		send(conn, t.Context(), frame(1, 100, []byte{0}))
	}
	assert.NotEmpty(t, ask3(t, conn, get3("x")))
	assert.Equal(t, "x", (<-s.events).UserAgent)
}

// TestHTTP3LongHeader: of a long header the beginning is read, and the handler has the
// whole.
func TestHTTP3LongHeader(t *testing.T) {
	s := serveRecording(t)
	transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.Close()
	req, err := http.NewRequest("POST", "https://"+s.addr+"/", strings.NewReader("body"))
	require.NoError(t, err)
	req.Header.Set("A-Cookie", strings.Repeat("\"", 20_000))
	req.Header.Set("User-Agent", "long")
	resp, err := (&http.Client{Transport: transport}).Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Equal(t, "body", string(body))
	e := <-s.events
	assert.NotEmpty(t, e.Fingerprint("http3"))
	assert.Equal(t, "long", e.UserAgent)
	assert.Equal(t, event.SettledRequest, s.settled.wait(t, 1)[0].Settled)
}

// TestHTTP3ManyRequests: each of many requests at once on one connection has the
// fingerprint, whichever handler runs first.
func TestHTTP3ManyRequests(t *testing.T) {
	s := serveRecording(t)
	for range 5 {
		transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		client := &http.Client{Transport: transport}
		var all sync.WaitGroup
		for range 60 {
			all.Go(func() {
				resp, err := client.Post("https://"+s.addr+"/", "text/plain", strings.NewReader(strings.Repeat("x", 1000)))
				if assert.NoError(t, err) {
					body, err := io.ReadAll(resp.Body)
					assert.NoError(t, err)
					assert.Len(t, body, 1000)
					resp.Body.Close()
				}
			})
		}
		all.Wait()
		require.NoError(t, transport.Close())
		for range 60 {
			e := <-s.events
			assert.Regexp(t, `^6:\d+(;8:1)?\|a,m,p,s$`, e.Fingerprint("http3"))
			assert.Equal(t, event.SettledRequest, e.Settled)
		}
	}
	assert.Len(t, s.settled.wait(t, 5), 5)
}
