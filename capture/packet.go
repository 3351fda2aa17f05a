package capture

import (
	"math/bits"
	"time"
)

// A packet is one packet of a capture.
type packet struct {
	number int64  // in the file, from 1
	data   []byte // the captured bytes, valid until the next packet is read
	wire   int    // length on the wire, at least len(data)
	link   LinkType
	stamp  stamp
}

// A stamp is a time in the units of the file. It is converted only for packets that
// complete a hello.
type stamp struct {
	seconds int64  // since 1970
	ticks   uint64 // of the clock, since seconds
	rate    uint64 // ticks in a second
}

// time returns the stamp as a time in UTC.
func (s stamp) time() time.Time {
	seconds := s.seconds + int64(s.ticks/s.rate)
	hi, lo := bits.Mul64(s.ticks%s.rate, 1e9)
	nanoseconds, _ := bits.Div64(hi, lo, s.rate)
	return time.Unix(seconds, int64(nanoseconds)).UTC()
}

// A packetReader reads the packets of a file in order.
type packetReader interface {
	// read reads the next packet into p. It returns io.EOF after the last.
	read(p *packet) error
}
