package quichello

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
)

// keys open the Initials that a client sends on one connection.
type keys struct {
	suite  suite        // noSuite before they are derived
	header cipher.Block // header protection
	aead   cipher.AEAD
	iv     [12]byte
}

// derive sets k to the client's Initial keys for a version and the destination
// connection id of the client's first Initial (RFC 9001, section 5.2). The keys
// are two thirds of the cost of an Initial.
func (o *Opener) derive(k *keys, s suite, dcid *ConnectionID) {
	o.derivations++
	p := &o.derived // on the stack it would escape to the heap
	*p = o.hmac.initialKeys(s, dcid.bytes[:dcid.n])
	// Keys of 16 bytes and AES blocks are always accepted.
	block, _ := aes.NewCipher(p.key[:])
	k.aead, _ = cipher.NewGCM(block)
	k.header, _ = aes.NewCipher(p.hp[:])
	k.iv = p.iv
	k.suite = s
}

// initialKeys are the keys of RFC 9001, section 5.1: key, iv and header
// protection key.
type initialKeys struct {
	key [16]byte
	iv  [12]byte
	hp  [16]byte
}

// The info of HKDF-Expand-Label (RFC 8446, section 7.1): output length, label
// and empty context; then the counter of HKDF-Expand, whose first block is all
// that is needed (RFC 5869, section 2.3).
const (
	infoClientIn = "\x00\x20\x0ftls13 client in\x00\x01"
	infoKey      = "\x00\x10\x0etls13 quic key\x00\x01"
	infoIV       = "\x00\x0c\x0dtls13 quic iv\x00\x01"
	infoHP       = "\x00\x10\x0dtls13 quic hp\x00\x01"
	infoKeyV2    = "\x00\x10\x10tls13 quicv2 key\x00\x01" // RFC 9369, section 3.3.2
	infoIVV2     = "\x00\x0c\x0ftls13 quicv2 iv\x00\x01"
	infoHPV2     = "\x00\x10\x0ftls13 quicv2 hp\x00\x01"
)

// standardInitialKeys derives the keys with crypto/hmac.
func standardInitialKeys(s suite, dcid []byte) (p initialKeys) {
	mac := func(key, text []byte) []byte {
		h := hmac.New(sha256.New, key)
		h.Write(text)
		return h.Sum(nil)
	}
	key, iv, hp := infoKey, infoIV, infoHP
	if s == suiteV2 {
		key, iv, hp = infoKeyV2, infoIVV2, infoHPV2
	}
	initial := mac([]byte(s.salt()), bytes.Clone(dcid)) // a clone, so that the Assembler with dcid may be on the stack
	client := mac(initial, []byte(infoClientIn))
	copy(p.key[:], mac(client, []byte(key)))
	copy(p.iv[:], mac(client, []byte(iv)))
	copy(p.hp[:], mac(client, []byte(hp)))
	return p
}
