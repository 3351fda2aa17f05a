package quichello

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A splitter sends one message in random ways.
type splitter struct {
	*rand.Rand
	client sealer
	number uint64
}

// frames splits a message into CRYPTO frames that cover it, with overlaps and
// repetitions, in any order.
func (c *splitter) frames(message []byte) [][]byte {
	longest := 1 + len(message)/1000 + c.IntN(1000)>>c.IntN(10)
	var frames [][]byte
	for at := 0; at < len(message); {
		n := min(1+c.IntN(longest), len(message)-at)
		from := at
		if c.IntN(4) == 0 {
			from -= c.IntN(min(at, 40) + 1) // overlaps the frame before it
		}
		frames = append(frames, cryptoFrame(from, message[from:at+n]))
		if c.IntN(8) == 0 {
			frames = append(frames, frames[c.IntN(len(frames))])
		}
		at += n
	}
	if c.IntN(4) > 0 {
		c.Shuffle(len(frames), func(i, j int) { frames[i], frames[j] = frames[j], frames[i] })
	}
	return frames
}

// packets puts frames into Initials, with other frames in between.
func (c *splitter) packets(frames [][]byte) [][]byte {
	var packets [][]byte
	var payload []byte
	flush := func() {
		payload = append(payload, make([]byte, c.IntN(3)*20+4)...)
		packets = append(packets, c.client.seal(c.number, 2+c.IntN(3), payload))
		c.number++
		payload = nil
	}
	for _, f := range frames {
		if len(payload)+len(f) > 1100 || c.IntN(20) == 0 {
			flush()
		}
		switch c.IntN(6) {
		case 0:
			payload = append(payload, framePing)
		case 1:
			payload = append(payload, make([]byte, c.IntN(40))...)
		case 2:
			payload = append(payload, ackFrame(c.IntN(3))...)
		case 3:
			payload = append(payload, closeFrame("no reason")...)
		}
		payload = append(payload, f...)
	}
	flush()
	return packets
}

// datagrams puts packets into datagrams: out of order, repeated, several in
// one, with packets of other types and padding in between.
func (c *splitter) datagrams(packets [][]byte) [][]byte {
	if c.IntN(2) == 0 {
		c.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
	}
	for range c.IntN(3) {
		packets = append(packets, packets[c.IntN(len(packets))])
	}
	other := c.client
	other.flip = 0x20
	handshake := other.seal(0, 1, make([]byte, 30))
	var datagrams [][]byte
	for i := 0; i < len(packets); {
		n := min(1+c.IntN(2), len(packets)-i)
		var d []byte
		if c.IntN(5) == 0 {
			d = append(d, handshake...)
		}
		for _, p := range packets[i : i+n] {
			d = append(d, p...)
			if c.IntN(5) == 0 {
				d = append(d, handshake...)
			}
			if c.IntN(5) == 0 {
				d = append(d, make([]byte, c.IntN(50))...)
			}
		}
		datagrams = append(datagrams, d)
		i += n
	}
	return datagrams
}

// A hello is returned once, with the same message, however it is split,
// ordered, repeated and packed. Hellos that are kept do not change when the
// memory of others is reused.
func TestAnySplit(t *testing.T) {
	var o Opener
	var kept *Hello
	var copied []byte
	versions := []Version{Version1, Version2, 0xff00001d, 0xff000017}
	for seed := range uint64(400) {
		c := splitter{Rand: rand.New(rand.NewPCG(seed, 5))}
		hello := helloMessage(4+c.IntN(16000-4)>>c.IntN(6)+4, byte(seed))
		c.client = sealer{
			version: versions[c.IntN(len(versions))],
			dcid:    helloMessage(4+c.IntN(17), byte(seed)),
			scid:    helloMessage(4+c.IntN(17), byte(seed))[:c.IntN(5)],
			token:   make([]byte, c.IntN(2)*c.IntN(100)),
		}
		frames := c.frames(hello)
		datagrams := c.datagrams(c.packets(frames))

		a := Assembler{Opener: &o}
		var got []*Hello
		for _, d := range datagrams {
			h, err := a.Next(d)
			require.NoError(t, err, "seed %d", seed)
			for h != nil {
				got = append(got, h)
				h, err = a.Next(nil)
				require.NoError(t, err, "seed %d", seed)
			}
		}
		require.Len(t, got, 1, "seed %d", seed)
		require.Equal(t, hello, got[0].Message, "seed %d", seed)
		assert.Equal(t, 1, got[0].Index)
		assert.LessOrEqual(t, got[0].CryptoFrames, len(frames))
		assert.LessOrEqual(t, got[0].Datagrams, got[0].Initials)
		assert.Empty(t, a.Pending())
		assert.Zero(t, a.Dropped())
		if c.IntN(4) > 0 {
			o.Reuse(got[0])
			continue
		}
		if kept != nil {
			require.Equal(t, copied, kept.Message, "seed %d", seed)
		}
		kept, copied = got[0], bytes.Clone(got[0].Message)
	}
}

// A hello is incomplete while a frame is missing, and complete when that frame
// arrives.
func TestLostThenRetransmitted(t *testing.T) {
	client := sealer{version: Version1, dcid: []byte("8 bytes.")}
	hello := helloMessage(900, 1)
	const size = 50
	for lost := 0; lost < len(hello); lost += size {
		var a Assembler
		number := uint64(0)
		for at := 0; at < len(hello); at += size {
			if at == lost {
				continue
			}
			h, err := a.Next(client.datagram(number, cryptoFrame(at, hello[at:at+size])))
			require.NoError(t, err)
			require.Nil(t, h)
			number++
		}
		pending := a.Pending()
		require.Len(t, pending, 1)
		assert.Equal(t, hello[:lost], pending[0].Message)

		h, err := a.Next(client.datagram(number, cryptoFrame(lost, hello[lost:lost+size])))
		require.NoError(t, err)
		require.NotNil(t, h)
		assert.Equal(t, hello, h.Message)
		assert.Equal(t, lost != len(hello)-size, h.OutOfOrder)
	}
}

// A pending hello does not change when the rest arrives, or other hellos.
func TestPendingIsACopy(t *testing.T) {
	client := sealer{version: Version1, dcid: []byte("8 bytes.")}
	other := sealer{version: Version1, dcid: []byte("another.")}
	hello := helloMessage(1800, 1)
	var a Assembler
	next := func(datagram []byte) {
		_, err := a.Next(datagram)
		require.NoError(t, err)
	}
	next(client.datagram(0, cryptoFrame(0, hello[:500])))
	pending := a.Pending()
	require.Len(t, pending, 1)
	next(client.datagram(1, cryptoFrame(500, hello[500:1000])))
	next(other.datagram(0, cryptoFrame(0, helloMessage(400, 2))))
	assert.Equal(t, hello[:500], pending[0].Message)
}

// The first byte received for an offset counts, even if a later frame has
// another.
func TestFirstByteCounts(t *testing.T) {
	client := sealer{version: Version1, dcid: []byte("8 bytes.")}
	hello := helloMessage(400, 1)
	other := helloMessage(400, 2)
	var a Assembler
	h, err := a.Next(client.datagram(0, cryptoFrame(100, hello[100:200]), cryptoFrame(0, hello[:50])))
	require.NoError(t, err)
	require.Nil(t, h)
	h, err = a.Next(client.datagram(1, cryptoFrame(40, append(hello[40:100:100], other[100:250]...))))
	require.NoError(t, err)
	require.Nil(t, h)
	h, err = a.Next(client.datagram(2, cryptoFrame(250, hello[250:])))
	require.NoError(t, err)
	require.NotNil(t, h)
	want := append(append(append([]byte(nil), hello[:200]...), other[200:250]...), hello[250:]...)
	assert.Equal(t, want, h.Message)
}
