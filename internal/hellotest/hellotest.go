// Package hellotest has hellos for tests: real ones, and made ones.
package hellotest

import (
	"bufio"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

// Dir returns the project's testdata folder.
func Dir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "testdata")
}

// Real returns the hellos of real clients in testdata/hellos.txt, by name.
func Real(t testing.TB) map[string]*parser.ClientHello {
	t.Helper()
	f, err := os.Open(filepath.Join(Dir(), "hellos.txt"))
	require.NoError(t, err)
	defer f.Close()
	hellos := make(map[string]*parser.ClientHello)
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if strings.HasPrefix(s.Text(), "#") {
			continue
		}
		line := strings.Fields(s.Text())
		require.Len(t, line, 3)
		msg, err := hex.DecodeString(line[2])
		require.NoError(t, err, line[0])
		transport, ok := parser.ParseTransport(line[1])
		require.True(t, ok, line[1])
		h := &parser.ClientHello{Transport: transport}
		require.NoError(t, h.Unmarshal(msg), line[0])
		hellos[line[0]] = h
	}
	require.NoError(t, s.Err())
	require.NotEmpty(t, hellos)
	return hellos
}

// Hello returns a hello over TLS 1.2 with one cipher suite and the given
// extensions, each as [Extension] returns it.
func Hello(extensions ...[]byte) *parser.ClientHello {
	return mustParse(Message(parser.VersionTLS12, []parser.CipherSuite{0xc02f}, extensions...))
}

func mustParse(msg []byte) *parser.ClientHello {
	h, err := parser.Parse(msg)
	if err != nil {
		panic(err)
	}
	return h
}

// Message returns a ClientHello message. Without extensions it has no
// extension block.
func Message(version parser.Version, suites []parser.CipherSuite, extensions ...[]byte) []byte {
	body := []byte{byte(version >> 8), byte(version)}
	body = append(body, make([]byte, 32)...) // random
	body = append(body, 0)                   // legacy_session_id
	body = append(body, Vector16(Uint16s(suites))...)
	body = append(body, 1, 0) // legacy_compression_methods
	if len(extensions) > 0 {
		var all []byte
		for _, e := range extensions {
			all = append(all, e...)
		}
		body = append(body, Vector16(all)...)
	}
	return append([]byte{1, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

// Rebuild returns h with other cipher suites and extensions. Of the extensions
// only Type and Data are read.
func Rebuild(t testing.TB, h *parser.ClientHello, suites []parser.CipherSuite, extensions []parser.Extension) *parser.ClientHello {
	t.Helper()
	body := append([]byte(nil), h.Raw[4:38]...)
	body = append(body, Vector8(h.LegacySessionID)...)
	if h.Transport == parser.DTLS {
		body = append(body, Vector8(h.Cookie)...)
	}
	body = append(body, Vector16(Uint16s(suites))...)
	body = append(body, Vector8(h.LegacyCompressionMethods)...)
	var all []byte
	for _, e := range extensions {
		all = append(all, Extension(e.Type, e.Data)...)
	}
	body = append(body, Vector16(all)...)
	c := &parser.ClientHello{Transport: h.Transport}
	require.NoError(t, c.Unmarshal(append([]byte{1, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)))
	return c
}

// Extension returns an extension with its type and length.
func Extension(t parser.ExtensionType, body []byte) []byte {
	return append([]byte{byte(t >> 8), byte(t)}, Vector16(body)...)
}

// ServerName returns the body of server_name.
func ServerName(name []byte) []byte {
	return Vector16(append([]byte{0}, Vector16(name)...))
}

// ALPN returns the body of application_layer_protocol_negotiation.
func ALPN(names ...string) []byte {
	var list []byte
	for _, n := range names {
		list = append(list, Vector8([]byte(n))...)
	}
	return Vector16(list)
}

// Uint16s returns the values of list, two bytes each.
func Uint16s[T ~uint16](list []T) []byte {
	var b []byte
	for _, v := range list {
		b = append(b, byte(v>>8), byte(v))
	}
	return b
}

// Vector8 returns b with its length in a byte before it.
func Vector8(b []byte) []byte { return append([]byte{byte(len(b))}, b...) }

// Vector16 returns b with its length in two bytes before it.
func Vector16(b []byte) []byte { return append([]byte{byte(len(b) >> 8), byte(len(b))}, b...) }
