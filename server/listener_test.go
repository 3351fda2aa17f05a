package server_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// pipe returns a Conn of l and its client's end.
func pipe(t testing.TB, l *server.Listener) (conn *server.Conn, client net.Conn) {
	t.Helper()
	l.Listener = servertest.Listen(t)
	client, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	c, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c.(*server.Conn), client
}

// TestEmbedding runs the two lines of the package documentation.
func TestEmbedding(t *testing.T) {
	ln := servertest.Listen(t)
	srv := &http.Server{
		ConnContext: server.ConnContext,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e, ok := server.FromContext(r.Context())
			assert.True(t, ok)
			assert.NotNil(t, r.TLS)
			io.WriteString(w, r.Proto+" "+e.JA4())
		}),
	}
	certFile, keyFile := servertest.Certificate(t)
	served := make(chan error, 1)
	go func() { served <- srv.ServeTLS(&server.Listener{Listener: ln}, certFile, keyFile) }()

	for _, proto := range []struct {
		http2 bool
		want  string
	}{{true, "HTTP/2.0 t13i"}, {false, "HTTP/1.1 t13i"}} {
		client := servertest.HTTPClient(proto.http2)
		resp, err := client.Get("https://" + ln.Addr().String())
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		assert.Regexp(t, "^"+proto.want+"[0-9]{4}(00|h2)_[0-9a-f]{12}_[0-9a-f]{12}$", string(body))
		client.CloseIdleConnections()
	}
	require.NoError(t, srv.Shutdown(t.Context()))
	assert.ErrorIs(t, <-served, http.ErrServerClosed)
}

func TestFromContextWithoutListener(t *testing.T) {
	_, ok := server.FromContext(httptest.NewRequest("GET", "/", nil).Context())
	assert.False(t, ok)
	ctx := server.ConnContext(t.Context(), new(net.TCPConn))
	_, ok = server.FromContext(ctx)
	assert.False(t, ok)
}

func TestClientHelloBeforeTheHandshake(t *testing.T) {
	conn, client := pipe(t, &server.Listener{})
	config := servertest.Config(t)
	done := make(chan error, 1)
	go func() {
		done <- tls.Client(client, &tls.Config{InsecureSkipVerify: true, ServerName: "before.example"}).Handshake()
	}()
	h, err := conn.ClientHello()
	require.NoError(t, err)
	assert.Equal(t, "before.example", string(h.ServerName))
	require.NoError(t, tls.Server(conn, config).Handshake())
	require.NoError(t, <-done)
	e, ok := conn.Event(event.Compact)
	assert.True(t, ok)
	assert.Equal(t, fingerprint.JA4(h), e.JA4())
}

func TestSecondHello(t *testing.T) {
	var observed []int
	l := &server.Listener{Observe: func(o *event.Observation) {
		assert.NoError(t, o.Err)
		observed = append(observed, o.Index)
	}}
	conn, client := pipe(t, l)
	config := servertest.Config(t)
	config.CurvePreferences = []tls.CurveID{tls.CurveP521} // a group that no client sends a share for
	done := make(chan error, 1)
	go func() {
		done <- tls.Client(client, &tls.Config{InsecureSkipVerify: true}).Handshake()
	}()
	assert.Nil(t, conn.SecondClientHello())
	require.NoError(t, tls.Server(conn, config).Handshake())
	require.NoError(t, <-done)
	first, err := conn.ClientHello()
	require.NoError(t, err)
	second := conn.SecondClientHello()
	require.NotNil(t, second)
	assert.Equal(t, first.Random, second.Random)
	require.Len(t, second.KeyShares, 1)
	assert.Equal(t, parser.NamedGroup(tls.CurveP521), second.KeyShares[0].Group)
	assert.Equal(t, []int{1, 2}, observed)
}

func TestHandshakeDeadline(t *testing.T) {
	conn, client := pipe(t, &server.Listener{HandshakeTimeout: 50 * time.Millisecond})
	drip := []byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}
	go func() {
		for i := range drip {
			client.Write(drip[i : i+1])
			time.Sleep(10 * time.Millisecond)
		}
	}()
	err := tls.Server(conn, servertest.Config(t)).Handshake()
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	_, err = conn.ClientHello()
	assert.ErrorIs(t, err, server.ErrNoHello)
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// TestHandshakeDeadlineIsLifted has a fake clock.
func TestHandshakeDeadlineIsLifted(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			l := &server.Listener{Listener: single{near}, HandshakeTimeout: time.Second}
			conn, err := l.Accept()
			require.NoError(t, err)
			defer conn.Close()
			c := tls.Client(far, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
			done := make(chan error, 1)
			go func() {
				err := c.Handshake()
				if err == nil {
					time.Sleep(time.Minute)
					_, err = c.Write([]byte("late"))
				}
				done <- err
			}()
			s := tls.Server(conn, servertest.Config(t))
			began := time.Now()
			require.NoError(t, s.SetReadDeadline(began.Add(90*time.Second)))
			buf := make([]byte, 4)
			_, err = io.ReadFull(s, buf)
			require.NoError(t, err, tls.VersionName(version))
			require.NoError(t, <-done)

			// That of the user holds, set before or after.
			_, err = s.Read(buf)
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
			assert.Equal(t, 90*time.Second, time.Since(began))
			require.NoError(t, s.SetReadDeadline(time.Now().Add(time.Second)))
			_, err = s.Read(buf)
			assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		})
	}
}

// A single is a listener with one connection.
type single struct{ net.Conn }

func (s single) Accept() (net.Conn, error) { return s.Conn, nil }
func (s single) Addr() net.Addr            { return s.LocalAddr() }

// TestUsersDeadlineHoldsWhileWaiting has a fake clock.
func TestUsersDeadlineHoldsWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, client := net.Pipe()
		defer client.Close()
		conn, err := (&server.Listener{Listener: single{near}}).Accept()
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(time.Second)))
		go client.Write([]byte{22, 3, 1})
		buf := make([]byte, 64)
		n, err := conn.Read(buf)
		require.NoError(t, err, "the bytes come before the error")
		assert.Equal(t, []byte{22, 3, 1}, buf[:n])
		_, err = conn.Read(buf)
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)

		require.NoError(t, conn.SetDeadline(time.Time{}))
		go client.Write([]byte{1})
		n, err = conn.Read(buf)
		require.NoError(t, err)
		assert.Equal(t, []byte{1}, buf[:n])
	})
}

func TestWhatIsNotAHello(t *testing.T) {
	for _, c := range []struct{ sent, err, seen string }{
		{"GET / HTTP/1.1\r\n\r\n", "parser: record.type: not TLS at byte 0", "474554202f20485454502f312e310d0a0d0a"},
		{"", "no ClientHello: EOF", ""},
		{"\x16\x03\x01\x00", "no ClientHello: EOF", "16030100"},
		{"\x16\x03\x01\x00\x04\x02\x00\x00\x00", "parser: msg_type: not a ClientHello at byte 5", "160301000402000000"},
		{"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03", "parser: legacy_version: truncated at byte 5", "0100000103"},
	} {
		var got []*event.Observation
		l := &server.Listener{Observe: func(o *event.Observation) { got = append(got, o) }}
		conn, client := pipe(t, l)
		_, err := io.WriteString(client, c.sent)
		require.NoError(t, err)
		require.NoError(t, client.(*net.TCPConn).CloseWrite())
		all, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, c.sent, string(all))
		_, halfOpen := l.Conns()
		assert.Equal(t, !strings.Contains(c.err, "not TLS"), halfOpen == 1, "what is not TLS is no handshake")
		_, err = conn.ClientHello()
		assert.EqualError(t, err, c.err)
		require.NoError(t, conn.Close())
		require.Len(t, got, 1)
		e := new(event.Observer).Event(got[0], event.Compact)
		assert.Equal(t, c.err, e.Error)
		assert.Equal(t, c.seen, e.Received)
	}
}

func TestCloseTellsOfAConnectionWithoutHello(t *testing.T) {
	var got error
	conn, _ := pipe(t, &server.Listener{Observe: func(o *event.Observation) { got = o.Err }})
	read := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 10))
		read <- err
	}()
	require.NoError(t, conn.Close())
	assert.ErrorIs(t, <-read, net.ErrClosed)
	assert.ErrorIs(t, got, server.ErrNoHello)
}

type failing struct{ net.Listener }

var errEMFILE = errors.New("accept: too many open files")

func (failing) Accept() (net.Conn, error) { return nil, errEMFILE }

func TestAcceptErrorsPassUnchanged(t *testing.T) {
	_, err := (&server.Listener{Listener: failing{}}).Accept()
	assert.Same(t, errEMFILE, err)
}

func TestConnKeepsTheOptionalMethods(t *testing.T) {
	conn, client := pipe(t, &server.Listener{})
	n, err := conn.ReadFrom(&io.LimitedReader{R: zeros{}, N: 5})
	require.NoError(t, err)
	assert.EqualValues(t, 5, n)
	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(uintptr) {}))
	require.NoError(t, conn.CloseWrite())
	all, err := io.ReadAll(client)
	require.NoError(t, err)
	assert.Len(t, all, 5)
	assert.IsType(t, &net.TCPConn{}, conn.NetConn())

	_, end := net.Pipe()
	bare := &server.Conn{Conn: end}
	assert.ErrorIs(t, bare.CloseWrite(), errors.ErrUnsupported)
	_, err = bare.SyscallConn()
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestClientHelloReadsNoMore: a client sends warnings and no hello.
func TestClientHelloReadsNoMore(t *testing.T) {
	warnings := bytes.Repeat(record(21, 0x0301, []byte{1, 0x5a}), 200_000)
	s := &script{stream: warnings, chunk: 10_000}
	conn, err := (&server.Listener{Listener: one{s}}).Accept()
	require.NoError(t, err)
	_, err = conn.(*server.Conn).ClientHello()
	require.ErrorIs(t, err, server.ErrOverLimit)
	assert.Less(t, s.sent, 1_000_000)
	all, err := io.ReadAll(conn)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(warnings, all), "they are handed on")
}

// TestReadHoldsBackAHello: until it is whole, or a deadline passes, and no longer. One
// in too many records is not held back.
func TestReadHoldsBackAHello(t *testing.T) {
	message := hellotest.Message(0x0303, []parser.CipherSuite{0xc02b}, hellotest.Extension(21, make([]byte, 60_000)))
	largest := append([]byte{1, 1, 0, 0}, make([]byte, 1<<16)...)
	for _, c := range []struct {
		message     []byte
		record      int
		least, most int // bytes read when Read returns
	}{
		{message, 1 << 14, len(message), len(message) + 4*5 + 100},
		{message, 100, len(message), len(message)*105/100 + 110},
		{largest, 16, len(largest) * 21 / 16, len(largest)*21/16 + 110},
		{message, 15, 2304, 2304 + 100},
		{message, 1, 2304, 2304 + 100},
	} {
		stream := records(c.message, c.record, 0x0301)
		s := &script{stream: append(stream, record(20, 0x0303, []byte{1})...), chunk: 100}
		conn, err := (&server.Listener{Listener: one{s}}).Accept()
		require.NoError(t, err)
		buf := make([]byte, 1)
		_, err = conn.Read(buf)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, s.sent, c.least)
		assert.LessOrEqual(t, s.sent, c.most)
		rest, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.True(t, bytes.Equal(s.stream, append(buf, rest...)))
		h, err := conn.(*server.Conn).ClientHello()
		require.NoError(t, err)
		assert.Equal(t, c.message, h.Raw)
	}
}

// TestHelloOutlivesItsConnection keeps hellos while later connections reuse memory.
func TestHelloOutlivesItsConnection(t *testing.T) {
	l := &server.Listener{}
	var hellos []*parser.ClientHello
	var want []string
	for i := range 20 {
		message := hellotest.Message(0x0303, []parser.CipherSuite{0xc02b}, hellotest.Extension(0, hellotest.ServerName([]byte(fmt.Sprintf("%d.example", i)))))
		handshake := append(record(22, 0x0301, message), record(23, 0x0303, make([]byte, 50))...)
		l.Listener = one{&script{stream: handshake, chunk: 1000}}
		conn, err := l.Accept()
		require.NoError(t, err)
		if i%4 == 3 { // as in net/http, for a handler that asks late
			kept := server.ConnContext(t.Context(), conn)
			defer func() {
				e, ok := server.FromContext(kept)
				require.True(t, ok)
				assert.Equal(t, fmt.Sprintf("%d.example", i), *e.SNI)
			}()
		}
		_, err = io.ReadAll(conn)
		require.NoError(t, err)
		c := conn.(*server.Conn)
		if i%4 == 3 {
			continue
		}
		switch i % 3 {
		case 0: // no caller asks
		case 1:
			h, err := c.ClientHello()
			require.NoError(t, err)
			hellos, want = append(hellos, h), append(want, fmt.Sprintf("%d.example", i))
		case 2:
			_, ok := c.Event(event.Detail)
			require.True(t, ok)
		}
		require.NoError(t, c.Close())
		h, err := c.ClientHello()
		if i%3 == 0 {
			require.ErrorIs(t, err, net.ErrClosed)
			continue
		}
		require.NoError(t, err)
		hellos, want = append(hellos, h), append(want, fmt.Sprintf("%d.example", i))
	}
	for i, h := range hellos {
		assert.Equal(t, want[i], string(h.ServerName))
	}
}

// TestReceivedAfterATimeout: the first wait for a hello times out before anything has
// come, and then something else comes.
func TestReceivedAfterATimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, client := net.Pipe()
		defer client.Close()
		accepted, err := (&server.Listener{Listener: single{near}}).Accept()
		require.NoError(t, err)
		conn := accepted.(*server.Conn)
		defer conn.Close()
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
		_, err = conn.ClientHello()
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, conn.SetReadDeadline(time.Time{}))
		go io.WriteString(client, "GET / HTTP/1.1\r\n")
		_, err = conn.ClientHello()
		require.ErrorIs(t, err, parser.ErrNotTLS)
		o, ok := conn.Observation()
		require.True(t, ok)
		assert.Equal(t, "GET / HTTP/1.1\r\n", string(o.Received))
	})
}
