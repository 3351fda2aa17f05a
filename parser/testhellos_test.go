package parser

import (
	"encoding/hex"
	"strings"
)

// fromHex returns the bytes of s, ignoring spaces and bars.
func fromHex(s string) []byte {
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "|", "").Replace(s))
	if err != nil {
		panic(err)
	}
	return b
}

// helloWith returns a small ClientHello with one extension.
func helloWith(typ ExtensionType, body []byte) []byte {
	extension := append([]byte{byte(typ >> 8), byte(typ), byte(len(body) >> 8), byte(len(body))}, body...)
	return hello(extension)
}

// hello returns a small ClientHello with an extension block.
func hello(extensions []byte) []byte {
	b := append([]byte{1, 0, 0, 0, 3, 3}, make([]byte, 32)...)
	b = append(b, 0, 0, 2, 0x13, 0x01, 1, 0, byte(len(extensions)>>8), byte(len(extensions)))
	b = append(b, extensions...)
	n := len(b) - headerLen
	b[1], b[2], b[3] = byte(n>>16), byte(n>>8), byte(n)
	return b
}

// sslv2Hello offers an SSL 2.0 cipher and two suites.
var sslv2Hello = fromHex("8026 01 0301 0009 0004 0010 010080 00002f 000005 aabbccdd" +
	"000102030405060708090a0b0c0d0e0f")
