package known

import (
	"encoding/binary"
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// appendLearned adds to the answer, which begins at n, the clients of learned entries
// that have exactly m.shape: behind others that have it, and before those that are only
// near. So what is learned adds names, and changes nothing else of an answer.
func (m *Matcher) appendLearned(dst []Candidate, n int, learned *Database) []Candidate {
	key := m.shape.key(0)
	m.learned, _ = learned.appendExact(m.learned[:0], &m.shape, key, &m.ranker)
	if len(m.learned) == 0 {
		return dst
	}
	m.ordered = m.ordered || learned.hasOrdered(&m.shape, key)
	at := n
	for at < len(dst) && dst[at].Distance == 0 {
		at++
	}
	for i := range m.learned {
		if find(dst[n:at], &m.learned[i]) == nil {
			dst = slices.Insert(dst, at, m.learned[i])
			at++
		}
	}
	return dst
}

// withoutLearned returns the candidates that a person has vouched for. It allocates only
// if there are others.
func withoutLearned(candidates []Candidate) []Candidate {
	isLearned := func(c Candidate) bool { return c.Learned }
	if !slices.ContainsFunc(candidates, isLearned) {
		return candidates
	}
	return slices.DeleteFunc(slices.Clone(candidates), isLearned)
}

// AppendShape appends to dst a text that two hellos have in common if a lookup of one
// finds the other at distance 0, whatever the order of their extensions. order is the
// hash of that order. A hello in SSLv2 format has no shape. h should not answer a
// HelloRetryRequest.
func (m *Matcher) AppendShape(dst []byte, h *parser.ClientHello) (shape []byte, order uint64) {
	if h.SSLv2 {
		return dst, 0
	}
	s := &m.shape
	s.read(h)
	for _, v := range s.lists[extensions] {
		order = mix(order ^ uint64(v))
	}
	slices.Sort(s.lists[extensions])
	slices.Sort(s.lists[smallFields])
	dst = append(dst, byte(s.transport), byte(s.optionals&(ticket|noTicket)))
	for _, list := range s.lists {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(list)))
		for _, v := range list {
			dst = binary.BigEndian.AppendUint16(dst, v)
		}
	}
	return dst, order
}
