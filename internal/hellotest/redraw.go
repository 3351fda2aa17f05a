package hellotest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"

	"github.com/tlspeek/tlspeek/parser"
)

// Redraw returns the message of h with other random bytes where a client draws them for
// each connection: random, session ID, key shares, and config_id, enc and payload of
// ECH. GREASE and the order of extensions stay, and a session ID that NSS has made of the
// random follows from the new one.
func Redraw(r *rand.Rand, h *parser.ClientHello) []byte {
	msg := bytes.Clone(h.Raw)
	draw := func(at, n int) {
		for i := range n {
			msg[at+i] = byte(r.Uint32())
		}
	}
	draw(4+2, 32)
	if id := msg[4+2+32+1:][:len(h.LegacySessionID)]; bytes.Equal(id, nssSessionID(h.Random)) {
		copy(id, nssSessionID(msg[4+2:][:32]))
	} else {
		draw(4+2+32+1, len(id))
	}
	for _, e := range h.Extensions {
		at := e.Offset + 4
		switch e.Type {
		case parser.ExtKeyShare:
			for at += 2; at < e.Offset+4+len(e.Data); {
				n := int(binary.BigEndian.Uint16(msg[at+2:]))
				if n > 1 { // not GREASE
					draw(at+4, n)
				}
				at += 4 + n
			}
		case parser.ExtEncryptedClientHello:
			n := int(binary.BigEndian.Uint16(msg[at+6:]))
			draw(at+5, 1)
			draw(at+8, n)
			draw(at+8+n+2, len(e.Data)-8-n-2)
		}
	}
	return msg
}

// nssSessionID returns the session ID that NSS sends with TLS 1.3.
func nssSessionID(random []byte) []byte {
	id := make([]byte, len(random))
	sum := byte(0x5a)
	for i, b := range random {
		sum += b
		id[i] = sum
	}
	return id
}
