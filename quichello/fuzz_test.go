package quichello

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/cryptobyte"
)

// A slowFrame is a frame that slowFrames reads.
type slowFrame struct {
	typ    byte
	offset uint64
	data   []byte
}

// slowFrames reads the frames of a payload up to the first malformed one,
// without PADDING. It is the oracle of readFrame: byte by byte, and slow.
func slowFrames(payload []byte) (frames []slowFrame, ok bool) {
	at := 0
	truncated := false
	varint := func() (v uint64) {
		if at >= len(payload) {
			truncated = true
			return 0
		}
		n := []int{1, 2, 4, 8}[payload[at]>>6]
		for i := range n {
			if at+i >= len(payload) {
				truncated = true
				return 0
			}
			v = v<<8 | uint64(payload[at+i])
		}
		at += n
		return v &^ (3 << (8*n - 2))
	}
	read := func(n uint64) []byte {
		if truncated || n > uint64(len(payload)-at) {
			truncated = true
			return nil
		}
		at += int(n)
		return payload[at-int(n) : at]
	}
	for at < len(payload) {
		f := slowFrame{}
		typ := varint()
		if typ > 0x1d {
			return frames, false
		}
		switch f.typ = byte(typ); f.typ {
		case 0x00, 0x01:
		case 0x02, 0x03:
			varint()
			varint()
			ranges := varint()
			varint()
			for i := uint64(0); i < ranges && !truncated; i++ {
				varint()
				varint()
			}
			if f.typ == 0x03 {
				varint()
				varint()
				varint()
			}
		case 0x06:
			f.offset = varint()
			f.data = read(varint())
		case 0x1c:
			varint()
			varint()
			read(varint())
		case 0x1d:
			varint()
			read(varint())
		default:
			return frames, false
		}
		if truncated {
			return frames, false
		}
		if f.typ != 0 {
			frames = append(frames, f)
		}
	}
	return frames, true
}

// slowHellos puts CRYPTO data in order in a map of bytes and returns the
// complete messages. It is the oracle of Assembler, without some of its limits.
func slowHellos(frames []slowFrame) (messages [][]byte) {
	data := map[uint64]byte{}
	ready := uint64(0)
	for _, f := range frames {
		// A frame beyond the limits is ignored.
		if f.typ != 0x06 || f.offset > maxStream || f.offset+uint64(len(f.data)) > maxStream {
			continue
		}
		if end := f.offset + uint64(len(f.data)); end > ready && end > ready+maxAhead {
			continue
		}
		for i, b := range f.data {
			if _, known := data[f.offset+uint64(i)]; !known {
				data[f.offset+uint64(i)] = b
			}
		}
		for known := true; known; ready++ {
			if _, known = data[ready]; !known {
				break
			}
		}
	}
	var stream []byte
	for i := range ready {
		stream = append(stream, data[i])
	}
	for hellos := 0; len(stream) >= 4 && stream[0] == 1 && hellos < maxHellos; hellos++ {
		n := 4 + int(binary.BigEndian.Uint32(stream)&0xffffff)
		if n > len(stream) {
			break
		}
		if !slices.ContainsFunc(messages, func(m []byte) bool { return string(m) == string(stream[:n]) }) {
			messages = append(messages, stream[:n])
		}
		stream = stream[n:]
	}
	return messages
}

// FuzzDatagram passes two datagrams of any bytes to one Assembler.
func FuzzDatagram(f *testing.F) {
	hello := helloMessage(300, 1)
	for _, version := range []Version{Version1, Version2, 0xff00001d, 0x0a0a0a0a} {
		client := sealer{version: version, dcid: []byte("8 bytes."), scid: []byte("me"), token: []byte("token")}
		one := client.seal(0, 1, cryptoFrame(0, hello[:200]))
		two := client.seal(1, 2, cryptoFrame(200, hello[200:]))
		f.Add(one, two)
		f.Add(append(slices.Clone(one), two...), []byte{})
		f.Add(client.datagram(3, cryptoFrame(0, hello)), two[:40])
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		var a Assembler
		for _, d := range [][]byte{one, two, one} {
			before := slices.Clone(d)
			h, err := a.Next(d)
			if !IsInitial(d) {
				require.Nil(t, h)
				require.NoError(t, err)
			}
			for ; h != nil; h, _ = a.Next(nil) {
				checkHello(t, h)
			}
			require.Equal(t, before, d)
		}
		for _, h := range a.Pending() {
			assert.LessOrEqual(t, len(h.Message), maxStream)
		}
	})
}

func checkHello(t *testing.T, h *Hello) {
	require.GreaterOrEqual(t, len(h.Message), 4)
	assert.EqualValues(t, 1, h.Message[0])
	assert.EqualValues(t, len(h.Message)-4, binary.BigEndian.Uint32(h.Message)&0xffffff)
	assert.Contains(t, []int{1, 2}, h.Index)
	assert.NotEqual(t, noSuite, h.Version.suite())
	assert.LessOrEqual(t, h.DCID.Len(), 20)
	assert.Positive(t, h.Datagrams)
	assert.GreaterOrEqual(t, h.Initials, h.Datagrams)
	assert.GreaterOrEqual(t, h.CryptoFrames, h.Initials)
}

// FuzzPayload seals two payloads of any bytes, so that the Assembler opens them
// and reads their frames, and compares the result with slowHellos.
func FuzzPayload(f *testing.F) {
	hello := helloMessage(300, 1)
	both := append(slices.Clone(hello), helloMessage(100, 2)...)
	f.Add(cryptoFrame(0, hello), []byte{framePing})
	f.Add(cryptoFrame(150, hello[150:]), append(ackFrame(3), cryptoFrame(0, hello[:200])...))
	f.Add(append(closeFrame("reason"), cryptoFrame(0, both)...), []byte{0, 0, 0, frameAckECN, 1, 2, 0, 3, 4, 5, 6})
	f.Add([]byte("\x06\x00\a0000000"), []byte("000"))
	f.Add(append(cryptoFrame(250, both[250:]), cryptoFrame(0, both[:10])...), append([]byte{frameCloseApp, 1, 2, 'a', 'b'}, cryptoFrame(8, both[8:260])...))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		if len(one) > 8000 || len(two) > 8000 {
			return // Length of two bytes
		}
		client := sealer{version: Version1, dcid: []byte("8 bytes.")}
		var a Assembler
		var got [][]byte
		var frames []slowFrame
		for i, payload := range [][]byte{one, two} {
			if len(payload) < 3 {
				payload = append(slices.Clone(payload), 0, 0, 0)
			}
			done := a.first.done
			h, err := a.Next(client.seal(uint64(i), 1, payload))
			more, ok := slowFrames(payload)
			frames = append(frames, more...)
			if !ok && !done && h == nil {
				assert.ErrorIs(t, err, ErrFrame)
			}
			if ok || done {
				assert.NotErrorIs(t, err, ErrFrame)
			}
			for ; h != nil; h, _ = a.Next(nil) {
				checkHello(t, h)
				got = append(got, h.Message)
			}
		}
		require.Equal(t, slowHellos(frames), got)
	})
}

// FuzzFrames compares readFrame with slowFrames.
func FuzzFrames(f *testing.F) {
	f.Add(append(ackFrame(2), cryptoFrame(70, []byte("data"))...))
	f.Add(append(make([]byte, 100), closeFrame("reason")...))
	f.Add([]byte{0x40, 0x06, 0x80, 0, 0, 1, 0x40, 1, 9})
	f.Fuzz(func(t *testing.T, payload []byte) {
		want, wantOK := slowFrames(payload)
		var got []slowFrame
		s, ok := payload, true
		for len(s) > 0 && ok {
			var fr frame
			if ok = readFrame((*cryptobyte.String)(&s), suiteV1, &fr); ok && fr.typ != framePadding {
				got = append(got, slowFrame{byte(fr.typ), fr.offset, fr.data})
			}
		}
		assert.Equal(t, wantOK, ok)
		require.Len(t, got, len(want))
		for i := range got {
			assert.Equal(t, want[i].typ, got[i].typ)
			assert.Equal(t, want[i].offset, got[i].offset)
			assert.Equal(t, string(want[i].data), string(got[i].data))
		}
	})
}
