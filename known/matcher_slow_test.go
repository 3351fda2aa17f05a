package known

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

func slowDistances(h *parser.ClientHello, entries []Entry) (all []plain, key uint64) {
	var s shape
	s.read(h)
	for i := range entries {
		e := &entries[i]
		eh, err := e.ModelHello()
		if err != nil || eh.Transport != h.Transport {
			continue
		}
		var k shape
		k.read(eh)
		p := plain{name: e.Name, shape: fmt.Sprint(k, e.Permutes), key: k.key(0)}
		for f := range k.lists {
			if field(f) == shares && len(s.lists[f]) == 0 {
				continue
			}
			a, b := s.lists[f], k.lists[f]
			if slices.Equal(a, b) {
				continue
			}
			common := slices.DeleteFunc(slices.Clone(b), func(v uint16) bool { return !slices.Contains(a, v) })
			var set, order uint32
			if union := distinct(a) + len(b) - len(common); union > len(common) {
				set = uint32(1000*(union-len(common))/union) * weights[f].set
			}
			turned := 0
			for i := 1; i < len(common); i++ {
				if slices.Index(a, common[i]) < slices.Index(a, common[i-1]) {
					turned++
				}
			}
			if len(common) > 1 && !(field(f) == extensions && e.Permutes) {
				order = uint32(1000*turned/(len(common)-1)) * weights[f].order
			}
			switch field(f) {
			case shares:
				p.whole += set
			case extensions:
				p.coarse += set
				p.whole += order
			default:
				p.coarse += set + order
			}
		}
		if conflict(s.optionals, k.optionals, ticket) {
			p.whole += ticketWeight
		}
		if conflict(s.optionals, k.optionals, pads) {
			p.whole += paddingWeight
		}
		p.whole += p.coarse
		all = append(all, p)
	}
	return all, s.key(0)
}

// slowNearest returns the clients that send the hello's shape or, if there are none,
// those at the smallest distance. It also reports whether that answer is certain: not
// if many are nearer without the order of extensions, key shares and optional parts.
func slowNearest(h *parser.ClientHello, entries []Entry) (names []string, least uint32, sure bool) {
	all, key := slowDistances(h, entries)
	same := slices.DeleteFunc(slices.Clone(all), func(p plain) bool { return p.key != key || p.whole != 0 })
	if len(same) == 0 { // else that settles it
		same = all
	}
	if len(same) == 0 {
		return nil, 0, true
	}
	least = slices.MinFunc(same, func(a, b plain) int { return int(a.whole) - int(b.whole) }).whole
	var coarse uint32
	for _, p := range same {
		if p.whole == least {
			names = append(names, p.name)
			coarse = max(coarse, p.coarse)
		}
	}
	nearer := make(map[string]bool)
	for _, p := range all {
		if p.coarse <= coarse {
			nearer[p.shape] = true
		}
	}
	return names, least, len(nearer) <= maxNeighbours
}

func distinct(list []uint16) int {
	list = slices.Clone(list)
	slices.Sort(list)
	return len(slices.Compact(list))
}

// FuzzNearest compares candidates with slowNearest, for the hellos of clients with a few
// changes.
func FuzzNearest(f *testing.F) {
	entries, err := BuiltinEntries()
	require.NoError(f, err)
	entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Scanner })
	db, err := NewDatabase(entries)
	require.NoError(f, err)
	f.Add(uint16(0), []byte{})
	f.Add(uint16(40), []byte{0, 3, 1, 200, 2, 1, 3, 9})
	f.Add(uint16(100), []byte{4, 0, 5, 1, 6, 0, 7, 0})
	f.Add(uint16(47), []byte{}) // Erlang repeats signature schemes
	f.Fuzz(func(t *testing.T, which uint16, changes []byte) {
		h, err := entries[int(which)%len(entries)].ModelHello()
		require.NoError(t, err)
		for len(changes) >= 2 && len(changes) < 40 {
			mutate(h, changes[0], changes[1])
			changes = changes[2:]
		}
		m := Matcher{Database: db}
		got := m.AppendCandidates(nil, &Observation{Hello: h})
		names, least, sure := slowNearest(h, entries)
		if len(names) == 0 || least > farDistance && len(got) == 0 {
			assert.Empty(t, got)
			return
		}
		require.NotEmpty(t, got)
		again := m.AppendCandidates(nil, &Observation{Hello: h})
		assert.Equal(t, got, again)
		PreferImitations(got)
		if least > namedDistance*1000 { // no imitation is told there
			for _, c := range got {
				assert.GreaterOrEqual(t, uint32(c.Distance)*1000+1000, least, "%v", got)
			}
		}
		if sure && least <= namedDistance*1000 {
			want := uint16((least + 999) / 1000)
			assert.Equal(t, want, got[0].Distance, "%v: %v", names, got)
			assert.True(t, slices.ContainsFunc(got, func(c Candidate) bool {
				return c.Distance == want && slices.Contains(names, c.Name)
			}), "%v: %v", names, got)
		}
		o := Observation{Hello: h, HTTP2: string(changes), Request: Request{UserAgent: string(changes)}}
		for _, tell := range AppendTells(nil, &o) {
			assert.NotEmpty(t, tell.Name)
			assert.Less(t, tell.Offset, len(h.Raw))
		}
		CheckClaim(&o, got)
	})
}

// mutate makes one change to the lists of a hello.
func mutate(h *parser.ClientHello, what, with byte) {
	switch what % 8 {
	case 0:
		swap(h.CipherSuites, with)
	case 1:
		swap(h.Extensions, with)
	case 2:
		swap(h.SupportedGroups, with)
	case 3:
		swap(h.SignatureAlgorithms, with)
	case 4:
		if len(h.CipherSuites) > 0 {
			h.CipherSuites[int(with)%len(h.CipherSuites)] = parser.CipherSuite(with)
		}
	case 5:
		if len(h.Extensions) > 0 {
			h.Extensions[int(with)%len(h.Extensions)].Type = parser.ExtensionType(with)
		}
	case 6:
		if len(h.ALPNProtocols) > 0 {
			h.ALPNProtocols = h.ALPNProtocols[1:]
		}
	case 7:
		h.SignatureAlgorithms = append(h.SignatureAlgorithms, parser.SignatureScheme(binary.BigEndian.Uint16([]byte{8, with})))
	}
}

func swap[T any](list []T, with byte) {
	if n := len(list); n > 1 {
		i, j := int(with>>4)%n, int(with&15)%n
		list[i], list[j] = list[j], list[i]
	}
}
