package event

import (
	"bytes"
	"hash/maphash"
	"slices"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// A memo remembers the fingerprints of the last kinds of hello that do not depend
// on the order of extensions, for clients that permute theirs: to look them up
// takes a quarter of the time of an MD5, two SHA-256 and the texts that they are
// of.
type memo struct {
	seed    maphash.Seed
	entries []memoEntry // by the key's hash
	spare   memoEntry   // for what is not remembered
	key     []byte
	types   []parser.ExtensionType
}

// memoEntries is how many kinds of hello are remembered, at most.
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

// entry returns the entry of the key in m.key, and whether its texts are those
// of that key; else they are for the caller to fill.
func (m *memo) entry(remember bool) (e *memoEntry, known bool) {
	if !remember || len(m.key) > maxMemoKey {
		m.spare.buf, m.spare.ends = m.spare.buf[:0], m.spare.ends[:0]
		return &m.spare, false
	}
	if m.entries == nil {
		m.seed = maphash.MakeSeed()
		m.entries = make([]memoEntry, memoEntries)
	}
	e = &m.entries[maphash.Bytes(m.seed, m.key)%memoEntries]
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

// addMemorized adds JA3, version, JA3N and JA4, of which JA3 depends on the order
// of the extensions, and the others are remembered.
func (ob *Observer) addMemorized(h *parser.ClientHello) {
	ob.add(fingerprint.AppendJA3(ob.buf, h))
	m := &ob.memo
	m.types = m.types[:0]
	for i := range h.Extensions {
		if t := h.Extensions[i].Type; !parser.IsGREASE(t) {
			m.types = append(m.types, t)
		}
	}
	slices.Sort(m.types)
	m.key = appendList(appendLists(m.key[:0], h), m.types)
	e, known := m.entry(ob.remembers())
	if !known {
		e.add(append(e.buf, versionText(highestVersion(h))...))
		e.add(fingerprint.AppendJA3N(e.buf, h))
		e.add(fingerprint.AppendJA4(e.buf, h))
	}
	from := 0
	for _, end := range e.ends {
		ob.add(append(ob.buf, e.buf[from:end]...))
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
