package hellotest

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"

	"github.com/tlspeek/tlspeek/parser"
)

// Regrease returns the message of h, a hello of Chrome, with other GREASE values
// and another order of extensions. As in Chrome, GREASE stays the first extension
// and the last one before pre_shared_key.
func Regrease(r *rand.Rand, h *parser.ClientHello) []byte {
	old := make(map[uint16]uint16)
	grease := func(b []byte) {
		v := binary.BigEndian.Uint16(b)
		if !parser.IsGREASE(v) {
			return
		}
		if old[v] == 0 {
			n := uint16(r.IntN(16))<<4 | 0xa
			old[v] = n<<8 | n
		}
		binary.BigEndian.PutUint16(b, old[v])
	}
	list := func(b []byte) {
		for ; len(b) >= 2; b = b[2:] {
			grease(b)
		}
	}
	var extensions [][]byte
	for _, e := range h.Extensions {
		b := bytes.Clone(h.Raw[e.Offset : e.Offset+4+len(e.Data)])
		grease(b)
		switch e.Type {
		case parser.ExtSupportedGroups, parser.ExtSignatureAlgorithms:
			list(b[6:])
		case parser.ExtSupportedVersions:
			list(b[5:])
		case parser.ExtKeyShare:
			grease(b[6:])
		}
		extensions = append(extensions, b)
	}
	middle := extensions[1 : len(extensions)-1]
	if h.HasExtension(parser.ExtPreSharedKey) {
		middle = middle[:len(middle)-1]
	}
	r.Shuffle(len(middle), func(i, j int) { middle[i], middle[j] = middle[j], middle[i] })

	start := h.Extensions[0].Offset
	msg := bytes.Clone(h.Raw[:start])
	suites := 4 + 2 + 32 + 1 + len(h.LegacySessionID) + 2
	list(msg[suites : suites+2*len(h.CipherSuites)])
	return append(msg, bytes.Join(extensions, nil)...)
}
