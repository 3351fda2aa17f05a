package quichello

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestWorkIsBounded: a datagram costs at most a few derivations and attempts,
// whatever packets it has.
func TestWorkIsBounded(t *testing.T) {
	hello := helloMessage(300, 1)
	var o Opener
	a := Assembler{Opener: &o}
	work := func(datagram []byte) (derivations, attempts int) {
		d, n := o.Work()
		for h, _ := a.Next(datagram); h != nil; h, _ = a.Next(nil) {
		}
		after, opened := o.Work()
		return after - d, opened - n
	}
	// Four connections with the same source connection ID, none of them complete.
	for i := range maxConnections {
		client := sealer{version: Version1, dcid: fmt.Appendf(nil, "dcid-%03d", i)}
		d, n := work(client.datagram(0, cryptoFrame(0, hello[:299])))
		assert.Equal(t, 1, d)
		assert.Equal(t, i+1, n)
	}
	// Fifty small packets that open under none of the five candidates.
	other := sealer{version: Version1, dcid: []byte("another!"), keyID: []byte("unknown!")}
	var datagram []byte
	for i := range 50 {
		datagram = append(datagram, other.seal(uint64(i), 1, []byte{framePing, 0, 0})...)
	}
	d, n := work(datagram)
	assert.Equal(t, 1, d)
	assert.Equal(t, maxUnopened*(maxConnections+1), n)

	// The Initials of one connection: no more are opened than maxInitials, nor
	// any after its last hello.
	a.Reset()
	client := sealer{version: Version1, dcid: []byte("one dcid")}
	_, before := o.Work()
	for i := range 2 * maxInitials {
		work(client.datagram(uint64(i), cryptoFrame(0, hello[:1])))
	}
	_, n = o.Work()
	assert.Equal(t, maxInitials+1, n-before)
	assert.Equal(t, 1, a.Dropped())
}
