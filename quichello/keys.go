package quichello

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
	"slices"
)

// An Opener derives the keys of Initials and opens them. It holds nothing of
// any flow, only memory that the next packet can use again: the states of
// HMAC-SHA256 keyed with the salts, and room for one packet. The zero value is
// ready. The Assemblers of one goroutine may share one Opener.
type Opener struct {
	hash    hashState
	salts   [numSuites]hmacKey
	client  hmacKey
	block   [sha256.BlockSize]byte
	sum     [sha256.Size]byte
	label   []byte
	nonce   [12]byte
	mask    [aes.BlockSize]byte
	header  []byte
	payload []byte
}

// A hashState is a SHA-256 whose state can be kept and put back.
type hashState interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// An hmacKey is a key of HMAC, as the two states of the hash after its padded
// forms (RFC 2104, section 4): each MAC under it saves two compressions of four.
type hmacKey struct{ inner, outer []byte }

// keys are what opens the Initials that a client sends on one connection.
type keys struct {
	suite  suite        // noSuite before they are derived
	header cipher.Block // header protection
	aead   cipher.AEAD
	iv     [12]byte
}

// The info of HKDF-Expand-Label (RFC 8446, section 7.1): output length, label
// and empty context; then the counter of HKDF-Expand, whose first block is all
// that is needed (RFC 5869, section 2.3).
const (
	labelClientIn = "\x00\x20\x0ftls13 client in\x00\x01"
	labelKey      = "\x00\x10\x0etls13 quic key\x00\x01"
	labelIV       = "\x00\x0c\x0dtls13 quic iv\x00\x01"
	labelHP       = "\x00\x10\x0dtls13 quic hp\x00\x01"
	labelKeyV2    = "\x00\x10\x10tls13 quicv2 key\x00\x01" // RFC 9369, section 3.3.2
	labelIVV2     = "\x00\x0c\x0ftls13 quicv2 iv\x00\x01"
	labelHPV2     = "\x00\x10\x0ftls13 quicv2 hp\x00\x01"
)

// derive sets k to the client's Initial keys for a version and the destination
// connection id of the client's first Initial (RFC 9001, section 5.2).
//
// The keys are two thirds of what an Initial costs. HMAC-SHA256 is written out
// over the hash because crypto/hmac and crypto/hkdf take no new key without
// allocating.
func (o *Opener) derive(k *keys, s suite, dcid *ConnectionID) {
	if o.hash == nil {
		o.hash = sha256.New().(hashState)
	}
	salt := &o.salts[s]
	if salt.inner == nil {
		o.setKey(salt, append(o.label[:0], s.salt()...))
	}
	o.mac(salt, dcid.bytes[:dcid.n])
	o.macOnce(o.sum[:], labelClientIn) // under the initial secret
	o.setKey(&o.client, o.sum[:])

	key, iv, hp := labelKey, labelIV, labelHP
	if s == suiteV2 {
		key, iv, hp = labelKeyV2, labelIVV2, labelHPV2
	}
	k.suite = s
	// A key of 16 bytes and an AES block are never refused.
	o.expand(key)
	block, _ := aes.NewCipher(o.sum[:16])
	k.aead, _ = cipher.NewGCM(block)
	o.expand(hp)
	k.header, _ = aes.NewCipher(o.sum[:16])
	o.expand(iv)
	copy(k.iv[:], o.sum[:])
}

// pad sets o.block to a key of at most 64 bytes, padded for the inner hash.
func (o *Opener) pad(key []byte) {
	clear(o.block[copy(o.block[:], key):])
	o.flip(0x3636363636363636)
}

// toOuter changes the padding of o.block to that of the outer hash.
func (o *Opener) toOuter() { o.flip(0x3636363636363636 ^ 0x5c5c5c5c5c5c5c5c) }

func (o *Opener) flip(mask uint64) {
	for i := 0; i < len(o.block); i += 8 {
		word := o.block[i : i+8]
		binary.NativeEndian.PutUint64(word, binary.NativeEndian.Uint64(word)^mask)
	}
}

// setKey sets k to a key.
func (o *Opener) setKey(k *hmacKey, key []byte) {
	o.pad(key)
	k.inner = o.stateAfterBlock(k.inner)
	o.toOuter()
	k.outer = o.stateAfterBlock(k.outer)
}

// stateAfterBlock returns the state of the hash after o.block, in the memory of
// buf. The SHA-256 of the standard library gives and takes its state without
// fail.
func (o *Opener) stateAfterBlock(buf []byte) []byte {
	o.hash.Reset()
	o.hash.Write(o.block[:])
	buf, _ = o.hash.AppendBinary(buf[:0])
	return buf
}

// macOnce sets o.sum to the HMAC of a label under a key that is not used again.
func (o *Opener) macOnce(key []byte, label string) {
	o.pad(key)
	o.label = append(o.label[:0], label...)
	o.hash.Reset()
	o.hash.Write(o.block[:])
	o.hash.Write(o.label)
	o.hash.Sum(o.sum[:0])
	o.toOuter()
	o.hash.Reset()
	o.hash.Write(o.block[:])
	o.hash.Write(o.sum[:])
	o.hash.Sum(o.sum[:0])
}

// mac sets o.sum to the HMAC of a message.
func (o *Opener) mac(k *hmacKey, message []byte) {
	o.hash.UnmarshalBinary(k.inner)
	o.hash.Write(message)
	o.hash.Sum(o.sum[:0])
	o.hash.UnmarshalBinary(k.outer)
	o.hash.Write(o.sum[:])
	o.hash.Sum(o.sum[:0])
}

// expand sets o.sum to HKDF-Expand-Label of the secret in o.client.
func (o *Opener) expand(label string) {
	o.label = append(o.label[:0], label...)
	o.mac(&o.client, o.label)
}

// A plain is what the protection of an Initial hides.
type plain struct {
	payload   []byte // valid until the Opener is used again
	number    int64
	numberLen int // on the wire, in bytes
}

// open removes the protection of a packet (RFC 9001, sections 5.3 and 5.4). It
// reports false if the packet does not authenticate under k; then nothing of it
// is to be believed.
func (o *Opener) open(k *keys, in *initial, largest int64) (plain, bool) {
	// The packet number is taken to be 4 bytes long to find the sample.
	k.header.Encrypt(o.mask[:], in.packet[in.pnOffset+4:in.pnOffset+4+16])
	first := in.packet[0] ^ o.mask[0]&0x0f
	n := int(first&3) + 1

	o.header = append(o.header[:0], in.packet[:in.pnOffset+n]...)
	o.header[0] = first
	var truncated uint32
	for i := range n {
		o.header[in.pnOffset+i] ^= o.mask[1+i]
		truncated = truncated<<8 | uint32(o.header[in.pnOffset+i])
	}
	number := fullNumber(largest, truncated, n)

	o.nonce = k.iv
	low := binary.BigEndian.Uint64(o.nonce[4:])
	binary.BigEndian.PutUint64(o.nonce[4:], low^uint64(number))
	sealed := in.packet[in.pnOffset+n:]
	o.payload = slices.Grow(o.payload[:0], len(sealed))
	payload, err := k.aead.Open(o.payload, o.nonce[:], sealed, o.header)
	if err != nil {
		return plain{}, false
	}
	return plain{payload, number, n}, true
}
