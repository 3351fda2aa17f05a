package fingerprint_test

import (
	"encoding/hex"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2/hpack"

	"github.com/tlspeek/tlspeek/fingerprint"
)

// literal returns a literal header field: first is its first byte, with the index of the
// name, or without the name.
func literal(first byte, strings ...[]byte) []byte {
	return join(append([][]byte{{first}}, strings...)...)
}

func plain(s string) []byte { return append([]byte{byte(len(s))}, s...) }

func huffman(s string) []byte {
	b := hpack.AppendHuffmanString(nil, s)
	return append([]byte{0x80 | byte(len(b))}, b...)
}

func headers(block ...byte) []byte { return frame(1, 5, 1, block...) }

func withPriority(dependency []byte, weight byte, block []byte) []byte {
	return frame(1, 0x25, 1, join(dependency, []byte{weight}, block)...)
}

// wireOf returns what an HTTP2 says of frames after the connection preface, in whatever
// pieces they come.
func wireOf(t *testing.T, frames ...[]byte) string {
	sent := join(append([][]byte{[]byte(preface)}, frames...)...)
	var whole fingerprint.HTTP2
	_, err := whole.Write(sent)
	require.NoError(t, err)
	for cut := range len(sent) {
		var p fingerprint.HTTP2
		_, err := p.Write(sent[:cut])
		require.NoError(t, err)
		assert.Empty(t, p.Wire(), "before the request is whole")
		_, err = p.Write(sent[cut:])
		require.NoError(t, err)
		assert.Equal(t, whole.Wire(), p.Wire(), cut)
	}
	return whole.Wire()
}

// TestHTTP2Wire: the frames, the priority, and how each field is written, among them the
// first request of RFC 7541, appendices C.3.1 and C.4.1.
func TestHTTP2Wire(t *testing.T) {
	c3, err := hex.DecodeString("828684410f7777772e6578616d706c652e636f6d")
	require.NoError(t, err)
	c4, err := hex.DecodeString("828684418cf1e3c2e5f23a6ba0ab90f4ff")
	require.NoError(t, err)
	ack := frame(4, 1, 0)
	long := strings.Repeat("a", 300)
	block := join([]byte{0x82}, literal(0x41, huffman("example.org")), []byte{0x87}, literal(0x04, huffman("/path")))
	for name, c := range map[string]struct {
		frames [][]byte
		want   string
	}{
		"C.3.1":                {[][]byte{settings(), headers(c3...)}, "S,H|0|m=i,s=i,p=i,a=+P|"},
		"C.4.1":                {[][]byte{settings(), headers(c4...)}, "S,H|0|m=i,s=i,p=i,a=+h|"},
		"Chromium":             {[][]byte{settings(1, 65536), windowUpdate(0, 15663105), withPriority([]byte{0x80, 0, 0, 0}, 255, join(block, literal(0x40, huffman("sec-ch-ua-mobile"), plain("?0")), literal(0x53, plain("*/*")), literal(0x60, huffman("k=vvvvvvvvvv"))))}, "S,W,H|1:0:256|m=i,a=+h,s=i,p=-h|+Np,+p,+h"},
		"Go":                   {[][]byte{settings(), windowUpdate(0, 1), headers(join(literal(0x41, huffman("example.org")), []byte{0x82}, literal(0x44, huffman("/path")), []byte{0x87})...)}, "S,W,H|0|a=+h,m=i,p=+h,s=i|"},
		"acknowledged":         {[][]byte{settings(), ack, windowUpdate(0, 1), headers(block...)}, "S,A,W,H|0|m=i,a=+h,s=i,p=-h|"},
		"a tree of priorities": {[][]byte{settings(), priority(3, 0, 201), priority(5, 0, 101), priority(7, 0, 1), withPriority([]byte{0, 0, 0, 11}, 15, block)}, "S,P*3,H|0:11:16|m=i,a=+h,s=i,p=-h|"},
		"frames of all kinds":  {[][]byte{settings(), windowUpdate(5, 1), frame(6, 0, 0, make([]byte, 8)...), frame(3, 0, 7, 0, 0, 0, 8), frame(0x10, 0, 0, 1), frame(0xfa, 0, 0), headers(block...)}, "S,w,p,R,x10,xfa,H|0|m=i,a=+h,s=i,p=-h|"},
		"in two frames":        {[][]byte{settings(), frame(1, 1, 1, block[:9]...), frame(9, 0, 1, block[9:12]...), frame(9, 4, 1, block[12:]...)}, "S,H,C*2|0|m=i,a=+h,s=i,p=-h|"},
		"padding":              {[][]byte{settings(), frame(1, 0x0d, 1, join([]byte{2}, block, []byte{0, 0})...)}, "S,H|0+pad|m=i,a=+h,s=i,p=-h|"},
		"size updates":         {[][]byte{settings(), headers(join([]byte{0x20, 0x3f, 0xe1, 0x1f}, block)...)}, "S,H|0|m=i,a=+h,s=i,p=-h|u*2"},
		"all kinds of fields": {[][]byte{settings(), headers(join(block,
			literal(0x40, plain("name"), plain("value")), // added, plain
			literal(0x40, plain("name"), plain("value")), // the same again
			[]byte{0xbf},                       // from the dynamic table
			literal(0x7e, huffman("xxxxxxxx")), // its name is from there
			literal(0x00, huffman("name"), huffman("~~")),
			literal(0x10, plain("name"), plain("~~")),
			literal(0x1f, []byte{0x08}, huffman("secret")), // authorization, whose index has two bytes
			literal(0x0f, []byte{0x09}, plain("")),         // cache-control
		)...)}, "S,H|0|m=i,a=+h,s=i,p=-h|+nP*2,d,+dh,-NH,!np,!h,-p"},
		"long strings": {[][]byte{settings(), headers(join(block, []byte{0x40, 0x7f, 0xad, 0x01}, []byte(long), []byte{0x7f, 0xad, 0x01}, []byte(long), []byte{0x82})...)},
			"S,H|0|m=i,a=+h,s=i,p=-h,m=i|+nP"},
		"pseudo-headers that are none": {[][]byte{settings(), headers(join([]byte{0x82}, literal(0x00, plain(":protocol"), plain("websocket")), []byte{0x87})...)}, "S,H|0|m=i,s=i|-nP"},
		"nothing but a request":        {[][]byte{headers(block...)}, "H|0|m=i,a=+h,s=i,p=-h|"},
		"no fields":                    {[][]byte{settings(), frame(1, 5, 1)}, "S,H|0||"},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.want, wireOf(t, c.frames...)) })
	}
}

// TestHTTP2WireOfEncoder: golang.org/x/net/http2/hpack adds all fields to the table, and
// uses Huffman coding where it is shorter: not for */*.
func TestHTTP2WireOfEncoder(t *testing.T) {
	assert.Equal(t, "S,H|0|m=+h,p=+h|+h,+p", wireOf(t, settings(), headers(fields("mp")...)))
}

// fieldsIn returns how many header fields a text of [fingerprint.HTTP2.Wire] has.
func fieldsIn(wire string) (n int) {
	parts := strings.SplitN(wire, "|", 4)
	if len(parts) < 4 {
		return 0
	}
	if parts[2] != "" {
		n = strings.Count(parts[2], ",") + 1
	}
	for code := range strings.SplitSeq(parts[3], ",") {
		code, times, repeated := strings.Cut(code, "*")
		switch i, err := strconv.Atoi(times); {
		case code == "" || code == "u":
		case repeated && err == nil:
			n += i
		default:
			n++
		}
	}
	return n
}

// TestHTTP2WireIsBounded: many frames of other kinds and many fields make no long text.
func TestHTTP2WireIsBounded(t *testing.T) {
	sent := []byte(preface)
	for i := range 500 {
		sent = append(sent, frame(byte(0x20+i%100), 0, 0)...)
	}
	var block []byte
	for i := range 4000 {
		block = append(block, literal([]byte{0, 0x10}[i%2], plain("n"), []byte{0})...)
	}
	sent = append(sent, headers(block...)...)
	var p fingerprint.HTTP2
	_, err := p.Write(sent)
	require.NoError(t, err)
	wire := p.Wire()
	assert.True(t, strings.HasPrefix(wire, "x20,x21,x22,"), wire)
	assert.Contains(t, wire, "x2f,...|0||-np,!np,")
	assert.Less(t, len(wire), 700)
	assert.Equal(t, 64, strings.Count(wire, "!np"), "128 fields are kept")
}
