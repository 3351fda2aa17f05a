package known

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// listFields are the fields that a distance consists of before ranking.
var listFields = [...]field{suites, extensions, groups, schemes, versions, protocols, smallFields}

// A searchIndex has the lists of a Database in a form in which the distance of a list
// from all others takes a few instructions each. It does not change once it is made.
type searchIndex struct {
	fields  [len(listFields)]fieldIndex
	rows    [parser.DTLS + 1][]row // by transport
	lists   int                    // of all fields
	sent    sentValues
	inverse [2*maxValues + 1]uint32
}

// A row is a shape: where its lists are among those of all fields.
type row struct {
	lists [len(listFields)]uint32
	shape uint32
	base  uint32 // what is added to the distance of its lists
}

// A fieldIndex has the lists of one field as sets of numbers.
type fieldIndex struct {
	start   int            // where its lists begin among those of all fields
	lengths []uint16       // of the lists
	slots   []numberedSlot // a hash table of the values
	shift   int            // of a hash, to the number of a slot

	// planes are the most common values, one bit each: first a word of each list for
	// the values from 0 to 63, then one of each list for the next 64.
	planes []uint64

	// others are the lists in which values are that planes lacks: those of value v are
	// others[from[v]:from[v+1]]. A list that repeats a value has it here once for each
	// repetition.
	others []uint32
	from   []uint32
}

type numberedSlot struct {
	value  uint16
	number uint32 // from 1 on; 0 for an empty slot
}

const (
	wordBits = 64

	// maxPlanes bounds the memory of planes: the built-in clients need 8 of them, and
	// lists of random values any number.
	maxPlanes = 8
)

func newSearchIndex(db *Database) *searchIndex {
	x := new(searchIndex)
	for union := 1; union < len(x.inverse); union++ {
		x.inverse[union] = 1<<inverseBits/uint32(union) + 1
	}
	for i, f := range listFields {
		x.fields[i] = newFieldIndex(db.lists[f])
		x.fields[i].start = x.lists
		x.lists += len(db.lists[f])
	}
	for i := range db.shapes {
		e := &db.shapes[i]
		r := row{shape: uint32(i)}
		if e.scanner {
			r.base = scannerWeight
		}
		for j, f := range listFields {
			r.lists[j] = uint32(x.fields[j].start) + e.lists[f]
		}
		x.rows[e.transport] = append(x.rows[e.transport], r)
	}
	x.sent.read(db)
	return x
}

func newFieldIndex(lists [][]uint16) fieldIndex {
	var x fieldIndex
	count := make(map[uint16]int)
	for _, list := range lists {
		x.lengths = append(x.lengths, uint16(len(list)))
		for _, v := range list {
			count[v]++
		}
	}
	values := make([]uint16, 0, len(count))
	for v := range count {
		values = append(values, v)
	}
	slices.SortFunc(values, func(a, b uint16) int { return cmp.Or(-cmp.Compare(count[a], count[b]), cmp.Compare(a, b)) })
	size := bits.Len(uint(2 * len(values)))
	x.slots, x.shift = make([]numberedSlot, 1<<size), 32-size
	for i, v := range values {
		s := x.slot(v)
		for x.slots[s].number != 0 {
			s = (s + 1) & (len(x.slots) - 1)
		}
		x.slots[s] = numberedSlot{v, uint32(i) + 1}
	}
	x.planes = make([]uint64, min(maxPlanes, (len(values)+wordBits-1)/wordBits)*len(lists))
	type place struct{ number, list uint32 }
	var places []place
	for l, list := range lists {
		for _, v := range list {
			n := x.number(v) - 1
			at := int(n/wordBits)*len(lists) + l
			if bit := uint64(1) << (n % wordBits); at < len(x.planes) && x.planes[at]&bit == 0 {
				x.planes[at] |= bit
			} else {
				places = append(places, place{n, uint32(l)})
			}
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.number, b.number) })
	x.from = make([]uint32, len(values)+1)
	for _, p := range places {
		x.others = append(x.others, p.list)
		x.from[p.number+1]++
	}
	for i := range values {
		x.from[i+1] += x.from[i]
	}
	return x
}

func (x *fieldIndex) slot(v uint16) int { return int(uint32(v) * 0x9e3779b1 >> x.shift) }

// number returns the number of a value, from 1 on, or 0 if no list has it.
func (x *fieldIndex) number(v uint16) uint32 {
	for s := x.slot(v); ; s = (s + 1) & (len(x.slots) - 1) {
		if at := x.slots[s]; at.number == 0 || at.value == v {
			return at.number
		}
	}
}

// inverseBits is the number of bits behind the point of an inverse. Of 1000 times any
// number of values the quotient is exact.
const inverseBits = 29

// distances sets dst to the distance of each list from ours, as sets, in thousandths
// times weight. p is the table of ours.
func (x *fieldIndex) distances(dst []uint32, ours []uint16, p *positions, inverse *[2*maxValues + 1]uint32, weight uint32) {
	clear(dst)
	var set [maxPlanes]uint64
	for i, v := range ours {
		n := x.number(v)
		if n == 0 {
			continue
		}
		n--
		if n < maxPlanes*wordBits {
			set[n/wordBits] |= 1 << (n % wordBits)
		}
		if others := x.others[x.from[n]:x.from[n+1]]; len(others) > 0 && p.of(v) == i+1 {
			for _, list := range others {
				dst[list]++
			}
		}
	}
	for planes, w := x.planes, 0; len(planes) > 0; w++ {
		if set[w] != 0 {
			for i, word := range planes[:len(dst)] {
				dst[i] += uint32(bits.OnesCount64(word & set[w]))
			}
		}
		planes = planes[len(dst):]
	}
	lengths := x.lengths[:len(dst)]
	for i, common := range dst {
		union := uint32(p.n) + uint32(lengths[i]) - common
		dst[i] = 0
		if union > common {
			dst[i] = uint32(uint64(1000*(union-common))*uint64(inverse[union])>>inverseBits) * weight
		}
	}
}
