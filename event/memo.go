package event

import (
	"bytes"
	"hash/maphash"
	"slices"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// A memo remembers the fingerprints of the last kinds of hello. Clients send the
// same lists again and again, with other random bytes, and to look them up takes a
// quarter of the time of two MD5, two SHA-256 and the texts that they are of.
type memo struct {
	seed    maphash.Seed
	entries [2][]memoEntry // by the key's hash: in wire order, and sorted
	spare   [2]memoEntry   // for what is not remembered
	hellos  int            // that were seen
	key     []byte
	types   []parser.ExtensionType
}

// memoEntries is how many kinds of hello are remembered, at most: in wire order,
// and as many sorted.
const memoEntries = 512

// maxMemoKey is the longest key that is remembered, in bytes: twice that of any
// client in the wild. Hostile hellos, of 64 KB, could take 200 MB otherwise.
const maxMemoKey = 1024

// A memoEntry has the texts of one kind.
type memoEntry struct {
	key  []byte // all that the texts depend on
	buf  []byte // the texts, one after the other
	ends []int
}

// The keys of a memo: with the extension types as they came, and sorted.
const (
	wireOrder = iota
	sortedOrder
)

// entry returns the entry of the key in m.key, and whether its texts are those
// of that key; else they are for the caller to fill.
func (m *memo) entry(order int) (e *memoEntry, known bool) {
	if m.entries[order] == nil && m.hellos > 1 { // an Observer of one hello takes no memory for more
		m.seed = maphash.MakeSeed()
		m.entries = [2][]memoEntry{make([]memoEntry, memoEntries), make([]memoEntry, memoEntries)}
	}
	if len(m.key) > maxMemoKey || m.entries[order] == nil {
		e = &m.spare[order]
		e.buf, e.ends = e.buf[:0], e.ends[:0]
		return e, false
	}
	e = &m.entries[order][maphash.Bytes(m.seed, m.key)%memoEntries]
	if len(e.key) > 0 && bytes.Equal(e.key, m.key) {
		return e, true
	}
	e.key = append(e.key[:0], m.key...)
	e.buf, e.ends = e.buf[:0], e.ends[:0]
	return e, false
}

func (e *memoEntry) add(buf []byte) {
	e.buf = buf
	e.ends = append(e.ends, len(buf))
}

// addMemorized adds JA3, version, JA3N and JA4. They are remembered by the order
// of the extensions, and but for JA3, which depends on it, by their types, for
// clients that permute them.
func (ob *Observer) addMemorized(h *parser.ClientHello) {
	m := &ob.memo
	m.hellos++
	m.types = m.types[:0]
	for i := range h.Extensions {
		if t := h.Extensions[i].Type; !parser.IsGREASE(t) {
			m.types = append(m.types, t)
		}
	}
	m.key = appendLists(m.key[:0], h)
	lists := len(m.key)

	m.key = appendList(m.key, m.types)
	wire, known := m.entry(wireOrder)
	if !known {
		wire.add(fingerprint.AppendJA3(wire.buf, h))
		slices.Sort(m.types)
		m.key = appendList(m.key[:lists], m.types)
		sorted, known := m.entry(sortedOrder)
		if !known {
			sorted.add(append(sorted.buf, versionText(highestVersion(h))...))
			sorted.add(fingerprint.AppendJA3N(sorted.buf, h))
			sorted.add(fingerprint.AppendJA4(sorted.buf, h))
		}
		from := 0
		for _, end := range sorted.ends {
			wire.add(append(wire.buf, sorted.buf[from:end]...))
			from = end
		}
	}
	from := 0
	for _, end := range wire.ends {
		ob.add(append(ob.buf, wire.buf[from:end]...))
		from = end
	}
}

// appendLists appends all that the texts depend on but the extension types, so
// that no two hellos with other texts have the same bytes.
func appendLists(key []byte, h *parser.ClientHello) []byte {
	key = append(key, byte(h.Transport), byte(h.LegacyVersion>>8), byte(h.LegacyVersion))
	key = appendList(key, h.CipherSuites)
	key = appendList(key, h.SupportedGroups)
	key = appendList(key, h.SignatureAlgorithms)
	key = appendList(key, h.SupportedVersions)
	key = append(append(key, byte(len(h.ECPointFormats))), h.ECPointFormats...)
	key = append(key, byte(len(h.ALPNProtocols)>>8), byte(len(h.ALPNProtocols)))
	for _, p := range h.ALPNProtocols {
		key = append(append(key, byte(len(p))), p...)
	}
	return key
}

// appendList appends a list less GREASE, with its length.
func appendList[T ~uint16](key []byte, list []T) []byte {
	start := len(key)
	key = append(key, 0, 0, 0)
	for _, v := range list {
		if !parser.IsGREASE(v) {
			key = append(key, byte(v>>8), byte(v))
		}
	}
	n := len(key) - start
	key[start], key[start+1], key[start+2] = byte(n>>16), byte(n>>8), byte(n)
	return key
}
