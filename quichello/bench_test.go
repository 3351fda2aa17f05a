package quichello

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkInitial reads one Initial with a complete hello of 300 bytes, with a
// new Assembler as for each flow of a capture. BenchmarkBareCrypto is the
// cryptography of that alone, and BenchmarkStandardLibrary is the same with
// crypto/hkdf.
func BenchmarkInitial(b *testing.B) {
	datagram, hello := benchInitial()
	var o Opener
	b.ReportAllocs()
	b.SetBytes(int64(len(datagram)))
	for b.Loop() {
		a := Assembler{Opener: &o}
		h, err := a.Next(datagram)
		if err != nil || len(h.Message) != len(hello) {
			b.Fatal(err)
		}
	}
}

// BenchmarkTwoInitials reads a hello of 1,800 bytes in two datagrams.
func BenchmarkTwoInitials(b *testing.B) {
	client := sealer{version: Version1, dcid: []byte("8 bytes.")}
	hello := helloMessage(1800, 1)
	first := client.datagram(0, cryptoFrame(700, hello[700:1300]), cryptoFrame(0, hello[:500]))
	second := client.datagram(1, cryptoFrame(1300, hello[1300:]), cryptoFrame(500, hello[500:700]))
	var o Opener
	b.ReportAllocs()
	for b.Loop() {
		a := Assembler{Opener: &o}
		if _, err := a.Next(first); err != nil {
			b.Fatal(err)
		}
		if h, err := a.Next(second); err != nil || h == nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOther reads a datagram without an Initial.
func BenchmarkOther(b *testing.B) {
	datagram := append([]byte{0x45}, make([]byte, 1199)...)
	var a Assembler
	for b.Loop() {
		if h, err := a.Next(datagram); h != nil || err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkForeign reads an Initial that does not authenticate, such as a
// server's: the most expensive datagram that an attacker can send.
func BenchmarkForeign(b *testing.B) {
	datagram, _ := benchInitial()
	datagram[len(datagram)-1] ^= 1
	var o Opener
	b.ReportAllocs()
	for b.Loop() {
		a := Assembler{Opener: &o}
		if _, err := a.Next(datagram); err != ErrAuthentication {
			b.Fatal(err)
		}
	}
}

// BenchmarkBareCrypto derives the keys through reused HMAC states, removes the
// header protection and opens the payload: five MACs, two AES keys, one AES
// block and one AES-GCM.
func BenchmarkBareCrypto(b *testing.B) {
	datagram, _ := benchInitial()
	var in initial
	require.True(b, nextInitial(&datagram, &in))
	var o Opener
	b.ReportAllocs()
	b.SetBytes(int64(len(in.packet)))
	for b.Loop() {
		var k keys
		o.derive(&k, suiteV1, &in.dcid)
		if _, ok := o.open(&k, &in, -1); !ok {
			b.Fatal("not opened")
		}
	}
}

// BenchmarkStandardLibrary opens the same Initial with the standard library.
func BenchmarkStandardLibrary(b *testing.B) {
	datagram, hello := benchInitial()
	salt := []byte(suiteV1.salt())
	b.ReportAllocs()
	b.SetBytes(int64(len(datagram)))
	for b.Loop() {
		message, err := openWithHKDF(datagram, salt)
		if err != nil || len(message) != len(hello) {
			b.Fatal(err)
		}
	}
}

// openWithHKDF opens an Initial of version 1 and returns the data of its only
// CRYPTO frame.
func openWithHKDF(datagram, salt []byte) ([]byte, error) {
	dcid := datagram[6 : 6+datagram[5]]
	pn := 6 + len(dcid) + 1 + int(datagram[6+len(dcid)]) + 1 + 2 // no token, Length in two bytes
	initial, err := hkdf.Extract(sha256.New, dcid, salt)
	if err != nil {
		return nil, err
	}
	secret := must(hkdf.Expand(sha256.New, initial, "\x00\x20\x0ftls13 client in\x00", 32))
	key := must(hkdf.Expand(sha256.New, secret, "\x00\x10\x0etls13 quic key\x00", 16))
	iv := must(hkdf.Expand(sha256.New, secret, "\x00\x0c\x0dtls13 quic iv\x00", 12))
	hp := must(hkdf.Expand(sha256.New, secret, "\x00\x10\x0dtls13 quic hp\x00", 16))

	mask := make([]byte, 16)
	must(aes.NewCipher(hp)).Encrypt(mask, datagram[pn+4:pn+20])
	n := int((datagram[0]^mask[0])&3) + 1
	header := append([]byte(nil), datagram[:pn+n]...)
	header[0] ^= mask[0] & 0x0f
	for i := range n {
		header[pn+i] ^= mask[1+i]
		iv[12-n+i] ^= header[pn+i]
	}
	end := pn + int(binary.BigEndian.Uint16(datagram[pn-2:])&0x3fff)
	payload, err := must(cipher.NewGCM(must(aes.NewCipher(key)))).Open(nil, iv, datagram[pn+n:end], header)
	if err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint16(payload[2:]) & 0x3fff) // type 6, offset 0
	return payload[4 : 4+length], nil
}

func benchInitial() (datagram, hello []byte) {
	hello = helloMessage(300, 1)
	client := sealer{version: Version1, dcid: []byte("8 bytes.")}
	return client.datagram(0, cryptoFrame(0, hello)), hello
}
