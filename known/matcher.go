package known

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// A Matcher finds the candidates for hellos, one after the other. The zero
// value is ready and knows the built-in clients. It is not for use by several
// goroutines at once.
type Matcher struct {
	Database *Database // if not nil, in the place of the built-in clients
	Users    *Database // more clients, those of a user's own file; may be nil

	ordered bool // whether the last answer depends on the order of extensions
	shape   shape
	ranker  ranker
	all     []uint16 // of shape
	near    []neighbour
	scratch []uint32
	seed    uint64
	cache   []cached // by the seeded key
}

// A cached is what was found for a shape that Database does not have, or only
// from imitations: traffic repeats itself.
type cached struct {
	key    uint64
	near   []neighbour
	all    []uint16 // of the shape, of that key, that has the answer; empty if none has
	answer []Candidate
}

// cacheSize is how many shapes without an exact match are remembered.
const cacheSize = 256

// maxNearest is how many candidates are told of a hello that matches none, and
// how many of one shape.
const (
	maxNearest  = 6
	maxPerShape = 3
)

// AppendCandidates appends to dst who may have sent the hello, best first: all
// clients that send one of its shape, or else some that send the nearest ones,
// the first of each family within reach before the second of any.
//
// Of the shape are the cipher suites, extensions, groups, signature schemes,
// versions and ALPN names, in their order, and the small fields. Not of it are
// what a client changes from one connection to the next: the server's name,
// what comes with a resumed session, padding, GREASE values, and the order of
// extensions for a client that permutes them.
func (m *Matcher) AppendCandidates(dst []Candidate, o *Observation) []Candidate {
	h := o.Hello
	if h == nil || h.SSLv2 {
		return dst
	}
	m.ordered = true
	m.shape.read(h)
	db := m.Database
	if db == nil {
		db = &builtin
	}
	if o.mayBeSecond() {
		m.shape.answersServer()
	}
	key := m.shape.key(0)
	n := len(dst)
	settled, own := false, false
	if m.Users != nil {
		dst = m.Users.appendNamed(dst, o)
		settled = len(dst) > n && dst[n].Kind != Impersonator
		dst, own = m.Users.appendExact(dst, &m.shape, key, &m.ranker)
		settled = settled || own
	}
	dst, own = db.appendExact(dst, &m.shape, key, &m.ranker)
	if settled || own {
		m.ordered = settled || !db.permute(&m.shape, key)
		return dst
	}
	limit := maxNearest
	if len(dst) > n && dst[n].Kind == Impersonator {
		limit = 0 // but whom they imitate
	}
	c := m.cached(db)
	m.all = m.shape.appendAll(m.all[:0])
	if m.Users == nil && slices.Equal(c.all, m.all) {
		return append(dst[:n], c.answer...)
	}
	two := m.Users != nil && limit > 0
	if two {
		m.near, m.scratch = m.Users.appendNeighbours(m.near[:0], &m.shape, m.scratch)
		dst = m.Users.appendNearest(dst, m.near, &m.shape, &m.ranker, maxPerShape)
	}
	m.near = append(m.near[:0], c.near...)
	dst = db.appendNearest(dst, m.near, &m.shape, &m.ranker, limit)
	if two {
		dst = dst[:n+len(mergeByDistance(dst[n:]))]
	}
	preferOriginals(dst[n:])
	if m.Users == nil {
		c.all, c.answer = append(c.all[:0], m.all...), append(c.answer[:0], dst[n:]...)
	}
	return dst
}

// mergeByDistance makes one answer of those of two databases, as if they were
// one: nearest first, the first of each family within reach before the second of
// any, and nothing beyond reach of the nearest but the first that imitates nobody.
func mergeByDistance(list []Candidate) []Candidate {
	if len(list) == 0 {
		return list
	}
	slices.SortStableFunc(list, func(a, b Candidate) int { return cmp.Compare(a.Distance, b.Distance) })
	spread(list)
	beyond := list[0].Distance + reach/1000
	genuine := false
	kept := list[:0]
	for _, c := range list {
		if c.Distance <= beyond || !genuine && c.Kind != Impersonator {
			kept = append(kept, c)
			genuine = genuine || c.Kind != Impersonator
		}
	}
	return kept
}

// AnyOrder reports whether the last answer is that for any hello which differs from
// the last in the order of its extensions alone.
func (m *Matcher) AnyOrder() bool { return !m.ordered }

// asOriginal is how much farther, in thousandths, the original of an imitation
// may be to stand before it.
const asOriginal = 150

// asImitation is how far, in thousandths, a hello may be from an imitation's to
// be taken for one. An imitation sends just what it was made to send; what is
// farther away is a client that is not known, such as another program with the
// library that is imitated.
const asImitation = 50

// preferOriginals moves imitations behind those who make such hellos of their own
// accord: those that are farther than asImitation behind all others, and the
// first candidate, if it is one, behind its original. An imitation is made after
// a version of the original that may not be known here, and more people use the
// original.
func preferOriginals(list []Candidate) {
	slices.SortStableFunc(list, func(a, b Candidate) int { return btoi(isFarImitation(&a)) - btoi(isFarImitation(&b)) })
	if len(list) == 0 || list[0].Kind != Impersonator {
		return
	}
	for i, c := range list {
		if c.Kind != Impersonator && c.Family == list[0].Family && c.Distance <= list[0].Distance+asOriginal {
			copy(list[1:i+1], list[:i])
			list[0] = c
			return
		}
	}
}

func isFarImitation(c *Candidate) bool { return c.Kind == Impersonator && c.Distance > asImitation }

// cached returns what is remembered of m.shape: its neighbours in db at least.
func (m *Matcher) cached(db *Database) *cached {
	if m.cache == nil {
		m.cache = make([]cached, cacheSize)
		m.seed = rand.Uint64()
	}
	key := m.shape.key(m.seed)
	i := key % (cacheSize / 2) * 2 // two places, so that two shapes that meet do not drive each other out
	c, other := &m.cache[i], &m.cache[i+1]
	if c.key == key && len(c.near) > 0 {
		return c
	}
	*c, *other = *other, *c
	if c.key != key || len(c.near) == 0 {
		c.key, c.all = key, c.all[:0]
		c.near, m.scratch = db.appendNeighbours(c.near[:0], &m.shape, m.scratch)
	}
	return c
}
