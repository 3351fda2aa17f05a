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

// A clientsMemo remembers the last lists of clients in JSON: that is half of a
// compact Event, and most clients come again.
type clientsMemo [256]*clientsJSON

// find returns what is remembered of list, or remembers it if its place was
// taken, too: what comes but once is not worth it.
func (m *clientsMemo) find(list []known.Candidate) *clientsJSON {
	if len(list) == 0 {
		return nil
	}
	h := uint(len(list))
	for i := range list {
		c := &list[i]
		h = h*31 + uint(len(c.Name)) + uint(len(c.Version))<<3 + uint(c.Distance)<<5 + uint(c.Differs)<<7
	}
	place := &m[(h^h>>8)%uint(len(m))]
	if *place != nil && slices.Equal((*place).list, list) {
		return *place
	}
	*place = newClientsJSON(list)
	return nil
}

func newClientsJSON(list []known.Candidate) *clientsJSON {
	return &clientsJSON{slices.Clone(list), (*clientsJSON)(nil).append(nil, list)}
}
