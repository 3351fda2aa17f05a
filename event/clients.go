package event

import (
	"slices"

	"github.com/tlspeek/tlspeek/known"
)

// A clientsJSON is a list of clients in JSON. It is not changed once it is made,
// so that Events can share it.
type clientsJSON struct {
	list []known.Candidate
	json []byte
}

// append appends list in JSON to dst. It is written anew if it is not that of c,
// which may be nil.
func (c *clientsJSON) append(dst []byte, list []known.Candidate) []byte {
	if c != nil && slices.Equal(c.list, list) {
		return append(dst, c.json...)
	}
	dst = append(dst, '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = list[i].AppendJSON(dst)
	}
	return append(dst, ']')
}

func newClientsJSON(list []known.Candidate) *clientsJSON {
	return &clientsJSON{slices.Clone(list), (*clientsJSON)(nil).append(nil, list)}
}
