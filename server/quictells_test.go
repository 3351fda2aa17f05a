package server

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
	"github.com/tlspeek/tlspeek/quichello"
)

// TestTellsOverQUIC: hellos over QUIC are compared once their clients have shown their
// addresses, and each of them once.
func TestTellsOverQUIC(t *testing.T) {
	s := new(settling)
	random := rand.New(rand.NewPCG(1, 2))
	real := hellotest.Real(t)["chromium-156-quic"]
	connect := func(address string, message []byte) *quicHellos {
		return newQUICHellos(&quicHello{
			Hello: &quichello.Hello{Message: message, Index: 1}, id: newID(), src: netip.MustParseAddrPort(address),
		}, s)
	}
	names := func(hs *quicHellos) (list []string) {
		e := hs.life.event(event.Full)
		require.NotNil(t, e)
		for i := range e.Tells {
			list = append(list, e.Tells[i].Name)
		}
		return list
	}
	permuted := func() []byte {
		h := &parser.ClientHello{Transport: parser.QUIC}
		require.NoError(t, h.Unmarshal(hellotest.Regrease(random, real)))
		return hellotest.Redraw(random, h)
	}

	for range 5 { // forged
		assert.Empty(t, names(connect("192.0.2.1:1000", hellotest.Redraw(random, real))))
	}
	for range 5 { // genuine
		hs := connect("192.0.2.1:2000", permuted())
		hs.verify()
		assert.Empty(t, names(hs))
	}
	for i := range 4 { // with the order of the others
		hs := connect("192.0.2.1:3000", hellotest.Redraw(random, real))
		assert.Empty(t, names(hs), "before its address is shown")
		hs.verify()
		for range 2 {
			if i < 2 {
				assert.Empty(t, names(hs))
			} else {
				assert.Equal(t, []string{"frozen-order"}, names(hs))
			}
		}
	}
	other := connect("192.0.2.2:3000", hellotest.Redraw(random, real))
	other.verify()
	assert.Empty(t, names(other), "another client")
}
