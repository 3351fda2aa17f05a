package learn

import (
	"bytes"

	"github.com/tlspeek/tlspeek/parser"
)

// blank returns a copy of a hello without what tells where a person went, or links its
// connections: the letters of the server's name are x, and session id, ticket, pre-shared
// keys, binders and cookie are zeros. All lengths, and so the shape and the fingerprints,
// stay.
func blank(msg []byte, transport parser.Transport) (*parser.ClientHello, error) {
	h := &parser.ClientHello{Transport: transport}
	if err := h.Unmarshal(bytes.Clone(msg)); err != nil {
		return nil, err
	}
	for i, c := range h.ServerName { // a slice of the copy, as are the others
		if c != '.' && c != '-' {
			h.ServerName[i] = 'x'
		}
	}
	clear(h.LegacySessionID)
	clear(h.SessionTicket)
	clear(h.Cookie)
	for i := range h.PSKIdentities {
		clear(h.PSKIdentities[i].Identity)
	}
	for _, b := range h.PSKBinders {
		clear(b)
	}
	return h, h.Unmarshal(h.Raw)
}
