package fingerprint_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2/hpack"

	"github.com/tlspeek/tlspeek/fingerprint"
)

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// frame returns an HTTP/2 frame.
func frame(typ, flags byte, stream uint32, payload ...byte) []byte {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), typ, flags}
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// settings returns a SETTINGS frame of pairs of id and value.
func settings(pairs ...uint32) []byte {
	var payload []byte
	for i := 0; i < len(pairs); i += 2 {
		payload = binary.BigEndian.AppendUint16(payload, uint16(pairs[i]))
		payload = binary.BigEndian.AppendUint32(payload, pairs[i+1])
	}
	return frame(4, 0, 0, payload...)
}

func windowUpdate(stream, increment uint32) []byte {
	return frame(8, 0, stream, binary.BigEndian.AppendUint32(nil, increment)...)
}

// priority returns a PRIORITY frame; weight is 1 to 256.
func priority(stream, dependency uint32, weight int) []byte {
	return frame(2, 0, stream, append(binary.BigEndian.AppendUint32(nil, dependency), byte(weight-1))...)
}

// fields returns a header block of pseudo-header fields, by letter, and a few
// others.
func fields(pseudo string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	names := map[rune]string{'m': ":method", 'a': ":authority", 's': ":scheme", 'p': ":path", 'x': ":protocol"}
	for _, c := range pseudo {
		_ = e.WriteField(hpack.HeaderField{Name: names[c], Value: "value"})
	}
	_ = e.WriteField(hpack.HeaderField{Name: "user-agent", Value: "test"})
	_ = e.WriteField(hpack.HeaderField{Name: "accept", Value: "*/*"})
	return b.Bytes()
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestHTTP2(t *testing.T) {
	ack := frame(4, 1, 0)
	for _, tt := range []struct {
		name, want string
		sent       []byte
	}{
		{
			"Chromium 156", "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p",
			join(settings(1, 65536, 2, 0, 4, 6291456, 6, 262144), windowUpdate(0, 15663105),
				frame(1, 0x25, 1, append([]byte{0x80, 0, 0, 0, 255}, fields("masp")...)...)),
		}, {
			"Firefox 115", "1:65536;4:131072;5:16384|12517377|3:0:0:201,5:0:0:101,7:0:0:1,9:0:7:1,11:0:3:1,13:0:0:241|m,p,a,s",
			join(settings(1, 65536, 4, 131072, 5, 16384), windowUpdate(0, 12517377), priority(3, 0, 201), priority(5, 0, 101),
				priority(7, 0, 1), priority(9, 7, 1), priority(11, 3, 1), priority(13, 0, 241),
				frame(1, 0x25, 15, append([]byte{0, 0, 0, 13, 41}, fields("mpas")...)...)),
		}, {
			"node", "|00|0|s,a,m,p",
			join(settings(), frame(1, 5, 1, fields("samp")...)),
		}, {
			"Go, after the server's settings", "2:0;4:4194304;5:16384;6:10485760|1073741824|0|a,m,p,s",
			join(settings(2, 0, 4, 4194304, 5, 16384, 6, 10485760), windowUpdate(0, 1073741824), ack, frame(1, 5, 1, fields("amps")...)),
		}, {
			"window update of a stream", "2:0|00|0|m,p,s,a",
			join(settings(2, 0), windowUpdate(1, 99), frame(1, 5, 1, fields("mpsa")...)),
		}, {
			"exclusive priority", "2:0|00|3:1:5:256|m,p,s,a",
			join(settings(2, 0), priority(3, 1<<31|5, 256), frame(1, 5, 1, fields("mpsa")...)),
		}, {
			"second settings, unknown frames", "2:0|00|0|m,p,s,a",
			join(settings(2, 0), settings(2, 1, 3, 5), frame(0x10, 0, 0, make([]byte, 40000)...), frame(6, 0, 0, make([]byte, 8)...), frame(1, 5, 1, fields("mpsa")...)),
		}, {
			"padding and continuation", "2:0|00|0|m,p,s,a",
			join(settings(2, 0), frame(1, 0x28, 1, join([]byte{3, 0, 0, 0, 0, 9}, fields("mpsa")[:4], make([]byte, 3))...), frame(9, 0, 1), frame(9, 4, 1, fields("mpsa")[4:]...)),
		}, {
			"extended CONNECT", "|00|0|m,s,p,a",
			join(settings(), frame(1, 5, 1, fields("mxspa")...)),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sent := append([]byte(preface), tt.sent...)
			for cut := range len(sent) {
				var p fingerprint.HTTP2
				n, err := p.Write(sent[:cut])
				require.NoError(t, err)
				require.Equal(t, cut, n)
				require.False(t, p.Done())
				require.Empty(t, p.Fingerprint())
				require.Empty(t, p.Names())
				n, err = p.Write(sent[cut:])
				require.NoError(t, err)
				require.Equal(t, len(sent)-cut, n)
				require.True(t, p.Done())
				require.Equal(t, tt.want, p.Fingerprint())
			}
			var p fingerprint.HTTP2
			_, err := p.Write(append(sent, "what follows does not count"...))
			require.NoError(t, err)
			assert.Equal(t, tt.want, p.Fingerprint())
			names := p.Names()
			assert.Equal(t, []string{"user-agent", "accept"}, names[len(names)-2:])
		})
	}
}

func TestHTTP2Errors(t *testing.T) {
	many := func(f []byte, n int) []byte { return bytes.Repeat(f, n) }
	for _, tt := range []struct {
		name, want string
		sent       []byte
	}{
		{"HTTP/1.1", "fingerprint: connection preface: not HTTP/2", []byte("GET / HTTP/1.1\r\nHost: test.example\r\n\r\n")},
		{"odd settings", "fingerprint: SETTINGS: malformed HTTP/2 frame at byte 24", join([]byte(preface), frame(4, 0, 0, 1, 2, 3))},
		{"short window update", "fingerprint: WINDOW_UPDATE: malformed HTTP/2 frame at byte 33", join([]byte(preface), settings(), frame(8, 0, 0, 1))},
		{"empty priority", "fingerprint: PRIORITY: malformed HTTP/2 frame at byte 24", join([]byte(preface), frame(2, 0, 3))},
		{"headers on stream 0", "fingerprint: HEADERS: malformed HTTP/2 frame at byte 24", join([]byte(preface), frame(1, 4, 0, 0x82))},
		{"padding alone", "fingerprint: HEADERS: malformed HTTP/2 frame at byte 24", join([]byte(preface), frame(1, 0x0c, 1))},
		{"padding too long", "fingerprint: HEADERS: malformed HTTP/2 frame at byte 24", join([]byte(preface), frame(1, 0x0c, 1, 2, 0))},
		{"priority cut", "fingerprint: HEADERS: malformed HTTP/2 frame at byte 24", join([]byte(preface), frame(1, 0x24, 1, 0, 0, 0, 0))},
		{"continuation of nothing", "fingerprint: CONTINUATION: malformed HTTP/2 frame at byte 24", join([]byte(preface), frame(9, 4, 1, 0x82))},
		{"continuation of another", "fingerprint: CONTINUATION: malformed HTTP/2 frame at byte 34", join([]byte(preface), frame(1, 0, 1, 0x82), frame(9, 4, 3, 0x82))},
		{"no continuation", "fingerprint: frame type: malformed HTTP/2 frame at byte 34", join([]byte(preface), frame(1, 0, 1, 0x82), settings())},
		{"bad index", "fingerprint: header block: malformed HTTP/2 frame at byte 24", join([]byte(preface), frame(1, 4, 1, 0xff, 0x7f))},
		{"cut field", "fingerprint: header block: malformed HTTP/2 frame at byte 24", join([]byte(preface), frame(1, 4, 1, 0x40, 0x05, 'a'))},
		{"long frame", "fingerprint: frame length: too much before the first HTTP/2 request at byte 24", join([]byte(preface), []byte{0xff, 0xff, 0xff, 4, 0, 0, 0, 0, 0})},
		{"many settings", "fingerprint: SETTINGS: too much before the first HTTP/2 request at byte 24", join([]byte(preface), settings(make([]uint32, 2*129)...))},
		{"many priorities", "fingerprint: PRIORITY: too much before the first HTTP/2 request at byte 1816", join([]byte(preface), many(priority(3, 0, 1), 129))},
		{"many frames", "fingerprint: frames: too much before the first HTTP/2 request at byte 17432", join([]byte(preface), many(frame(6, 0, 0, make([]byte, 8)...), 1025))},
		{"many continuations", "fingerprint: header block: too much before the first HTTP/2 request at byte 67864", join([]byte(preface), frame(1, 0, 1, many([]byte{0x82}, 256)...), many(frame(9, 0, 1, many([]byte{0x82}, 256)...), 256))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p fingerprint.HTTP2
			n, err := p.Write(tt.sent)
			assert.EqualError(t, err, tt.want)
			assert.Equal(t, len(tt.sent), n)
			assert.False(t, p.Done())
			assert.Empty(t, p.Fingerprint())
			_, err = p.Write([]byte{0})
			assert.EqualError(t, err, tt.want, "an error stays")
		})
	}
}

func TestHTTP2Names(t *testing.T) {
	var p fingerprint.HTTP2
	_, err := p.Write(join([]byte(preface), settings(), frame(1, 4, 1, bytes.Repeat([]byte{0x82}, 60000)...)))
	require.NoError(t, err)
	assert.Len(t, p.Names(), 128)
	assert.Equal(t, "|00|0|m"+strings.Repeat(",m", 127), p.Fingerprint())
}

// TestHTTP2Agent: of several fields of a name the first counts, also an empty one, as
// in net/http.
func TestHTTP2Agent(t *testing.T) {
	for _, first := range []string{"", "curl/8.0", strings.Repeat("x", 2*fingerprint.MaxHTTP2Field)} {
		var block bytes.Buffer
		e := hpack.NewEncoder(&block)
		for _, value := range []string{first, "another"} {
			for _, name := range []string{"user-agent", "sec-ch-ua", "sec-ch-ua-platform"} {
				require.NoError(t, e.WriteField(hpack.HeaderField{Name: name, Value: value}))
			}
		}
		var p fingerprint.HTTP2
		_, err := p.Write(join([]byte(preface), settings(), frame(1, 4, 1, block.Bytes()...)))
		require.NoError(t, err)
		want := first[:min(len(first), fingerprint.MaxHTTP2Field)]
		assert.Equal(t, want, p.UserAgent())
		brands, platform := p.ClientHints()
		assert.Equal(t, []string{want, want}, []string{brands, platform})
	}
}

// FuzzHTTP2 checks that how the bytes are cut makes no difference.
func FuzzHTTP2(f *testing.F) {
	f.Add(join([]byte(preface), settings(1, 65536), windowUpdate(0, 5), priority(3, 0, 9), frame(1, 5, 1, fields("masp")...)), 30)
	f.Add(join([]byte(preface), settings(), frame(1, 0x28, 1, join([]byte{3, 0, 0, 0, 0, 9}, fields("mpsa")[:4], make([]byte, 3))...), frame(9, 4, 1, fields("mpsa")[4:]...)), 1)
	f.Fuzz(func(t *testing.T, sent []byte, cut int) {
		var whole, pieces fingerprint.HTTP2
		_, wholeErr := whole.Write(sent)
		var piecesErr error
		if cut < 1 {
			cut = 1
		}
		for rest := sent; len(rest) > 0; rest = rest[min(cut, len(rest)):] {
			_, piecesErr = pieces.Write(rest[:min(cut, len(rest))])
		}
		assert.Equal(t, wholeErr, piecesErr)
		assert.Equal(t, whole.Done(), pieces.Done())
		assert.Equal(t, whole.Fingerprint(), pieces.Fingerprint())
		assert.Equal(t, whole.Names(), pieces.Names())
		assert.Equal(t, whole.Wire(), pieces.Wire())
		assert.Equal(t, whole.Done(), whole.Wire() != "")
		assert.Equal(t, len(whole.Names()), fieldsIn(whole.Wire()), "%q", whole.Wire())
		assert.Equal(t, whole.Done(), whole.Fingerprint() != "")
	})
}
