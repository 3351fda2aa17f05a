package signals

// A layout says how keys are counted: in how many buckets of time, and with which
// precision distinct values are.
type layout struct {
	buckets   int
	precision uint8 // of sketches, which have 1<<precision registers
}

// The layouts of a sliding window and of a total. The standard error of a sketch is 1.04
// by the square root of its registers: 3.3 % and 1.1 %. A total has one sketch where a
// window has twelve, and room for a larger one.
const (
	windowPrecision = 10
	totalPrecision  = 13
)

var (
	windowLayout = layout{windowBuckets, windowPrecision}
	totalLayout  = layout{1, totalPrecision}
)

// sketchBytes is what a sketch takes, with its header.
func (l layout) sketchBytes() int { return 64 + 1<<l.precision }

// maxFree is how many sketches of a kind wait for their next use at most. Others are left
// to the garbage collector, so that the memory of a flood is not kept.
func (l layout) maxFree() int { return freeBytes / l.sketchBytes() }

const freeBytes = 64 << 10

// A size is how many keys a table has room for.
type size struct {
	counters int // of each kind
	holders  [Kinds]int
}

const (
	// countersPerHolder is how many counters there are for each holder of a fingerprint.
	// They are what keeps keys that come once from the others.
	countersPerHolder = 16

	// prefixHolders is how many networks have a holder for each fingerprint that has
	// one. They have one set in place of four, and are more.
	prefixHolders = 4
)

// What parts take in bytes, by the sizes that Go allocates. A test compares them.
const (
	counterBytes  = 88
	cellBytes     = 24
	indexBytes    = 4 * 4 // at most four places a counter
	heapBytes     = 4
	holderBytes   = 88
	partBytes     = 32 // without its sets
	distinctBytes = 80
	fixedBytes    = 64 << 10 // what does not grow with the number of keys
	reserve       = 50       // one part in so many is for what another release of Go rounds up
)

func (l layout) counterMemory() int64 {
	return int64(counterBytes + l.buckets*cellBytes + maxKey + indexBytes + heapBytes)
}

// holderMemory is what a holder takes if each of its sets has a sketch.
func (l layout) holderMemory(sets int) int64 {
	return int64(holderBytes + 4 + l.buckets*(partBytes+sets*(distinctBytes+l.sketchBytes())))
}

// unitMemory is what takes one holder of each kind of fingerprint, with what belongs to
// it.
func (l layout) unitMemory() int64 {
	return Kinds*countersPerHolder*l.counterMemory() +
		(Kinds-1)*l.holderMemory(fingerprintSets) +
		prefixHolders*l.holderMemory(prefixSets)
}

// sizeFor returns the size of a table that takes maxBytes at most, whatever is observed.
func sizeFor(maxBytes int64, l layout) (s size) {
	free := Kinds * int64(freeBytes+l.sketchBytes()) // what waits for its next use
	maxBytes = max(maxBytes, MinMaxBytes)
	n := int(max(1, (maxBytes-maxBytes/reserve-free-fixedBytes)/l.unitMemory()))
	s.counters = n * countersPerHolder
	for k := range s.holders {
		s.holders[k] = n
	}
	s.holders[Prefix] = n * prefixHolders
	return s
}
