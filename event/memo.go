package event

import (
	"bytes"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/known"
)

// A Memo remembers the fingerprints and the candidates of hellos, for hellos that
// differ from one of them only in bytes that neither depends on. Nearly every
// hello of a capture is such a one. Tells are not remembered: they may depend on
// any byte.
//
// The zero value is ready. A Memo may be used by several goroutines at once, none of
// which waits for another, and be shared by all Observers of a process, whatever their
// Clients. What it remembers for a database that no Observer has any more is replaced
// in time. It must not be copied after its first use.
type Memo struct {
	// MaxBytes bounds the memory; it is 64 KiB at least. It must not change after
	// the first use. If it is 0, the bound is 16 MiB.
	MaxBytes int

	once     sync.Once
	seed     maphash.Seed
	exact    memoTable // by keys with the order of the extensions
	permuted memoTable // by keys without it, for clients that permute them

	// spare is the number of bytes that entries may have beyond maxMemoEntry, together,
	// and large is how many they have.
	spare int64
	large atomic.Int64
}

const (
	defaultMemoBytes = 16 << 20

	maxMemoEntry = 8192      // bytes that each entry may have; those of known clients have up to 3500
	maxLarge     = 256 << 10 // bytes of an entry; with users' lists, hundreds of clients may share a hello
	maxMemoKey   = 1024      // bytes of a key; so hostile hellos cost little
	maxMemoHello = 8192      // bytes of a message that a key is made of

	// maxPermuted is the number of extensions up to which their order may be left
	// out. Of a longer list, package known reads only the first ones.
	maxPermuted = 64
)

// A memoTable has one set for all keys of the same hash modulo its size.
type memoTable []memoSet

// waysPerSet is the number of entries of a set: common keys that meet in one do
// not replace each other.
const waysPerSet = 4

type memoSet struct {
	entries [waysPerSet]atomic.Pointer[memoEntry]

	// seenOnce is the hash of the last key that found the set full. Only a key that
	// comes twice replaces an entry, so that hellos which come once replace nothing.
	seenOnce atomic.Uint64
	replaced atomic.Uint32 // number of entries that were replaced, in turn
}

// A memoEntry is what is known of the hellos with one key. It does not change
// once it is in a table.
type memoEntry struct {
	hash uint64
	key  []byte

	// values are the fingerprints of a compact Event. With a permuted key they lack
	// those that depend on the order of the extensions.
	values fingerprint.Values

	// shape is the rest, and nil if there is no room for it.
	shape *memoShape

	extra int64 // bytes beyond maxMemoEntry
}

// A memoShape is what hellos share that differ in the order of their extensions.
// It does not change once it is in an entry. Entries share it.
type memoShape struct {
	version, session string
	alpn             []string

	hasCandidates bool
	candidates    ranking // of a hello without tells that are evidence
	withTells     ranking // the same, as known.PreferImitations orders them
	orderMatters  bool    // the candidates depend on the order after all, and are missing

	segments [][]byte // the JSON of the runs of fields that have the scope perShape: see plan
}

// A ranking is a list of candidates, and the JSON of the field.
type ranking struct {
	list []known.Candidate
	json []byte
}

// A memoLookup is what a Memo knows of one hello.
type memoLookup struct {
	entry *memoEntry // nil if nothing is known

	memo            *Memo     // which was asked
	exact, permuted memoPlace // where in it to store new entries
}

// A memoPlace is a place in a table for a new entry.
type memoPlace struct {
	at   *atomic.Pointer[memoEntry] // nil for nowhere
	hash uint64
}

func (m *Memo) init() {
	maxBytes := m.MaxBytes
	if maxBytes <= 0 {
		maxBytes = defaultMemoBytes
	}
	const perSet = 2 * waysPerSet * maxMemoEntry // bytes, in both tables
	sets := max(1, maxBytes/4*3/perSet)
	m.spare = int64(maxBytes - sets*perSet)
	m.seed = maphash.MakeSeed()
	m.exact, m.permuted = make(memoTable, sets), make(memoTable, sets)
}

// find looks up o. With candidates, which include those of a database unless that is
// nil, an entry that lacks them is to be replaced.
func (m *Memo) find(keys *memoKeys, o *Observation, clients *known.Database, candidates bool) (l memoLookup) {
	m.once.Do(m.init)
	l.memo = m
	if !keys.readExact(o, clients) {
		return l
	}
	l.entry, l.exact = m.exact.find(maphash.Bytes(m.seed, keys.exact), keys.exact, candidates)
	if l.entry == nil && len(o.Hello.Extensions) <= maxPermuted {
		keys.readPermuted(o.Hello)
		l.entry, l.permuted = m.permuted.find(maphash.Bytes(m.seed, keys.permuted), keys.permuted, candidates)
	}
	return l
}

// find returns the entry of a key, or else the place to store one, if it should be
// stored.
func (t memoTable) find(hash uint64, key []byte, candidates bool) (*memoEntry, memoPlace) {
	set := &t[hash%uint64(len(t))]
	free := memoPlace{hash: hash}
	for i := range set.entries {
		entry := set.entries[i].Load()
		switch {
		case entry == nil:
			if free.at == nil {
				free.at = &set.entries[i]
			}
		case entry.hash != hash || !bytes.Equal(entry.key, key):
		case entry.shape == nil:
			return nil, memoPlace{}
		case candidates && !entry.shape.hasCandidates && !entry.shape.orderMatters:
			return nil, memoPlace{&set.entries[i], hash}
		default:
			return entry, memoPlace{}
		}
	}
	switch {
	case free.at != nil:
		return nil, free
	case set.seenOnce.Load() == hash:
		return nil, memoPlace{&set.entries[set.replaced.Add(1)%waysPerSet], hash}
	}
	set.seenOnce.Store(hash)
	return nil, memoPlace{}
}

// isNew reports whether there is something to store.
func (l *memoLookup) isNew() bool { return l.exact.at != nil || l.permuted.at != nil }

// store stores what e has, which is an Event without its tells, where l says.
// With candidates e has those; orderMatters says that they depend on the order of
// the extensions.
func (l *memoLookup) store(keys *memoKeys, e *Event, candidates, orderMatters bool) {
	if !l.isNew() {
		return
	}
	values := e.Fingerprints
	for i := range fingerprint.Methods {
		if m := &fingerprint.Methods[i]; m.Full && !m.Lists || m.Live {
			values[i] = ""
		} else {
			values[i] = strings.Clone(values[i])
		}
	}
	var shape *memoShape
	if l.entry != nil && l.entry.shape.hasCandidates == candidates {
		shape = l.entry.shape
	} else {
		shape = newMemoShape(e, candidates)
	}
	if l.exact.at != nil {
		l.memo.put(l.exact, keys.exact, values, shape)
	}
	if l.permuted.at == nil {
		return
	}
	for i := range fingerprint.Methods {
		if fingerprint.Methods[i].Ordered {
			values[i] = ""
		}
	}
	if orderMatters {
		shape = newMemoShape(e, false)
		shape.orderMatters = true
	}
	l.memo.put(l.permuted, keys.permuted, values, shape)
}

// put puts an entry in its place, without its shape if there is no room for that.
func (m *Memo) put(p memoPlace, key []byte, values fingerprint.Values, shape *memoShape) {
	entry := &memoEntry{hash: p.hash, key: slices.Clone(key), values: values, shape: shape}
	if size := entry.size(); size > maxMemoEntry {
		entry.extra = int64(size - maxMemoEntry)
		if m.large.Add(entry.extra) > m.spare || size > maxLarge {
			m.large.Add(-entry.extra)
			entry = &memoEntry{hash: p.hash, key: entry.key}
		}
	}
	if old := p.at.Swap(entry); old != nil {
		m.large.Add(-old.extra)
	}
}

// newMemoShape returns a shape with copies of what it needs of e.
func newMemoShape(e *Event, candidates bool) *memoShape {
	s := &memoShape{version: strings.Clone(e.Version), session: e.Session, hasCandidates: candidates}
	for _, name := range e.ALPN {
		s.alpn = append(s.alpn, strings.Clone(name))
	}
	for i := range plan {
		switch r := &plan[i]; {
		case r.scope == perShape:
			s.segments = append(s.segments, r.json(e))
		case r.scope == perCandidates && candidates:
			s.candidates = r.rank(e.Client)
			s.withTells = s.candidates
			sorted := slices.Clone(e.Client)
			if known.PreferImitations(sorted); !slices.Equal(sorted, e.Client) {
				s.withTells = r.rank(sorted)
			}
		}
	}
	return s
}

// rank returns a copy of list with its JSON. r is the run of the candidates.
func (r *run) rank(list []known.Candidate) ranking {
	return ranking{slices.Clone(list), r.json(&Event{Client: list})}
}

// candidatesOf returns the candidates of a hello with or without tells that are evidence.
func (s *memoShape) candidatesOf(evidence bool) *ranking {
	if evidence {
		return &s.withTells
	}
	return &s.candidates
}

// size returns the memory of m in bytes. The strings of its candidates count, because
// only the entry may still need those of a database.
func (m *memoEntry) size() int {
	const fixed, perString, perSlice = 640, 16, 24 // bytes, rounded up
	n := fixed + len(m.key)
	for _, value := range m.values {
		n += len(value)
	}
	if s := m.shape; s != nil {
		n += len(s.version)
		for _, name := range s.alpn {
			n += perString + len(name)
		}
		n += s.candidates.size()
		if len(s.candidates.list) > 0 && &s.candidates.list[0] != &s.withTells.list[0] {
			n += s.withTells.size()
		}
		for _, segment := range s.segments {
			n += perSlice + len(segment)
		}
	}
	return n
}

// size returns the memory of r in bytes.
func (r *ranking) size() int {
	const perCandidate = 80 // bytes, rounded up
	n := len(r.json)
	for i := range r.list {
		c := &r.list[i]
		n += perCandidate + len(c.Name) + len(c.Version) + len(c.Family) + len(c.Library)
	}
	return n
}
