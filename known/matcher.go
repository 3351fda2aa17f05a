package known

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// A Matcher finds the candidates for hellos. The zero value is ready and knows
// the built-in clients. It is not safe for concurrent use. It remembers the answers
// for the last unknown shapes, until one of its databases is replaced by another.
type Matcher struct {
	Database *Database // instead of the built-in clients; nil for these
	Clients  *Database // user-supplied clients, in addition, also many thousands; may be nil

	ordered bool // whether the last answer depends on the order of extensions
	shape   shape
	ranker  ranker
	all     []uint16 // of shape
	near    []neighbour
	learned []Candidate // that appendLearned found
	search  search
	dated   Observation // of the hello alone
	ages    *knowledge  // nil for current; tests set it
	newer   [numBrowsers]newerVersion
	seed    uint64
	cache   []cached     // by the seeded key
	cacheOf [2]*Database // the databases that cache is of: the built-in one, or Database, and Clients
}

// A cached remembers the result for a shape that no database has, or only from
// imitations.
type cached struct {
	key     uint64
	used    bool
	near    []neighbour
	clients []neighbour // the same in Clients
	all     []uint16    // of the shape, of that key, that has the answer; empty if none has
	answer  []Candidate
}

// cacheSize is the number of such shapes that are remembered.
const cacheSize = 256

// maxNearest is the number of candidates for a hello whose shape is not known, and
// maxPerShape how many of them may be of one shape.
const (
	maxNearest  = 6
	maxPerShape = 3
)

// AppendCandidates appends to dst the clients that may have sent the hello, best
// first: all clients that send its shape or, if there are none, up to 9 that send
// the nearest shapes, the first of each near family before the second of any.
//
// The shape is made of the cipher suites, extensions, groups, signature schemes,
// versions and ALPN names in their order, and of the small fields. It leaves out
// what a client changes from one connection to the next: the server's name, what
// a resumed session adds, padding, GREASE values, and the order of extensions
// for a client that permutes them.
//
// A client that is more than 200 away is not named: its TLS library is, or its family, in
// Name, and has neither a version nor another kind than a library.
//
// A browser that is near has the version "newer than 156" if the hello has a value that
// no known one of that browser has.
//
// If the hello has tells that are evidence, call [PreferImitations] on the result; see
// [IsEvidence].
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
	n := len(dst)
	dst = m.appendKnown(dst, db, o)
	for _, d := range [...]*Database{m.Clients, db} {
		if d != nil && d.learned != nil {
			dst = m.appendLearned(dst, n, d.learned)
		}
	}
	return dst
}

// appendKnown appends what m.Clients and db have for o, whose shape is m.shape, but for
// learned clients.
func (m *Matcher) appendKnown(dst []Candidate, db *Database, o *Observation) []Candidate {
	if o.mayBeSecond() {
		m.shape.answersServer()
	}
	key := m.shape.key(0)
	n := len(dst)
	settled, own, named := false, false, false
	if m.Clients != nil {
		dst = m.Clients.appendNamed(dst, o)
		named = len(dst) > n
		settled = named && dst[n].Kind != KindImpersonator
		m.ranker.programs = true // the user's own are named as the user has named them
		dst, own = m.Clients.appendExact(dst, &m.shape, key, &m.ranker)
		m.ranker.programs = false
		settled = settled || own
	}
	dst, own = db.appendExact(dst, &m.shape, key, &m.ranker)
	if settled || own {
		m.ordered = db.hasOrdered(&m.shape, key) || m.Clients != nil && m.Clients.hasOrdered(&m.shape, key)
		return withoutMalware(dst, n)
	}
	limit := maxNearest
	if len(dst) > n && dst[n].Kind == KindImpersonator {
		limit = 0 // only the clients that they imitate
	}
	c := m.cached(db)
	m.all = m.shape.appendAll(m.all[:0])
	if !named && slices.Equal(c.all, m.all) {
		return append(dst[:n], c.answer...)
	}
	two := m.Clients != nil && len(m.Clients.shapes) > 0 && limit > 0
	ordinary := uint32(noDistance) // of the nearest ordinary client
	if two {
		m.near = append(m.near[:0], c.clients...)
		m.ranker.programs = true
		dst = m.Clients.appendNearest(dst, m.near, &m.shape, &m.ranker, maxPerShape)
		m.ranker.programs = false
		ordinary = m.Clients.ordinaryDistance(m.near)
	}
	m.near = append(m.near[:0], c.near...)
	dst = db.appendNearest(dst, m.near, &m.shape, &m.ranker, limit)
	if two {
		ordinary = min(ordinary, db.ordinaryDistance(m.near))
		dst = dst[:n+len(mergeByDistance(dst[n:], ordinary, &m.shape))]
	}
	preferGenuine(dst[n:])
	preferSameSuites(dst[n:], &m.shape)
	from := n
	if m.nameNewer(dst[n:], db, o) {
		from++
	}
	dst = dst[:from+len(nameLibraries(dst[from:]))]
	if !named {
		c.all, c.answer = append(c.all[:0], m.all...), append(c.answer[:0], dst[n:]...)
	}
	return dst
}

// mergeByDistance makes one answer of the candidates of two databases: nearest
// first, the first of each near family before the second of any. Beyond
// nearMargin it keeps only the nearest ordinary client, whose distance in millionths is
// given; the nearest original, if the nearest candidate is an imitation; and one with the
// suites of s, if the nearest is far.
func mergeByDistance(list []Candidate, ordinary uint32, s *shape) []Candidate {
	if len(list) == 0 {
		return list
	}
	slices.SortStableFunc(list, func(a, b Candidate) int { return cmp.Compare(a.Distance, b.Distance) })
	oneOfEachFamilyFirst(list)
	beyond := list[0].Distance + nearMargin/1000
	first := list[0]
	alone, original, same := false, first.Kind != KindImpersonator, false // whether there is one
	kept := list[:0]
	for _, c := range list {
		isOriginal := !original && c.isOriginal(&first)
		isOrdinary := !alone && c.Kind != KindImpersonator && c.Distance == thousandths(ordinary)
		isSame := !same && c.hasSuites(&first, s)
		if c.Distance <= beyond || isOrdinary || isOriginal || isSame {
			kept = append(kept, c)
			alone, original, same = alone || isOrdinary, original || isOriginal, same || isSame
		}
	}
	return kept
}

// AnyOrder reports whether the last answer holds for every hello that differs from
// the last one only in the order of its extensions, if the key is the same that Clients
// has for them: see [Database.AppendKey].
func (m *Matcher) AnyOrder() bool { return !m.ordered }

// cached returns what is remembered of m.shape, with at least its neighbours in db
// and in m.Clients.
func (m *Matcher) cached(db *Database) *cached {
	if of := [2]*Database{db, m.Clients}; m.cache == nil || m.cacheOf != of {
		m.cache = make([]cached, cacheSize)
		m.cacheOf, m.seed = of, rand.Uint64()
	}
	key := m.shape.key(m.seed)
	i := key % (cacheSize / 2) * 2 // two places, so that two shapes that meet do not drive each other out
	c, other := &m.cache[i], &m.cache[i+1]
	if c.key == key && c.used {
		return c
	}
	*c, *other = *other, *c
	if c.key != key || !c.used {
		c.key, c.used, c.all = key, true, c.all[:0]
		c.near = db.appendNeighbours(c.near[:0], &m.shape, &m.search)
		if m.Clients != nil {
			c.clients = m.Clients.appendNeighbours(c.clients[:0], &m.shape, &m.search)
		}
	}
	return c
}
