// Package quictest makes QUIC Initial packets for tests.
package quictest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
)

const salt = "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a"

// minPayload makes a datagram of at least 1200 bytes.
const minPayload = 1160

// Initial returns a datagram with an Initial of version 1 (RFC 9001, section 5), which has
// one CRYPTO frame, no source connection ID, and a packet number of two bytes.
func Initial(dcid, token []byte, number, offset int, crypto []byte) []byte {
	key, iv, hp := keys(dcid)
	payload := appendVarint([]byte{6}, offset)
	payload = append(appendVarint(payload, len(crypto)), crypto...)
	for len(payload) < minPayload {
		payload = append(payload, 0)
	}
	header := append([]byte{0xc1, 0, 0, 0, 1, byte(len(dcid))}, dcid...)
	header = append(appendVarint(append(header, 0), len(token)), token...)
	header = appendVarint(header, 2+len(payload)+16)
	at := len(header)
	header = binary.BigEndian.AppendUint16(header, uint16(number))

	nonce := append([]byte(nil), iv...)
	low := binary.BigEndian.Uint64(nonce[4:])
	binary.BigEndian.PutUint64(nonce[4:], low^uint64(number))
	packet := must(cipher.NewGCM(must(aes.NewCipher(key)))).Seal(header, nonce, payload, header)
	var mask [16]byte
	must(aes.NewCipher(hp)).Encrypt(mask[:], packet[at+4:at+20])
	packet[0] ^= mask[0] & 0x0f
	packet[at] ^= mask[1]
	packet[at+1] ^= mask[2]
	return packet
}

// appendVarint appends n as a variable-length integer of four bytes (RFC 9000, section 16).
func appendVarint(b []byte, n int) []byte { return binary.BigEndian.AppendUint32(b, 2<<30|uint32(n)) }

func keys(dcid []byte) (key, iv, hp []byte) {
	secret := expand(must(hkdf.Extract(sha256.New, dcid, []byte(salt))), "client in", 32)
	return expand(secret, "quic key", 16), expand(secret, "quic iv", 12), expand(secret, "quic hp", 16)
}

// expand is HKDF-Expand-Label of RFC 8446, section 7.1.
func expand(secret []byte, label string, n int) []byte {
	info := []byte{0, byte(n), byte(6 + len(label))}
	info = append(append(info, "tls13 "+label...), 0)
	return must(hkdf.Expand(sha256.New, secret, string(info), n))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
