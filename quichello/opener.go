package quichello

import (
	"crypto/aes"
	"encoding/binary"
	"hash/maphash"
	"slices"
)

// An Opener derives the keys of Initials and opens them. It holds nothing of
// any connection, only memory to use again: keyed states of HMAC-SHA256, room
// for one packet, and what Reuse was given. The zero value is ready to use.
//
// The Assemblers of one goroutine may share an Opener. It must not be used by
// several goroutines at once.
type Opener struct {
	hmac    hmacSHA256
	derived initialKeys
	nonce   [12]byte
	mask    [aes.BlockSize]byte
	header  []byte
	payload []byte

	// Memory of streams and hellos that are no longer used.
	spare spare
	hello *Hello

	seed maphash.Seed // for the hashes of hellos

	derivations, attempts int
}

// Work returns how many times o has derived keys and how many packets it has
// tried to open. Each set of keys costs about twice as much as a packet. Whoever
// reads datagrams of unknown clients can bound their cost with it.
func (o *Opener) Work() (derivations, attempts int) { return o.derivations, o.attempts }

// Reuse takes back a Hello that [Assembler.Next] returned. It is for advanced
// use: it saves two allocations a hello. Nobody may use the Hello, its Message
// or its FrameTypes afterwards, because the Assemblers that share o write the
// next one to the same memory.
func (o *Opener) Reuse(h *Hello) {
	o.spare.keep(h.Message)
	h.Message = nil
	o.hello = h
}

// An openedPacket is what the protection of an Initial hides.
type openedPacket struct {
	payload   []byte // valid until the Opener is used again
	number    int64
	numberLen int // on the wire, in bytes
}

// open removes the protection of a packet (RFC 9001, sections 5.3 and 5.4). It
// returns false if the packet does not authenticate under k; nothing in it is
// then to be trusted.
func (o *Opener) open(k *keys, in *initial, largest int64) (openedPacket, bool) {
	o.attempts++
	// The sample is found as if the packet number took 4 bytes.
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
		return openedPacket{}, false
	}
	return openedPacket{payload, number, n}, true
}
