package server_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/internal/servertest"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/server"
)

// earlyAnswers returns what crypto/tls answers, or ends at, before a hello is whole:
// in readRecordOrCCS, for a record, and in readHandshake, for a message. Each stands
// alone and after parts of a hello.
func earlyAnswers() map[string][]byte {
	long := func(typ byte, version uint16, n int) []byte { return record(typ, version, make([]byte, n)) }
	reasons := map[string][]byte{
		"SSL 2.0":                         {0x80, 0x2e, 1, 3, 1},
		"version 16.0":                    {22, 16, 0, 0, 10},
		"version 255.255":                 {22, 255, 255, 255, 255},
		"no TLS":                          []byte("GET /"),
		"ChangeCipherSpec":                {20, 3, 3, 0, 1},
		"application data":                {23, 3, 3, 0, 1},
		"heartbeat":                       {24, 3, 3, 0, 1},
		"zeros":                           {0, 0, 0, 0, 0},
		"record over maxCiphertext":       {22, 3, 1, 0x48, 0x01},
		"alert over maxCiphertext":        {21, 3, 1, 0x48, 0x01},
		"record over maxPlaintext":        long(22, 0x0301, 1<<14+1),
		"empty record":                    record(22, 0x0301, nil),
		"empty alert":                     record(21, 0x0301, nil),
		"alert of one byte":               record(21, 0x0301, []byte{1}),
		"alert of three bytes":            record(21, 0x0301, []byte{1, 90, 0}),
		"fatal alert":                     record(21, 0x0301, []byte{2, 40}),
		"alert of level 3":                record(21, 0x0301, []byte{3, 40}),
		"close_notify":                    record(21, 0x0301, []byte{1, 0}),
		"17 warnings":                     bytes.Repeat(record(21, 0x0301, []byte{1, 90}), 17),
		"fatal alert after 16 warnings":   append(bytes.Repeat(record(21, 0x0301, []byte{1, 90}), 16), record(21, 0x0301, []byte{2, 40})...),
		"an empty record after a warning": append(record(21, 0x0301, []byte{1, 90}), record(22, 0x0301, nil)...),
	}
	message := hellotest.Message(0x0303, []parser.CipherSuite{0xc02b}, hellotest.Extension(21, make([]byte, 20_000)))
	before := map[string][]byte{
		"":                               nil,
		" after one byte":                records(message[:1], 1, 0x0301),
		" after a header":                records(message[:4], 4, 0x0301),
		" after 500 bytes":               records(message[:500], 500, 0x0301),
		" after 500 bytes in records":    records(message[:500], 20, 0x0301),
		" after 15000 bytes":             records(message[:15_000], 1<<14, 0x0301),
		" after 15000 bytes in records":  records(message[:15_000], 20, 0x0301),
		" after 500 records of one byte": records(message[:500], 1, 0x0301),
	}
	all := map[string][]byte{
		"message over maxHandshake":               record(22, 0x0301, []byte{1, 1, 0, 1}),
		"message over maxHandshake, cut":          append(records([]byte{1}, 1, 0x0301), record(22, 0x0301, []byte{1, 0, 1})...),
		"message over maxHandshake, with a byte":  record(22, 0x0301, []byte{1, 0xff, 0xff, 0xff, 0}),
		"another message":                         record(22, 0x0301, []byte{20, 0, 0, 0}),
		"another message, long":                   record(22, 0x0301, append([]byte{11, 0, 0x0b, 0xb8}, make([]byte, 3000)...)),
		"another message, in short records":       records(append([]byte{16, 0, 0, 100}, make([]byte, 100)...), 1, 0x0301),
		"unknown message":                         record(22, 0x0301, []byte{99, 0, 0, 0}),
		"server's message over maxHandshake":      record(22, 0x0301, []byte{2, 1, 0, 1}),
		"HelloRequest":                            record(22, 0x0301, []byte{0, 0, 0, 0}),
		"empty hello":                             record(22, 0x0301, []byte{1, 0, 0, 0}),
		"malformed hello with the next one begun": record(22, 0x0301, []byte{1, 0, 0, 1, 0, 1, 0, 0}),
	}
	for reason, b := range reasons {
		for where, begun := range before {
			all[reason+where] = append(slices.Clone(begun), b...)
		}
	}
	return all
}

// TestEarlyAnswers: a client sends what crypto/tls answers before a hello is whole,
// or ends at, and then waits. It receives the answer, at once.
func TestEarlyAnswers(t *testing.T) {
	config := servertest.Config(t)
	for name, stream := range earlyAnswers() {
		// Crypto/tls alone does not wait.
		synctest.Test(t, func(t *testing.T) {
			p := servertest.NewPipes()
			defer p.Close()
			s := stopped(t, p, p, config, string(stream), 0, func(pending bool) { require.False(t, pending, name) })
			require.Zero(t, s.closed, name)
		})
		for _, chunk := range []int{1, 7, 600, 1 << 20} {
			assertTransparent(t, config, stream, chunk, name)
		}
		for _, cut := range []int{0, len(stream) - 1} {
			synctest.Test(t, func(t *testing.T) {
				p := servertest.NewPipes()
				defer p.Close()
				l := &server.Listener{Listener: p, HandshakeTimeout: stopTimeout}
				s := stopped(t, l, p, config, string(stream), cut, func(pending bool) { assert.False(t, pending, name) })
				assert.Zero(t, s.closed, name)
			})
		}
	}
}

// TestWhatIsNotAnsweredEarly: everything that crypto/tls waits after is held back, as
// far as it is the beginning of a hello.
func TestWhatIsNotAnsweredEarly(t *testing.T) {
	config := servertest.Config(t)
	message := hellotest.Message(0x0303, []parser.CipherSuite{0xc02b}, hellotest.Extension(21, make([]byte, 300)))
	for _, size := range []int{20, 100, 1 << 14} {
		stream := records(message, size, 0x0301)
		for n := 1; n < len(stream); n += 7 {
			assertHalfOpen(t, config, string(stream[:n]), n/2)
		}
		for _, chunk := range []int{1, 7, 1 << 20} {
			assertTransparent(t, config, stream, chunk, fmt.Sprint(size))
		}
	}
}
