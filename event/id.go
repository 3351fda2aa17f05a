package event

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
)

// An ID identifies an Event. That of a live hello is drawn at random. That of a
// hello in a capture is a digest of its time, addresses, ports, index and message,
// so that a second scan gives the same; it does not depend on the name of the file.
// Its text is 32 hex digits.
type ID [16]byte

// A ConnID identifies a connection of a server. It is drawn at random. Its text is
// 16 hex digits.
type ConnID [8]byte

func (id ID) String() string     { return hex.EncodeToString(id[:]) }
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

// helloHead is the length of a hello up to the end of its random (RFC 8446, section
// 4.1.2), which differs in each.
const helloHead = 4 + 2 + 32

// digestID returns the ID of a hello in a capture. SHA-256 reads the head of the
// message, and of the rest a hash: over all of the message it takes half as long as
// everything else that is done with a hello.
func digestID(o *Observation) (id ID) {
	message := o.Received
	transport := o.Transport
	if o.Hello != nil {
		message, transport = o.Hello.Raw, o.Hello.Transport
	}
	var buf [8 + 2*(16+2) + 2 + 8 + helloHead]byte // 92 bytes, two blocks of SHA-256
	b := binary.BigEndian.AppendUint64(buf[:0], uint64(o.Time.UnixNano()))
	src, dst := o.Src.Addr().As16(), o.Dst.Addr().As16()
	b = binary.BigEndian.AppendUint16(append(b, src[:]...), o.Src.Port())
	b = binary.BigEndian.AppendUint16(append(b, dst[:]...), o.Dst.Port())
	b = append(b, byte(transport), byte(o.Index))
	b = binary.BigEndian.AppendUint64(b, hashOf(message))
	b = append(b, message[:min(len(message), helloHead)]...)
	sum := sha256.Sum256(b)
	return ID(sum[:len(id)])
}

// hashOf returns a hash of b that is the same in every process. It multiplies 8
// bytes at a time, and folds the 128 bits of the product.
func hashOf(b []byte) uint64 {
	const k0, k1 = 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93
	x := uint64(len(b)) * k0
	for ; len(b) >= 8; b = b[8:] {
		x = fold(x^binary.LittleEndian.Uint64(b), k1)
	}
	var last [8]byte
	copy(last[:], b)
	return fold(x^binary.LittleEndian.Uint64(last[:]), k0)
}

func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}
