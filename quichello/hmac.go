package quichello

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
)

// An hmacSHA256 derives Initial keys with HMAC-SHA256. The zero value is ready
// to use.
//
// crypto/hmac and crypto/hkdf allocate memory for each new key. This HMAC
// instead saves and restores the state of one SHA-256 and reads the digest from
// the saved state, which relies on how the standard library lays the state out.
// The first use checks that, and uses crypto/hmac if it is otherwise.
type hmacSHA256 struct {
	mode   hmacMode
	hash   hashState
	salts  [numSuites]hmacKey
	client hmacKey
	block  [sha256.BlockSize]byte // a padded key
	dcid   finalBlock
	inner  finalBlock // of the outer hash, which is over the inner one
	state  []byte
}

// An hmacMode is how an hmacSHA256 computes.
type hmacMode uint8

const (
	hmacUnchecked hmacMode = iota // not used yet
	hmacFromState                 // from saved states of SHA-256
	hmacStandard                  // with crypto/hmac
)

// A hashState is a SHA-256 whose state can be saved and restored.
type hashState interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

// An hmacKey is a key of HMAC, as the two states of the hash after its padded
// forms (RFC 2104, section 4). Each MAC under it then takes two compressions
// instead of four.
type hmacKey struct{ inner, outer []byte }

// A finalBlock is all that is hashed after the block of the key, padded as
// SHA-256 demands (FIPS 180-4, section 5.1.1): the text, a bit, zeros, and the
// length of the whole in bits.
type finalBlock [sha256.BlockSize]byte

// finalBlockOf returns the finalBlock of a text of at most 55 bytes.
func finalBlockOf(text string) (b finalBlock) {
	b.set([]byte(text))
	return b
}

func (b *finalBlock) set(text []byte) {
	n := copy(b[:], text)
	clear(b[n:])
	b[n] = 0x80
	binary.BigEndian.PutUint16(b[len(b)-2:], uint16(8*(len(b)+n)))
}

var (
	blockClientIn = finalBlockOf(infoClientIn)
	blockKey      = finalBlockOf(infoKey)
	blockIV       = finalBlockOf(infoIV)
	blockHP       = finalBlockOf(infoHP)
	blockKeyV2    = finalBlockOf(infoKeyV2)
	blockIVV2     = finalBlockOf(infoIVV2)
	blockHPV2     = finalBlockOf(infoHPV2)
)

// initialKeys returns the keys of a suite and a DCID.
func (m *hmacSHA256) initialKeys(s suite, dcid []byte) initialKeys {
	if m.mode == hmacUnchecked {
		m.check(sha256.New())
	}
	if m.mode == hmacStandard {
		return standardInitialKeys(s, dcid)
	}
	return m.fastInitialKeys(s, dcid)
}

// check decides how m computes: from saved states of h if the keys of RFC 9001,
// appendix A.1, come out right. It takes as long as one Initial. Each Opener
// does it, since a result that all share would be global state.
func (m *hmacSHA256) check(h hash.Hash) {
	m.mode = hmacStandard
	var ok bool
	if m.hash, ok = h.(hashState); !ok {
		return
	}
	m.inner.set(make([]byte, sha256.Size))
	m.state = make([]byte, 0, 256) // room for the digest in any state: see sum
	got := m.fastInitialKeys(suiteV1, []byte("\x83\x94\xc8\xf0\x3e\x51\x57\x08"))
	want := initialKeys{
		key: [...]byte{0x1f, 0x36, 0x96, 0x13, 0xdd, 0x76, 0xd5, 0x46, 0x77, 0x30, 0xef, 0xcb, 0xe3, 0xb1, 0xa2, 0x2d},
		iv:  [...]byte{0xfa, 0x04, 0x4b, 0x2f, 0x42, 0xa3, 0xfd, 0x3b, 0x46, 0xfb, 0x25, 0x5c},
		hp:  [...]byte{0x9f, 0x50, 0x44, 0x9e, 0x04, 0xa0, 0xe8, 0x10, 0x28, 0x3a, 0x1e, 0x99, 0x33, 0xad, 0xed, 0xd2},
	}
	if got == want {
		m.mode = hmacFromState
	}
}

// fastInitialKeys derives the keys from saved states of the hash.
func (m *hmacSHA256) fastInitialKeys(s suite, dcid []byte) (p initialKeys) {
	salt := &m.salts[s]
	if salt.inner == nil {
		m.setKey(salt, []byte(s.salt()))
	}
	key, iv, hp := &blockKey, &blockIV, &blockHP
	if s == suiteV2 {
		key, iv, hp = &blockKeyV2, &blockIVV2, &blockHPV2
	}
	m.dcid.set(dcid)
	initial := m.mac(salt, &m.dcid)
	m.setKey(&m.client, m.macOnce(initial, &blockClientIn))
	copy(p.key[:], m.mac(&m.client, key))
	copy(p.hp[:], m.mac(&m.client, hp))
	copy(p.iv[:], m.mac(&m.client, iv))
	return p
}

// pad sets m.block to a key of at most 64 bytes, padded for the inner hash.
func (m *hmacSHA256) pad(key []byte) {
	clear(m.block[copy(m.block[:], key):])
	m.flip(0x3636363636363636)
}

// toOuter changes the padding of m.block to that of the outer hash.
func (m *hmacSHA256) toOuter() { m.flip(0x3636363636363636 ^ 0x5c5c5c5c5c5c5c5c) }

func (m *hmacSHA256) flip(mask uint64) {
	for i := 0; i < len(m.block); i += 8 {
		word := m.block[i : i+8]
		binary.NativeEndian.PutUint64(word, binary.NativeEndian.Uint64(word)^mask)
	}
}

// setKey sets k to a key.
func (m *hmacSHA256) setKey(k *hmacKey, key []byte) {
	m.pad(key)
	k.inner = m.stateAfterBlock(k.inner)
	m.toOuter()
	k.outer = m.stateAfterBlock(k.outer)
}

// The SHA-256 of the standard library saves and restores its state without
// errors. An error in another one makes check fail.

// stateAfterBlock returns the state of the hash after m.block, in the memory of
// buf.
func (m *hmacSHA256) stateAfterBlock(buf []byte) []byte {
	m.hash.Reset()
	m.hash.Write(m.block[:])
	buf, _ = m.hash.AppendBinary(buf[:0])
	return buf
}

// macOnce returns the HMAC of a message under a key that is used once. The
// result is valid until the next MAC.
func (m *hmacSHA256) macOnce(key []byte, message *finalBlock) []byte {
	m.pad(key)
	m.hash.Reset()
	m.hash.Write(m.block[:])
	copy(m.inner[:], m.sum(message))
	m.toOuter()
	m.hash.Reset()
	m.hash.Write(m.block[:])
	return m.sum(&m.inner)
}

// mac returns the HMAC of a message. The result is valid until the next MAC.
func (m *hmacSHA256) mac(k *hmacKey, message *finalBlock) []byte {
	_ = m.hash.UnmarshalBinary(k.inner)
	copy(m.inner[:], m.sum(message))
	_ = m.hash.UnmarshalBinary(k.outer)
	return m.sum(&m.inner)
}

// sum returns the hash of what was written and a final block. As that block has
// the padding, the chaining value is the digest. The state has it after four
// bytes that name the layout. Sum would copy the state, pad it and clear it: a
// fifth of the cost of the keys.
func (m *hmacSHA256) sum(last *finalBlock) []byte {
	m.hash.Write(last[:])
	if state, err := m.hash.AppendBinary(m.state[:0]); err == nil {
		m.state = state
	}
	return m.state[4 : 4+sha256.Size] // within the capacity, even if a state is shorter
}
