package hellotest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"

	"github.com/tlspeek/tlspeek/parser"
)

// Redraw returns the message of h with other random bytes where a client draws them for
// each connection: random, session ID, key shares, and config_id, enc and payload of
// ECH. GREASE and the order of extensions stay.
func Redraw(r *rand.Rand, h *parser.ClientHello) []byte {
	msg := bytes.Clone(h.Raw)
	draw := func(at, n int) {
		for i := range n {
			msg[at+i] = byte(r.Uint32())
		}
	}
	draw(4+2, 32)
	draw(4+2+32+1, len(h.LegacySessionID))
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
