package fingerprint

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// textLen is the size of the stack buffer for functions that return a string. Nearly
// all texts of clients are shorter.
const textLen = 1024

// appendWithoutGREASE appends list without GREASE to dst.
func appendWithoutGREASE[T ~uint16](dst []uint16, list []T) []uint16 {
	n := len(dst)
	dst = slices.Grow(dst, len(list))[:n+len(list)]
	for _, v := range list {
		dst[n] = uint16(v)
		if !parser.IsGREASE(v) {
			n++
		}
	}
	return dst[:n]
}

// appendExtensionTypes appends the types of the extensions of h, without GREASE.
func appendExtensionTypes(dst []uint16, h *parser.ClientHello) []uint16 {
	for i := range h.Extensions {
		if t := h.Extensions[i].Type; !parser.IsGREASE(t) {
			dst = append(dst, uint16(t))
		}
	}
	return dst
}

// hex4 returns the four lower-case hex digits of v, the first one lowest.
func hex4(v uint16) uint32 {
	x := uint32(v)
	x = x>>12 | x&0x0f00 | x<<12&0x0f0000 | x<<24&0x0f000000
	letters := (x + 0x06060606) >> 4 & 0x01010101 // 1 for each digit over 9
	return x + 0x30303030 + letters*('a'-'0'-10)
}

// appendHex appends v as four hex digits.
func appendHex(dst []byte, v uint16) []byte {
	return binary.LittleEndian.AppendUint32(dst, hex4(v))
}

// appendHexList appends list in hex, with commas between its values.
func appendHexList[T ~uint16](dst []byte, list []T) []byte {
	if len(list) == 0 {
		return dst
	}
	start, n := len(dst), 5*len(list)
	dst = slices.Grow(dst, n)[:start+n]
	out := dst[start:]
	for _, v := range list {
		binary.LittleEndian.PutUint32(out, hex4(uint16(v)))
		out[4] = ','
		out = out[5:]
	}
	return dst[:start+n-1]
}

// appendDecimal appends v in decimal.
func appendDecimal(dst []byte, v uint16) []byte {
	switch {
	case v < 10:
		return append(dst, byte('0'+v))
	case v < 100:
		return append(dst, byte('0'+v/10), byte('0'+v%10))
	case v < 1000:
		return append(dst, byte('0'+v/100), byte('0'+v/10%10), byte('0'+v%10))
	case v < 10000:
		return append(dst, byte('0'+v/1000), byte('0'+v/100%10), byte('0'+v/10%10), byte('0'+v%10))
	}
	return append(dst, byte('0'+v/10000), byte('0'+v/1000%10), byte('0'+v/100%10), byte('0'+v/10%10), byte('0'+v%10))
}

// replaceByMD5 replaces what follows start in text by its MD5 in hex.
func replaceByMD5(text []byte, start int) []byte {
	sum := md5.Sum(text[start:])
	return hex.AppendEncode(text[:start], sum[:])
}

// replaceBySHA256 replaces what follows start in text by the first n hex digits of
// its SHA-256.
func replaceBySHA256(text []byte, start, n int) []byte {
	sum := sha256.Sum256(text[start:])
	return hex.AppendEncode(text[:start], sum[:n/2])
}
