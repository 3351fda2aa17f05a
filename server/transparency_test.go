package server_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// A script is a client that sends a few bytes at a time, and records the answer
// and when it came. It ends the handshake at the first answer.
type script struct {
	net.Conn // nil
	stream   []byte
	chunk    int // bytes of a Read at most
	sent     int
	answer   []byte
	at       int // bytes sent when the answer came
}

var errAnswered = errors.New("answered")

func (s *script) Read(p []byte) (int, error) {
	if s.sent == len(s.stream) {
		return 0, io.EOF
	}
	n := copy(p, s.stream[s.sent:min(len(s.stream), s.sent+s.chunk)])
	s.sent += n
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	if s.answer == nil {
		s.answer = bytes.Clone(p)
		s.at = s.sent
	}
	return 0, errAnswered
}

func (*script) Close() error                     { return nil }
func (*script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*script) SetDeadline(time.Time) error      { return nil }
func (*script) SetReadDeadline(time.Time) error  { return nil }
func (*script) SetWriteDeadline(time.Time) error { return nil }

// taken records what crypto/tls reads.
type taken struct {
	net.Conn
	bytes.Buffer
}

func (t *taken) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.Buffer.Write(p[:n])
	return n, err
}

func (t *taken) Write(p []byte) (int, error) { return t.Conn.Write(p) }

// An outcome is what crypto/tls does with a stream.
type outcome struct {
	Answer string // the first record, without random parts
	At     int    // bytes that had been sent by then
	Err    string
	Info   string // of GetConfigForClient
	Taken  string // what crypto/tls read
}

func shake(config *tls.Config, conn net.Conn, s *script) (o outcome) {
	config = config.Clone()
	config.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		o.Info = fmt.Sprintf("%v %v %v %v %q %v %v %v", info.CipherSuites, info.ServerName, info.SupportedCurves,
			info.SupportedPoints, info.SupportedProtos, info.SignatureSchemes, info.SupportedVersions, info.Extensions)
		return nil, nil
	}
	t := &taken{Conn: conn}
	err := tls.Server(t, config).Handshake()
	o.Err = fmt.Sprint(err)
	o.At = s.at
	if s.answer == nil {
		o.At = s.sent
	}
	o.Taken = t.String()
	if b := s.answer; len(b) > 0 {
		o.Answer = fmt.Sprintf("%x", b[:min(len(b), 7)])
		if b[0] == 22 { // a ServerHello: its record, version and cipher suite
			id := 44 + int(b[43])
			o.Answer = fmt.Sprintf("%x %x", b[:11], b[id:id+3])
		}
	}
	return o
}

// assertTransparent checks that crypto/tls behind a Conn does the same with the
// stream as without, after the same number of bytes.
func assertTransparent(t testing.TB, config *tls.Config, stream []byte, chunk int, name string) *server.Conn {
	t.Helper()
	plain := &script{stream: stream, chunk: chunk}
	want := shake(config, plain, plain)
	ours := &script{stream: stream, chunk: chunk}
	conn, err := (&server.Listener{Listener: one{ours}}).Accept()
	require.NoError(t, err)
	got := shake(config, conn, ours)
	// Plain crypto/tls leaves in the socket what its buffer has no room for.
	if chunk < 100 {
		assert.InDelta(t, want.At, got.At, float64(chunk-1), "%s, %d bytes at a time", name, chunk)
	}
	want.At, got.At = 0, 0
	if chunk > 1 {
		n := min(len(want.Taken), len(got.Taken))
		want.Taken, got.Taken = want.Taken[:n], got.Taken[:n]
	}
	assert.True(t, want == got, "%s, %d bytes at a time: %.400v, and without us %.400v", name, chunk, got, want)
	assert.True(t, bytes.HasPrefix(stream, []byte(got.Taken)), name)
	return conn.(*server.Conn)
}

// one is a listener with one connection.
type one struct{ conn net.Conn }

func (o one) Accept() (net.Conn, error) { return o.conn, nil }
func (one) Close() error                { return nil }
func (one) Addr() net.Addr              { return &net.TCPAddr{} }

// record returns a record.
func record(typ byte, version uint16, fragment []byte) []byte {
	return append([]byte{typ, byte(version >> 8), byte(version)}, hellotest.Vector16(fragment)...)
}

// records returns msg in records of n bytes.
func records(msg []byte, n int, version uint16) (stream []byte) {
	for part := range slices.Chunk(msg, n) {
		stream = append(stream, record(22, version, part)...)
	}
	return stream
}

// streams returns what honest and hostile clients may send.
func streams(t testing.TB) map[string][]byte {
	all := map[string][]byte{
		"nothing":             {},
		"HTTP":                []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		"two bytes":           {22, 3},
		"random":              bytes.Repeat([]byte{0x5a, 0xc3, 0x11}, 3000),
		"zeros":               make([]byte, 5000),
		"SSLv2":               append([]byte("\x80\x2b\x01\x00\x02\x00\x12\x00\x00\x00\x10\x01\x00\x80\x02\x00\x80\x03\x00\x80\x04\x00\x80\x06\x00\x40\x07\x00\xc0"), make([]byte, 16)...),
		"SSLv2, long":         append([]byte("\x81\x00\x01\x03\x01"), make([]byte, 300)...),
		"fatal alert":         record(21, 0x0301, []byte{2, 40}),
		"odd alert":           record(21, 0x0301, []byte{2, 40, 1}),
		"application data":    record(23, 0x0303, []byte("hi")),
		"empty record":        record(22, 0x0301, nil),
		"largest record":      record(22, 0x0301, append([]byte{1, 0, 0xff, 0}, make([]byte, 1<<14-4)...)),
		"over the largest":    record(22, 0x0301, append([]byte{1, 0, 0xff, 0}, make([]byte, 1<<14-3)...)),
		"record of 18432":     record(22, 0x0301, append([]byte{1, 0, 0xff, 0}, make([]byte, 18432-4)...)),
		"record of 18433":     record(22, 0x0301, make([]byte, 18433)),
		"message of 65537":    records(append([]byte{1, 1, 0, 1}, make([]byte, 65537)...), 1<<14, 0x0301),
		"message of 65536":    records(append([]byte{1, 1, 0, 0}, make([]byte, 65536)...), 1<<14, 0x0301),
		"finished":            record(22, 0x0301, append([]byte{20, 0, 0, 12}, make([]byte, 12)...)),
		"warnings for ever":   bytes.Repeat(record(21, 0x0301, []byte{1, 0x5a}), 1000),
		"close_notify":        record(21, 0x0301, []byte{1, 0}),
		"version 10":          record(22, 0x1000, []byte{1, 0, 0, 0}),
		"empty hello":         record(22, 0x0301, []byte{1, 0, 0, 0}),
		"duplicate extension": records(hellotest.Message(0x0303, []parser.CipherSuite{0xc02b}, hellotest.Extension(23, nil), hellotest.Extension(23, nil)), 100, 0x0301),
		"64 KB":               records(hellotest.Message(0x0303, []parser.CipherSuite{0xc02b}, hellotest.Extension(21, make([]byte, 65000))), 1<<14, 0x0301),
	}
	for _, name := range []string{"chromium-156", "curl-openssl-3.0"} {
		h := hellotest.Real(t)[name]
		require.NotNil(t, h, name)
		whole := record(22, 0x0301, h.Raw)
		ccs := record(20, 0x0303, []byte{1})
		all[name] = whole
		all[name+", cut"] = whole[:len(whole)-1]
		all[name+", in records of 1"] = records(h.Raw, 1, 0x0301)
		all[name+", in records of 100"] = records(h.Raw, 100, 0x0303)
		all[name+", version 0300"] = record(22, 0x0300, h.Raw)
		all[name+", version 03ff"] = record(22, 0x03ff, h.Raw)
		all[name+", version 0fff"] = record(22, 0x0fff, h.Raw)
		all[name+", after ChangeCipherSpec"] = append(slices.Clone(ccs), whole...)
		all[name+", before ChangeCipherSpec"] = append(slices.Clone(whole), ccs...)
		all[name+", after a warning"] = append(record(21, 0x0301, []byte{1, 0x5a}), whole...)
		all[name+", with more"] = append(slices.Clone(whole), record(23, 0x0303, make([]byte, 3000))...)
		all[name+", twice"] = append(slices.Clone(whole), whole...)
		all[name+", twice in a record"] = record(22, 0x0301, append(slices.Clone(h.Raw), h.Raw...))
		all[name+", with an empty record"] = append(append(record(22, 0x0301, h.Raw[:50]), record(22, 0x0301, nil)...), record(22, 0x0301, h.Raw[50:])...)
		all[name+", with an alert inside"] = append(append(record(22, 0x0301, h.Raw[:50]), record(21, 0x0301, []byte{1, 0x5a})...), record(22, 0x0301, h.Raw[50:])...)
	}
	return all
}

func TestTransparency(t *testing.T) {
	config := servertest.Config(t)
	for name, stream := range streams(t) {
		for _, chunk := range []int{1, 7, 1000, 1 << 20} {
			assertTransparent(t, config, stream, chunk, name)
		}
	}
}

// TestOneHelloHoweverWritten: one hello is written in every way that leaves its
// message the same, whether crypto/tls accepts it or not.
func TestOneHelloHoweverWritten(t *testing.T) {
	config := servertest.Config(t)
	for _, name := range []string{"chromium-156", "curl-openssl-3.0"} {
		want := hellotest.Real(t)[name].Raw
		ways := make(map[string][]byte)
		for way, stream := range streams(t) {
			if len(way) > len(name) && way[:len(name)] == name && way != name+", cut" {
				ways[way] = stream
			}
		}
		for n := 1; n < len(want); n += 149 {
			ways[fmt.Sprintf("cut at %d", n)] = append(record(22, 0x0301, want[:n]), record(22, 0x0301, want[n:])...)
		}
		require.Greater(t, len(ways), 15)
		for way, stream := range ways {
			for _, chunk := range []int{1, 7, 1000, 1 << 20} {
				conn := assertTransparent(t, config, stream, chunk, way)
				h, err := conn.ClientHello()
				if !assert.NoError(t, err, "%s, %d at a time", way, chunk) {
					continue
				}
				assert.Equal(t, want, h.Raw, "%s, %d at a time", way, chunk)
			}
		}
	}
}

// FuzzTransparency has plain crypto/tls as its oracle.
func FuzzTransparency(f *testing.F) {
	config := servertest.Config(f)
	for _, stream := range streams(f) {
		f.Add(stream, uint16(1))
		f.Add(stream, uint16(1000))
	}
	f.Fuzz(func(t *testing.T, stream []byte, chunk uint16) {
		conn := assertTransparent(t, config, stream, max(1, int(chunk)), "fuzz")
		h, err := conn.ClientHello()
		e, ok := conn.Event(event.Detail)
		assert.True(t, ok)
		if err != nil {
			assert.NotEmpty(t, e.Error)
		} else {
			assert.Equal(t, h.Raw, e.Raw)
		}
	})
}
