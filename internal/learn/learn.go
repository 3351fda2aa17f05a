// Package learn finds, among many hellos, shapes that no known client sends: candidates
// for a clients file, which a person reviews.
//
// A [Learner] takes a hello at a time. It keeps a row for each shape, within a bound in
// bytes, and forgets the shapes that fewest addresses send beyond that.
package learn

import (
	"cmp"
	"crypto/sha256"
	"net/netip"
	"slices"
	"time"

	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// DefaultMaxBytes is the bound on a Learner whose MaxBytes is 0.
const DefaultMaxBytes = 256 << 20

// The least numbers of addresses and prefixes of a Learner that has none.
const (
	DefaultAddresses = 20
	DefaultPrefixes  = 5
)

// A Learner finds shapes that many addresses send. The zero value is ready. It is not safe
// for concurrent use.
type Learner struct {
	// A candidate was seen from so many addresses, in so many prefixes: a /24 of IPv4 or a
	// /48 of IPv6. All addresses in a /64 of IPv6 count as one. 0 stands for the defaults.
	Addresses, Prefixes int

	MaxBytes int64 // of rows; 0 stands for DefaultMaxBytes

	Counts Counts

	matcher known.Matcher
	shape   []byte
	groups  map[[sha256.Size]byte]*group
	bytes   int64
	floor   int64 // a shape that was forgotten had no more addresses
}

// Counts says what became of the hellos.
type Counts struct {
	Hellos     int64 // that were added
	Second     int64 // answers to a HelloRetryRequest, which are left out
	Unverified int64 // over QUIC, under an address that anybody may have made up: left out
	NoAddress  int64 // of clients without an IP address: left out
	Malformed  int64 // hellos that cannot be decoded, or in SSLv2 format: left out

	Forgotten       int64 // hellos of shapes that were forgotten for lack of memory
	ForgottenShapes int64 // how often a shape was forgotten
}

// A Sighting is one hello as it was seen.
type Sighting struct {
	Time       time.Time
	Addr       netip.Addr // of the client
	Unverified bool       // the client has not shown that it has the address
	Hello      *parser.ClientHello
	Index      int      // 2 for the hello after a HelloRetryRequest
	UserAgent  string   // of the first request; may be empty
	Verdict    string   // on its claim; may be empty
	Tells      []string // names of those that are evidence
	Hints      []string // names of the others: see [known.Tell.IsEvidence]
	Source     string   // the file that it is from
}

// AddTells adds the names of tells.
func (s *Sighting) AddTells(tells []known.Tell) {
	for i := range tells {
		if t := &tells[i]; t.IsEvidence() {
			s.Tells = append(s.Tells, t.Name)
		} else {
			s.Hints = append(s.Hints, t.Name)
		}
	}
}

// A group is the rows of one shape. It has one for each order of extensions, and a single
// one once there are more than maxOrders: then the client permutes them.
type group struct {
	rows     []*row
	permutes bool
	last     int64 // which hello came last
}

// maxOrders is how many orders of extensions several clients may have that send the same
// otherwise. Of 20 hellos of a client that permutes a dozen extensions, no two have the
// same order.
const maxOrders = 8

// Add adds a hello. It keeps nothing of s.
func (l *Learner) Add(s *Sighting) {
	switch h := s.Hello; {
	case h == nil || h.SSLv2:
		l.Counts.Malformed++
		return
	case s.Index > 1 || h.HasExtension(parser.ExtCookie):
		l.Counts.Second++
		return
	case s.Unverified:
		l.Counts.Unverified++
		return
	case !s.Addr.IsValid() || s.Addr.IsUnspecified():
		l.Counts.NoAddress++
		return
	}
	l.Counts.Hellos++
	var order uint64
	l.shape, order = l.matcher.AppendShape(l.shape[:0], s.Hello)
	key := sha256.Sum256(l.shape)
	g := l.groups[key]
	if g == nil {
		if l.groups == nil {
			l.groups = make(map[[sha256.Size]byte]*group)
		}
		g = new(group)
		l.groups[key] = g
	}
	g.last = l.Counts.Hellos
	r := l.rowOf(g, order)
	address, prefix := hashAddr(s.Addr)
	r.add(s, address, prefix, l.sketchSize())
	if l.qualifies(r) {
		r.take(s)
	}
	l.resize(r)
	if l.bytes > cmp.Or(l.MaxBytes, DefaultMaxBytes) {
		l.forget()
	}
}

// rowOf returns the row of a group for an order of extensions.
func (l *Learner) rowOf(g *group, order uint64) *row {
	if g.permutes {
		return g.rows[0]
	}
	if i := slices.IndexFunc(g.rows, func(r *row) bool { return r.order == order }); i >= 0 {
		return g.rows[i]
	}
	g.rows = append(g.rows, &row{order: order})
	if len(g.rows) <= maxOrders {
		return g.rows[len(g.rows)-1]
	}
	all := g.rows[0]
	for _, r := range g.rows[1:] {
		all.merge(r, l.sketchSize())
		l.bytes -= int64(r.size)
	}
	g.rows, g.permutes = []*row{all}, true
	return all
}

// resize counts the memory of a row that has changed.
func (l *Learner) resize(r *row) {
	size := r.bytes()
	l.bytes += int64(size - r.size)
	r.size = size
}

func (l *Learner) addresses() int { return cmp.Or(l.Addresses, DefaultAddresses) }

func (l *Learner) prefixes() int { return cmp.Or(l.Prefixes, DefaultPrefixes) }

// sketchSize returns the size of sketches, with which they decide exactly.
func (l *Learner) sketchSize() int { return max(minSketch, l.addresses(), l.prefixes()) }

// qualifies reports whether enough addresses and prefixes have sent what r is of.
func (l *Learner) qualifies(r *row) bool {
	return len(r.addresses.hashes) >= l.addresses() && len(r.prefixes.hashes) >= l.prefixes()
}

// forget forgets a quarter of the shapes: those from the fewest addresses and, of these,
// those that have not come for longest.
func (l *Learner) forget() {
	type shape struct {
		key       [sha256.Size]byte
		addresses int64
		last      int64
	}
	shapes := make([]shape, 0, len(l.groups))
	for key, g := range l.groups {
		s := shape{key: key, last: g.last}
		for _, r := range g.rows {
			s.addresses = max(s.addresses, r.addresses.count(l.sketchSize()))
		}
		shapes = append(shapes, s)
	}
	slices.SortFunc(shapes, func(a, b shape) int {
		return cmp.Or(cmp.Compare(a.addresses, b.addresses), cmp.Compare(a.last, b.last))
	})
	for _, s := range shapes[:(len(shapes)+3)/4] {
		for _, r := range l.groups[s.key].rows {
			l.Counts.Forgotten += r.hellos
			l.bytes -= int64(r.size)
		}
		l.Counts.ForgottenShapes++
		l.floor = max(l.floor, s.addresses)
		delete(l.groups, s.key)
	}
}
