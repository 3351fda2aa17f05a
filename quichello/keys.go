package quichello

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
	"hash/maphash"
	"slices"
)

// An Opener derives the keys of Initials and opens them. It holds nothing of
// any flow, only memory that can be used again: the states of HMAC-SHA256 keyed
// with the salts, room for one packet, and what Reuse was given. The zero value
// is ready. The Assemblers of one goroutine may share one Opener.
type Opener struct {
	hash    hashState
	salts   [numSuites]hmacKey
	client  hmacKey
	block   [sha256.BlockSize]byte // a padded key
	dcid    lastBlock
	inner   lastBlock // that of the outer hash: it takes the inner
	state   []byte
	nonce   [12]byte
	mask    [aes.BlockSize]byte
	header  []byte
	payload []byte

	// What is used again.
	spare spare
	hello *Hello

	seed maphash.Seed // of the hashes of hellos
}

// Reuse gives back a Hello that Next returned. Nobody may use it, its Message or
// its FrameTypes any more: the Assemblers of o use the memory for the next one.
func (o *Opener) Reuse(h *Hello) {
	o.spare.keep(h.Message)
	h.Message = nil
	o.hello = h
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

// A lastBlock is the end of what a MAC or its outer hash is taken of, all that
// follows the block of the key, padded as SHA-256 has it (FIPS 180-4, section
// 5.1.1): the text, a bit, zeros, and the length of all in bits.
type lastBlock [sha256.BlockSize]byte

// lastBlockOf returns the lastBlock of a text of at most 55 bytes.
func lastBlockOf(text string) (b lastBlock) {
	b.set([]byte(text))
	return b
}

func (b *lastBlock) set(text []byte) {
	n := copy(b[:], text)
	clear(b[n:])
	b[n] = 0x80
	binary.BigEndian.PutUint16(b[len(b)-2:], uint16(8*(len(b)+n)))
}

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
var (
	labelClientIn = lastBlockOf("\x00\x20\x0ftls13 client in\x00\x01")
	labelKey      = lastBlockOf("\x00\x10\x0etls13 quic key\x00\x01")
	labelIV       = lastBlockOf("\x00\x0c\x0dtls13 quic iv\x00\x01")
	labelHP       = lastBlockOf("\x00\x10\x0dtls13 quic hp\x00\x01")
	labelKeyV2    = lastBlockOf("\x00\x10\x10tls13 quicv2 key\x00\x01") // RFC 9369, section 3.3.2
	labelIVV2     = lastBlockOf("\x00\x0c\x0ftls13 quicv2 iv\x00\x01")
	labelHPV2     = lastBlockOf("\x00\x10\x0ftls13 quicv2 hp\x00\x01")
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
		o.inner.set(make([]byte, sha256.Size))
	}
	salt := &o.salts[s]
	if salt.inner == nil {
		o.setKey(salt, []byte(s.salt()))
	}
	o.dcid.set(dcid.bytes[:dcid.n])
	initial := o.mac(salt, &o.dcid)
	o.setKey(&o.client, o.macOnce(initial, &labelClientIn))

	key, iv, hp := &labelKey, &labelIV, &labelHP
	if s == suiteV2 {
		key, iv, hp = &labelKeyV2, &labelIVV2, &labelHPV2
	}
	k.suite = s
	// A key of 16 bytes and an AES block are never refused.
	block, _ := aes.NewCipher(o.mac(&o.client, key)[:16])
	k.aead, _ = cipher.NewGCM(block)
	k.header, _ = aes.NewCipher(o.mac(&o.client, hp)[:16])
	copy(k.iv[:], o.mac(&o.client, iv))
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

// macOnce returns the HMAC of a message under a key that is not used again. It
// is valid until the next.
func (o *Opener) macOnce(key []byte, message *lastBlock) []byte {
	o.pad(key)
	o.hash.Reset()
	o.hash.Write(o.block[:])
	copy(o.inner[:], o.sum(message))
	o.toOuter()
	o.hash.Reset()
	o.hash.Write(o.block[:])
	return o.sum(&o.inner)
}

// mac returns the HMAC of a message. It is valid until the next.
func (o *Opener) mac(k *hmacKey, message *lastBlock) []byte {
	o.hash.UnmarshalBinary(k.inner)
	copy(o.inner[:], o.sum(message))
	o.hash.UnmarshalBinary(k.outer)
	return o.sum(&o.inner)
}

// sum returns the hash of what was written and a last block. With the padding in
// it the chaining value is the hash, and the state has it behind the four bytes
// "sha\x03" that name its layout, which the standard library goes on to read.
// Sum would copy the state, pad it and clear it: a fifth of the cost of the keys.
func (o *Opener) sum(last *lastBlock) []byte {
	o.hash.Write(last[:])
	o.state, _ = o.hash.AppendBinary(o.state[:0])
	return o.state[4:][:sha256.Size]
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
