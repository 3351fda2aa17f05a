package signals

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
	partBytes     = 24 // of its slice
	distinctBytes = 80
	fixedBytes    = 64 << 10 // what does not grow with the number of keys
	reserve       = 50       // one part in so many is for what another release of Go rounds up
)

func counterMemory(buckets int) int64 {
	return int64(counterBytes + buckets*cellBytes + maxKey + indexBytes + heapBytes)
}

// holderMemory is what a holder takes if each of its sets has a sketch.
func holderMemory(buckets, sets int) int64 {
	return int64(holderBytes + 4 + buckets*(partBytes+sets*(distinctBytes+sketchBytes)))
}

// unitMemory is what takes one holder of each kind of fingerprint, with what belongs to
// it.
func unitMemory(buckets int) int64 {
	return Kinds*countersPerHolder*counterMemory(buckets) +
		(Kinds-1)*holderMemory(buckets, fingerprintSets) +
		prefixHolders*holderMemory(buckets, prefixSets)
}

// sizeFor returns the size of a table that takes maxBytes at most, whatever is observed.
func sizeFor(maxBytes int64, buckets int) (s size) {
	free := Kinds * (maxFree + 1) * int64(sketchBytes) // what waits for its next use
	maxBytes = max(maxBytes, MinMaxBytes)
	n := int(max(1, (maxBytes-maxBytes/reserve-free-fixedBytes)/unitMemory(buckets)))
	s.counters = n * countersPerHolder
	for k := range s.holders {
		s.holders[k] = n
	}
	s.holders[Prefix] = n * prefixHolders
	return s
}
