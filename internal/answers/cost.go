package answers

import "github.com/tlspeek/tlspeek/event"

const (
	// smallHello is how long a hello may be for a small answer. A connection remembers
	// the fingerprints of such a hello.
	smallHello = 4 << 10

	// minimum is what any answer or upload takes, however short, in bytes, and least what
	// a client gets of small ones if there is room. Those of browsers take less.
	minimum = 4 << 10
	least   = 64 << 10
)

// A Cost is what an answer may take before its length is known.
type Cost struct {
	Bytes int
	Heavy bool // it takes more than a millisecond to make
}

// EventCost returns the cost of an Event about a message of n bytes. A cipher suite of two
// bytes takes up to 43 in a full one: by name, and in several fingerprints. In the tree
// a field of two bytes takes up to 300.
func EventCost(size event.Size, n int) Cost {
	c := Cost{8<<10 + 24*n, n > smallHello}
	if size == event.Detail {
		c.Bytes += 160 * min(n, MaxDetail)
		c.Heavy = true
	}
	return c
}

// ShapeCost returns the cost of an answer in the form of another endpoint, whose
// indented JSON is twice as long.
func ShapeCost(n int) Cost { return Cost{16<<10 + 48*n, n > smallHello} }

// MessageCost returns the cost of the bytes of a message.
func MessageCost(n int) Cost { return Cost{Bytes: n} }

// PageCost returns the cost of a page about a message of n bytes. All of it counts, also
// the form for other hellos.
func PageCost(n int) Cost { return Cost{160<<10 + 96*min(n, MaxDetail) + 8*n, true} }
