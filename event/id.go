package event

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// An ID identifies an Event. That of a live hello is drawn at random. That of a
// hello in a capture is a digest of its time, addresses, ports, index and message,
// so that a second scan gives the same; it does not depend on the name of the file, and
// it is no proof that nobody changed the capture. Its text is 32 hex digits.
type ID [16]byte

// A ConnID identifies a connection of a server. It is drawn at random. Its text is
// 16 hex digits.
type ConnID [8]byte

// String returns 32 hex digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// String returns 16 hex digits.
func (id ConnID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText returns the text of id.
func (id ID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// MarshalText returns the text of id.
func (id ConnID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, id[:]), nil }

// UnmarshalText sets id to what MarshalText wrote.
func (id *ID) UnmarshalText(text []byte) error { return unhex(id[:], text) }

// UnmarshalText sets id to what MarshalText wrote.
func (id *ConnID) UnmarshalText(text []byte) error { return unhex(id[:], text) }

// unhex decodes text into all of dst.
func unhex(dst, text []byte) error {
	if len(text) != 2*len(dst) {
		return fmt.Errorf("event: an id of %d characters, not %d", len(text), 2*len(dst))
	}
	if _, err := hex.Decode(dst, text); err != nil {
		return errors.Join(errors.New("event: an id that is not hex"), err)
	}
	return nil
}

// appendHex appends the text of id, eight digits at a time: it spreads them over the
// bytes of a word.
func appendHex(dst []byte, id *ID) []byte {
	const ones = 0x0101010101010101
	n := len(dst)
	dst = slices.Grow(dst, 2*len(id))[:n+2*len(id)]
	for i := 0; i < len(id); i += 4 {
		x := uint64(binary.BigEndian.Uint32(id[i:]))
		x = (x | x<<16) & 0x0000ffff0000ffff
		x = (x | x<<8) & 0x00ff00ff00ff00ff
		x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
		letters := (x + 6*ones) >> 4 & ones // 1 for each digit above 9
		binary.BigEndian.PutUint64(dst[n+2*i:], x+'0'*ones+('a'-'0'-10)*letters)
	}
	return dst
}

// digestID returns the ID of a hello in a capture. The hash is fast and well mixed but not
// cryptographic: SHA-256 over the message would take half as long as all else that scan
// does with a hello.
func digestID(o *Observation) (id ID) {
	message, transport := o.Received, o.Transport
	if o.Hello != nil {
		message, transport = o.Hello.Raw, o.Hello.Transport
	}
	var b [hashBlock]byte
	src, dst := o.Src.Addr().As16(), o.Dst.Addr().As16()
	copy(b[0:], src[:])
	copy(b[16:], dst[:])
	if !o.Src.Addr().IsValid() {
		copy(b[0:], o.SrcMAC[:])
		copy(b[16:], o.DstMAC[:])
	}
	binary.LittleEndian.PutUint64(b[32:], uint64(o.Time.UnixNano()))
	binary.LittleEndian.PutUint16(b[40:], o.Src.Port())
	binary.LittleEndian.PutUint16(b[42:], o.Dst.Port())
	b[44], b[45] = byte(transport), byte(o.Index)
	high, low := hash128(message)
	binary.LittleEndian.PutUint64(b[48:], high)
	binary.LittleEndian.PutUint64(b[56:], low)

	high, low = hash128(b[:])
	binary.BigEndian.PutUint64(id[:], high)
	binary.BigEndian.PutUint64(id[8:], low)
	return id
}

// hashBlock is the number of bytes that hash128 mixes in one step.
const hashBlock = 64

// hash128 returns 128 bits that depend on each byte of b, the same in every process and
// on every machine. Each of its four lanes multiplies two words of a block and folds the
// product, as wyhash does (github.com/wangyi-fudan/wyhash). No multiplication waits for
// another of its block.
func hash128(b []byte) (high, low uint64) {
	const k0, k1, k2, k3 = 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93, 0xa0761d6478bd642f, 0xe7037ed1a0b428db
	w, x, y, z := uint64(len(b))^k0, uint64(k1), uint64(k2), uint64(k3)
	if len(b) < hashBlock {
		var padded [hashBlock]byte
		copy(padded[:], b)
		b = padded[:]
	}
	for n := hashBlock; ; n = min(n+hashBlock, len(b)) { // the last block overlaps the one before it
		block := (*[hashBlock]byte)(b[n-hashBlock:])
		w = fold(w^binary.LittleEndian.Uint64(block[0:]), k1^binary.LittleEndian.Uint64(block[8:]))
		x = fold(x^binary.LittleEndian.Uint64(block[16:]), k2^binary.LittleEndian.Uint64(block[24:]))
		y = fold(y^binary.LittleEndian.Uint64(block[32:]), k3^binary.LittleEndian.Uint64(block[40:]))
		z = fold(z^binary.LittleEndian.Uint64(block[48:]), k0^binary.LittleEndian.Uint64(block[56:]))
		if n == len(b) {
			return fold(w^k2, x^k3) ^ fold(y^k0, z^k1), fold(w^k1, z^k2) ^ fold(x^k3, y^k0)
		}
	}
}

// fold returns the halves of a product, xored.
func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}
