package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/capture"
	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// A program makes choices from bytes, as those of a fuzz target, and from a seed in them
// once they are used up.
type program struct {
	b []byte
	r *rand.Rand
}

func newProgram(b []byte) *program {
	var seed [8]byte
	copy(seed[:], b)
	return &program{b, rand.New(rand.NewPCG(binary.LittleEndian.Uint64(seed[:]), uint64(len(b))))}
}

func (p *program) byte() byte {
	if len(p.b) == 0 {
		return byte(p.r.Uint32())
	}
	b := p.b[0]
	p.b = p.b[1:]
	return b
}

// n returns a number below limit, which is at most 65536.
func (p *program) n(limit int) int {
	if limit <= 256 {
		return int(p.byte()) % limit
	}
	return (int(p.byte())<<8 | int(p.byte())) % limit
}

func (p *program) one(of int) bool { return p.n(of) == 0 }

func (p *program) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(p.r.Uint32())
	}
	return b
}

// evasiveHello returns a hello with every field changed that a client may choose. share
// is the group of its only key share, or 0 to leave it as it is.
func evasiveHello(p *program, h *parser.ClientHello, share parser.NamedGroup) []byte {
	version := uint16(h.LegacyVersion)
	switch p.n(4) {
	case 0:
		version = []uint16{0, 0x0002, 0x0300, 0x0301, 0x0302, 0x0304, 0x0404, 0x7f1c, 0xfefd, 0xfeff, 0xffff}[p.n(11)]
	case 1:
		version = uint16(p.n(1 << 16))
	}
	body := binary.BigEndian.AppendUint16(nil, version)
	body = append(body, h.Random...)
	session := h.LegacySessionID
	if p.one(2) {
		session = p.bytes(p.n(33))
	}
	body = append(body, hellotest.Vector8(session)...)
	body = append(body, hellotest.Vector16(hellotest.Uint16s(h.CipherSuites))...)
	methods := []byte{0}
	if p.one(3) {
		methods = append(p.bytes(p.n(20)), 0)
	}
	body = append(body, hellotest.Vector8(methods)...)
	var extensions []byte
	for _, e := range h.Extensions {
		data := e.Data
		if share != 0 && e.Type == parser.ExtKeyShare {
			data = hellotest.Vector16(append(binary.BigEndian.AppendUint16(nil, uint16(share)), hellotest.Vector16(make([]byte, 32))...))
		}
		extensions = append(extensions, hellotest.Extension(e.Type, data)...)
	}
	if p.one(4) { // long
		n := []int{100, 5000, 20000, 60000}[p.n(4)]
		extensions = append(extensions, hellotest.Extension(0xfafa, make([]byte, min(n, 65000-len(extensions))))...)
	}
	body = append(body, hellotest.Vector16(extensions)...)
	return append([]byte{1, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

// inRecords returns a message in records of any length and version, with warning alerts
// between them.
func inRecords(p *program, message []byte) []byte {
	var b []byte
	versions := []uint16{0x0301, 0x0303, 0x0300, 0x0304, 0x0000, 0x0505, 0x0fff}
	any := p.one(2)
	version := func() []byte {
		if !any {
			return []byte{3, 1}
		}
		return binary.BigEndian.AppendUint16(nil, versions[p.n(len(versions))])
	}
	longest := []int{1 << 14, 1 << 14, 1, 2, 5, 40, 600}[p.n(7)]
	if len(message) > 5000 {
		longest = max(longest, 40)
	}
	alerts := p.one(3)
	for len(message) > 0 {
		if alerts && p.one(8) {
			for range 1 + p.n(3) {
				b = append(append(append(b, 21), version()...), 0, 2, 1, p.byte())
			}
		}
		n := min(1+p.n(longest), len(message))
		if p.one(2) {
			n = min(longest, len(message))
		}
		b = append(append(append(b, 22), version()...), byte(n>>8), byte(n))
		b = append(b, message[:n]...)
		message = message[n:]
	}
	return b
}

// A scriptedConn is a connection from which a client's bytes are read.
type scriptedConn struct {
	net.Conn
	segments [][]byte
}

func (c *scriptedConn) Read(p []byte) (int, error) {
	if len(c.segments) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.segments[0])
	if c.segments[0] = c.segments[0][n:]; len(c.segments[0]) == 0 {
		c.segments = c.segments[1:]
	}
	return n, nil
}

func (c *scriptedConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *scriptedConn) Close() error                     { return nil }
func (c *scriptedConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *scriptedConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *scriptedConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptedConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptedConn) SetWriteDeadline(time.Time) error { return nil }

// A oneListener accepts one connection.
type oneListener struct{ net.Conn }

func (l oneListener) Accept() (net.Conn, error) { return l.Conn, nil }
func (l oneListener) Addr() net.Addr            { return &net.TCPAddr{} }

// accepts reports whether crypto/tls accepts the hello that it reads from conn, and a
// version that it offers.
func accepts(conn net.Conn) bool {
	seen := false
	config := &tls.Config{
		MinVersion:       tls.VersionTLS10,
		CurvePreferences: []tls.CurveID{tls.X25519},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			seen = true
			return nil, nil
		},
	}
	err := tls.Server(conn, config).Handshake()
	return seen && !strings.Contains(err.Error(), "unsupported versions")
}

// evasivePcap returns a capture of a connection in which a client sends parts of a
// stream, each one in segments of any length, in any order, overlapping and sent again.
// The server answers between two parts.
func evasivePcap(p *program, parts ...[]byte) []byte {
	w := wire{src: netip.MustParseAddrPort("192.0.2.1:40000"), dst: netip.MustParseAddrPort("198.51.100.2:443")}
	type segment struct{ from, to int }
	start := 0
	for _, part := range parts {
		var segments []segment
		longest := []int{min(max(len(part), 1), 60000), 1460, 1460, 300, 40, 1}[p.n(6)]
		if len(part) > 10000 {
			longest = max(longest, 300)
		}
		for at := 0; at < len(part); {
			to := min(at+1+p.r.IntN(longest), len(part))
			from := max(0, at-p.r.IntN(2)*p.r.IntN(20))
			segments = append(segments, segment{from, to})
			if p.r.IntN(10) == 0 {
				segments = append(segments, segment{from, to})
			}
			at = to
		}
		switch p.n(3) {
		case 0:
			p.r.Shuffle(len(segments), func(i, j int) { segments[i], segments[j] = segments[j], segments[i] })
		case 1:
			slices.Reverse(segments)
		}
		for _, s := range segments {
			w.sent = append(w.sent, part[s.from:s.to])
			w.offsets = append(w.offsets, start+s.from)
		}
		start += len(part)
	}
	return w.pcap(func(int64) time.Time { return time.Unix(1700000000, 0) })
}

// hellosOf returns the Events of a capture.
func hellosOf(t *testing.T, file []byte) (events []event.Event) {
	t.Helper()
	_, err := capture.Read(context.Background(), bytes.NewReader(file), func(h *capture.Hello) error {
		o := h.Observation()
		e := new(event.Observer).Event(&o, event.Detail)
		e.Raw = bytes.Clone(e.Raw)
		events = append(events, e)
		return nil
	})
	require.NoError(t, err)
	return events
}

// chunks returns b in parts of up to n bytes.
func chunks(b []byte, n int) [][]byte { return slices.Collect(slices.Chunk(b, n)) }

// evade runs a program: it makes a hello, or two, and requires that the Listener and scan
// find each one that crypto/tls accepts. It reports which were accepted.
func evade(t *testing.T, hellos []*parser.ClientHello, b []byte) (accepted, second bool) {
	p := newProgram(b)
	h := hellos[p.n(len(hellos))]
	retry := p.one(4)
	share := parser.NamedGroup(0)
	if retry {
		share = parser.NamedGroup(tls.CurveP256)
	}
	rest := p.b
	message := evasiveHello(p, h, share)
	stream := inRecords(p, message)
	first := len(stream)
	var again []byte
	if retry {
		q := newProgram(rest) // whose choices are the same
		q.r = newProgram(b).r
		again = evasiveHello(q, h, parser.NamedGroup(tls.X25519))
		if p.one(2) {
			stream = append(stream, 20, 3, 3, 0, 1, 1)
		}
		stream = append(stream, inRecords(p, again)...)
	}
	size := 1 + p.n(len(stream))
	if !accepts(&scriptedConn{segments: chunks(stream, size)}) {
		return false, false
	}

	l := &server.Listener{Listener: oneListener{&scriptedConn{segments: chunks(stream, size)}}}
	conn, err := l.Accept()
	require.NoError(t, err)
	require.True(t, accepts(conn))
	live, ok := server.ConnOf(conn).Event(event.Detail)
	require.True(t, ok, "no live Event")
	require.Equal(t, message, live.Raw)
	want := [][]byte{message}
	if h := server.ConnOf(conn).SecondClientHello(); h != nil {
		require.Equal(t, again, h.Raw)
		want = append(want, again)
	}
	require.NoError(t, conn.Close())

	var preface []byte
	if p.one(4) {
		preface = [][]byte{[]byte("EHLO client.example\r\nSTARTTLS\r\n"), []byte("CONNECT a.example:443 HTTP/1.1\r\n\r\n"), {0, 0, 0, 8, 4, 210, 22, 47}}[p.n(3)]
	}
	parts := [][]byte{append(preface, stream[:first]...)}
	if len(want) == 2 { // otherwise the server does not ask for more
		parts = append(parts, stream[first:])
	}
	got := hellosOf(t, evasivePcap(p, parts...))
	require.Len(t, got, len(want), "hellos of scan; legacy_version %x, preface %q", message[4:6], preface)
	for i, e := range got {
		require.Equal(t, want[i], e.Raw)
		require.Equal(t, i+1, e.HelloIndex)
	}
	require.Equal(t, live.Fingerprints, got[0].Fingerprints)
	return true, len(want) == 2
}

// evasionHellos returns hellos of real clients in a fixed order.
func evasionHellos(t testing.TB) (list []*parser.ClientHello) {
	real := hellotest.Real(t)
	for _, name := range slices.Sorted(maps.Keys(real)) {
		if h := real[name]; h.Transport == parser.TLS && !h.SSLv2 && h.ExtensionsPresent {
			list = append(list, h)
		}
	}
	require.Greater(t, len(list), 5)
	return list
}

// TestEvasion changes all that a client may change of hellos that crypto/tls accepts.
func TestEvasion(t *testing.T) {
	hellos := evasionHellos(t)
	r := rand.New(rand.NewPCG(31, 32))
	accepted, second := 0, 0
	for i := range 500 {
		b := make([]byte, 64)
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		ok, two := evade(t, hellos, b)
		if ok {
			accepted++
		}
		if two {
			second++
		}
		if t.Failed() {
			t.Fatalf("program %d: %x", i, b)
		}
	}
	assert.Greater(t, accepted, 300)
	assert.Positive(t, second)
	t.Logf("%d accepted, %d with a second hello", accepted, second)
}

// FuzzEvasion is TestEvasion for programs of the fuzzer's.
func FuzzEvasion(f *testing.F) {
	hellos := evasionHellos(f)
	for seed := range byte(16) {
		f.Add(bytes.Repeat([]byte{seed, 37 * seed, 101 * seed}, 20))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) <= 1000 {
			evade(t, hellos, b)
		}
	})
}

// TestEvasionOnTheWire sends a hello over TCP that crypto/tls accepts, in short records
// and segments and with an unusual legacy_version. Capture and server agree.
func TestEvasionOnTheWire(t *testing.T) {
	h := hellotest.Real(t)["chromium-156"]
	message := bytes.Clone(h.Raw)
	message[4], message[5] = 4, 4
	stream := inRecords(newProgram([]byte{0, 5, 5, 1, 2, 3, 4, 5}), message)

	ln := servertest.Listen(t)
	l := &server.Listener{Listener: ln}
	type result struct {
		live event.Event
		ok   bool
	}
	done := make(chan result, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			done <- result{}
			return
		}
		defer conn.Close()
		ok := accepts(conn)
		e, seen := server.ConnOf(conn).Event(event.Detail)
		e.Raw = bytes.Clone(e.Raw)
		done <- result{e, ok && seen}
	}()
	var w wire
	conn, err := w.dial(t.Context(), "tcp", ln.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	for _, part := range chunks(stream, 100) {
		_, err = conn.Write(part)
		require.NoError(t, err)
	}
	got := <-done
	require.True(t, got.ok)
	offline := hellosOf(t, w.pcap(func(int64) time.Time { return time.Unix(1700000000, 0) }))
	require.Len(t, offline, 1)
	assert.Equal(t, message, got.live.Raw)
	assert.Equal(t, message, offline[0].Raw)
	assert.Equal(t, got.live.Fingerprints, offline[0].Fingerprints)
}
