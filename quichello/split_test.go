package quichello

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A cutter sends one message in as many ways as there are.
type cutter struct {
	*rand.Rand
	client sealer
	number uint64
}

// pieces cuts a message into CRYPTO frames that cover it, with overlaps and
// repetitions, in any order.
func (c *cutter) pieces(message []byte) [][]byte {
	longest := 1 + len(message)/1000 + c.IntN(1000)>>c.IntN(10)
	var frames [][]byte
	for at := 0; at < len(message); {
		n := min(1+c.IntN(longest), len(message)-at)
		from := at
		if c.IntN(4) == 0 {
			from -= c.IntN(min(at, 40) + 1) // overlaps what is before it
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

// packets puts frames into Initials, with others between them.
func (c *cutter) packets(frames [][]byte) [][]byte {
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

// datagrams puts packets into datagrams: out of order, some twice, some lost and
// sent again at the end, some with others of their kind or of no interest.
func (c *cutter) datagrams(packets [][]byte) [][]byte {
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

// However a hello is cut, ordered, repeated and packed, it is the same message,
// and it is handed over once; and those that are kept stay as they are while the
// memory of others is used again.
func TestAnyCut(t *testing.T) {
	var o Opener
	var kept *Hello
	var copied []byte
	versions := []Version{Version1, Version2, 0xff00001d, 0xff000017}
	for seed := range uint64(400) {
		c := cutter{Rand: rand.New(rand.NewPCG(seed, 5))}
		hello := helloMessage(4+c.IntN(16000-4)>>c.IntN(6)+4, byte(seed))
		c.client = sealer{
			version: versions[c.IntN(len(versions))],
			dcid:    helloMessage(4+c.IntN(17), byte(seed)),
			scid:    helloMessage(4+c.IntN(17), byte(seed))[:c.IntN(5)],
			token:   make([]byte, c.IntN(2)*c.IntN(100)),
		}
		frames := c.pieces(hello)
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
		assert.Empty(t, a.Incomplete())
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

// A hello is not complete while any of its frames is missing, and is as soon as
// that one comes.
func TestLostThenRepeated(t *testing.T) {
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
		incomplete := a.Incomplete()
		require.Len(t, incomplete, 1)
		assert.Equal(t, hello[:lost], incomplete[0].Message)

		h, err := a.Next(client.datagram(number, cryptoFrame(lost, hello[lost:lost+size])))
		require.NoError(t, err)
		require.NotNil(t, h)
		assert.Equal(t, hello, h.Message)
		assert.Equal(t, lost != len(hello)-size, h.Scrambled)
	}
}

// What was told of an incomplete hello stays, while the rest comes, and others.
func TestIncompleteIsKept(t *testing.T) {
	client := sealer{version: Version1, dcid: []byte("8 bytes.")}
	other := sealer{version: Version1, dcid: []byte("another.")}
	hello := helloMessage(1800, 1)
	var a Assembler
	next := func(datagram []byte) {
		_, err := a.Next(datagram)
		require.NoError(t, err)
	}
	next(client.datagram(0, cryptoFrame(0, hello[:500])))
	incomplete := a.Incomplete()
	require.Len(t, incomplete, 1)
	next(client.datagram(1, cryptoFrame(500, hello[500:1000])))
	next(other.datagram(0, cryptoFrame(0, helloMessage(400, 2))))
	assert.Equal(t, hello[:500], incomplete[0].Message)
}

// A byte once received stands: a later frame that says otherwise changes
// nothing.
func TestFirstByteStands(t *testing.T) {
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
