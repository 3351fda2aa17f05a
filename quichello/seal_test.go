package quichello

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tlspeek/tlspeek/internal/varint"
)

// A sealer makes the Initials of one client as RFC 9001 says, with crypto/hkdf.
// It is the oracle of the keys.
type sealer struct {
	version    Version
	dcid, scid []byte // of the header
	token      []byte
	keyID      []byte // the DCID that the keys derive from; nil for dcid
	server     bool   // seal as the server
	suite      suite  // that of the version, unless it is set
	flip       byte   // bits of the first byte: 0x30 for another type of packet, 0x40 for the fixed bit
}

func (c *sealer) keys() (key, iv, hp []byte) {
	id := c.keyID
	if id == nil {
		id = c.dcid
	}
	prefix := "quic"
	if c.version == Version2 {
		prefix = "quicv2"
	}
	side := "client in"
	if c.server {
		side = "server in"
	}
	suite := c.suite
	if suite == noSuite {
		suite = c.version.suite()
	}
	initial := must(hkdf.Extract(sha256.New, id, []byte(suite.salt())))
	secret := expandLabel(initial, side, 32)
	return expandLabel(secret, prefix+" key", 16), expandLabel(secret, prefix+" iv", 12), expandLabel(secret, prefix+" hp", 16)
}

// expandLabel is HKDF-Expand-Label of RFC 8446, section 7.1.
func expandLabel(secret []byte, label string, n int) []byte {
	var b cryptobyte.Builder
	b.AddUint16(uint16(n))
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte("tls13 " + label)) })
	b.AddUint8(0)
	return must(hkdf.Expand(sha256.New, secret, string(b.BytesOrPanic()), n))
}

// seal returns a packet with a payload and a packet number of n bytes.
func (c *sealer) seal(number uint64, n int, payload []byte) []byte {
	first := 0xc0 | c.version.suite().initialType()<<4 | byte(n-1)
	first ^= c.flip
	b := binary.BigEndian.AppendUint32([]byte{first}, uint32(c.version))
	if c.version == draft21 {
		b = append(b, byte(max(0, len(c.dcid)-3)<<4|max(0, len(c.scid)-3)))
		b = append(append(b, c.dcid...), c.scid...)
	} else {
		b = append(append(b, byte(len(c.dcid))), c.dcid...)
		b = append(append(b, byte(len(c.scid))), c.scid...)
	}
	if c.flip&0x30 == 0 {
		b = append(varint.Append(b, uint64(len(c.token))), c.token...)
	}
	b = append(b, 0x40|byte((n+len(payload)+16)>>8), byte(n+len(payload)+16)) // Length, in two bytes
	pn := len(b)
	for i := n - 1; i >= 0; i-- {
		b = append(b, byte(number>>(8*i)))
	}
	key, iv, hp := c.keys()
	nonce := append([]byte(nil), iv...)
	for i := range 8 {
		nonce[11-i] ^= byte(number >> (8 * i))
	}
	aead := must(cipher.NewGCM(must(aes.NewCipher(key))))
	b = aead.Seal(b, nonce, payload, b)

	mask := make([]byte, 16)
	must(aes.NewCipher(hp)).Encrypt(mask, b[pn+4:pn+20])
	b[0] ^= mask[0] & 0x0f
	for i := range n {
		b[pn+i] ^= mask[1+i]
	}
	return b
}

// datagram returns an Initial that is padded to 1200 bytes, or longer if the
// frames are, in its own datagram.
func (c *sealer) datagram(number uint64, frames ...[]byte) []byte {
	var payload []byte
	for _, f := range frames {
		payload = append(payload, f...)
	}
	header := 1 + 4 + 1 + len(c.dcid) + 1 + len(c.scid) + 1 + len(c.token) + 2 + 4
	if room := 1200 - header - 16 - len(payload); room > 0 {
		payload = append(payload, make([]byte, room)...)
	}
	return c.seal(number, 4, payload)
}

func cryptoFrame(offset int, data []byte) []byte {
	b := varint.Append([]byte{frameCrypto}, uint64(offset))
	return append(varint.Append(b, uint64(len(data))), data...)
}

func ackFrame(ranges int) []byte {
	b := []byte{frameAck}
	for _, v := range []uint64{70000, 25, uint64(ranges), 3} {
		b = varint.Append(b, v)
	}
	for range ranges {
		b = varint.Append(varint.Append(b, 1), 2)
	}
	return b
}

func closeFrame(reason string) []byte {
	b := varint.Append([]byte{frameClose}, 0x100+42)
	b = varint.Append(b, frameCrypto)
	return append(varint.Append(b, uint64(len(reason))), reason...)
}

// helloMessage returns a message of n bytes with the header of a ClientHello.
// The rest depends on seed.
func helloMessage(n int, seed byte) []byte {
	b := make([]byte, n)
	b[0], b[1], b[2], b[3] = 1, byte((n-4)>>16), byte((n-4)>>8), byte(n-4)
	x := uint32(seed) + 1
	for i := 4; i < n; i++ {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
