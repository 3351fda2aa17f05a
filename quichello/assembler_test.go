package quichello

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// next passes a datagram to an Assembler and returns the hellos that it
// completes.
func next(t *testing.T, a *Assembler, datagram []byte) []*Hello {
	t.Helper()
	before := bytes.Clone(datagram)
	h, err := a.Next(datagram)
	require.NoError(t, err)
	var hellos []*Hello
	for ; h != nil; h, err = a.Next(nil) {
		hellos = append(hellos, h)
	}
	require.NoError(t, err)
	require.Equal(t, before, datagram)
	return hellos
}

func TestHelloFacts(t *testing.T) {
	hello := helloMessage(1500, 1)
	client := sealer{version: Version2, dcid: []byte("dcid of 17 bytes."), scid: []byte("scid"), token: make([]byte, 70)}
	// The second datagram arrives first.
	second := client.datagram(0x1235, ackFrame(2), cryptoFrame(1000, hello[1000:]))
	first := client.datagram(0x1234, []byte{framePing}, cryptoFrame(500, hello[500:1000]), []byte{0, 0, framePing},
		cryptoFrame(0, hello[:500]), closeFrame("bye"))
	var a Assembler
	require.Empty(t, next(t, &a, second))
	require.Empty(t, next(t, &a, second))
	hellos := next(t, &a, first)
	require.Len(t, hellos, 1)
	h := hellos[0]
	assert.Equal(t, hello, h.Message)
	assert.Equal(t, 1, h.Index)
	assert.Equal(t, Version2, h.Version)
	assert.Equal(t, "dcid of 17 bytes.", string(h.DCID.Bytes()))
	assert.Equal(t, 17, h.DCID.Len())
	assert.Equal(t, "73636964", h.SCID.String())
	assert.Equal(t, 70, h.TokenLen)
	assert.EqualValues(t, 0x1234, h.PacketNumber)
	assert.Equal(t, 4, h.PacketNumberLen)
	assert.Equal(t, []byte{framePing, frameCrypto, framePadding, frameClose}, h.FrameTypes)
	assert.Equal(t, 2, h.Datagrams)
	assert.Equal(t, 2, h.Initials)
	assert.Equal(t, 3, h.CryptoFrames)
	assert.True(t, h.OutOfOrder)

	// Frames in order.
	a = Assembler{}
	hellos = next(t, &a, client.datagram(7, cryptoFrame(0, hello[:400]), cryptoFrame(400, hello[400:])))
	require.Len(t, hellos, 1)
	assert.False(t, hellos[0].OutOfOrder)
	assert.Equal(t, 2, hellos[0].CryptoFrames)
	assert.Equal(t, []byte{frameCrypto}, hellos[0].FrameTypes)
}

func TestVersions(t *testing.T) {
	hello := helloMessage(300, 1)
	for _, test := range []struct {
		version Version
		name    string
		suite   suite
	}{
		{Version1, "1", suiteV1},
		{Version2, "2", suiteV2},
		{draft21, "draft-21", suiteDraft22},
		{0xff000016, "draft-22", suiteDraft22},
		{0xff000017, "draft-23", suiteDraft23},
		{0xff00001b, "draft-27", suiteDraft23},
		{0xff00001c, "draft-28", suiteDraft23},
		{0xff00001d, "draft-29", suiteDraft29},
		{0xff000020, "draft-32", suiteDraft29},
		{0xff000021, "draft-33", suiteV1},
		{0xff000022, "draft-34", suiteV1},
		{mvfst22, "0xfaceb001", suiteDraft22},
		{mvfst27, "0xfaceb002", suiteDraft23},
		{mvfstV1, "0xfaceb003", suiteV1},
		{mvfstAlias, "0xfaceb010", suiteDraft23},
		{mvfstExp2, "0xfaceb011", suiteDraft23},
		{mvfstExp3, "0xfaceb013", suiteDraft23},
		{mvfstExp, "0xfaceb00e", suiteDraft23},
		{googleT0, "0x54303530", suiteT050},
		{googleT1, "0x54303531", suiteT051},
		{0x1a2a3a4a, "0x1a2a3a4a", suiteV1},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.name, test.version.String())
			assert.Equal(t, test.suite, test.version.suite())
			client := sealer{version: test.version, dcid: []byte("8 bytes.")}
			frame := cryptoFrame(0, hello)
			frame[0] = byte(test.version.suite().cryptoType())
			datagram := client.datagram(0, frame)
			require.True(t, IsInitial(datagram))
			var a Assembler
			hellos := next(t, &a, datagram)
			require.Len(t, hellos, 1)
			assert.Equal(t, hello, hellos[0].Message)
			assert.Equal(t, test.version, hellos[0].Version)
		})
	}
	for _, version := range []Version{0, 3, 0xff000014, 0xff000023, 0x51303530, 0x709a50c4} {
		client := sealer{version: version, dcid: []byte("8 bytes.")}
		assert.False(t, IsInitial(client.datagram(0, cryptoFrame(0, hello))), version)
	}
}

// TestReservedVersions: a reserved version may have the keys of version 1 or of draft 29.
func TestReservedVersions(t *testing.T) {
	hello := helloMessage(3000, 1)
	for _, suite := range []suite{suiteV1, suiteDraft29} {
		client := sealer{version: 0xfafaaaba, suite: suite, dcid: []byte("8 bytes."), scid: []byte("scid")}
		require.True(t, client.version.isReserved())
		var a Assembler
		require.Empty(t, next(t, &a, client.datagram(0, cryptoFrame(0, hello[:1000]))))
		require.Empty(t, next(t, &a, client.datagram(1, cryptoFrame(1000, hello[1000:2000]))))
		hellos := next(t, &a, client.datagram(2, cryptoFrame(2000, hello[2000:])))
		require.Len(t, hellos, 1)
		assert.Equal(t, hello, hellos[0].Message)
		derivations, _ := a.Opener.Work()
		assert.LessOrEqual(t, derivations, 2)
	}
	for _, suite := range []suite{suiteV2, suiteDraft23} {
		client := sealer{version: 0x0a0a0a0a, suite: suite, dcid: []byte("8 bytes.")}
		var a Assembler
		h, err := a.Next(client.datagram(0, cryptoFrame(0, hello)))
		assert.Nil(t, h)
		assert.Equal(t, ErrAuthentication, err)
	}
}

// TestDraft21 reads connection IDs whose lengths share a byte.
func TestDraft21(t *testing.T) {
	hello := helloMessage(300, 1)
	id := helloMessage(18, 9)
	for _, lengths := range [][2]int{{0, 0}, {4, 0}, {0, 4}, {8, 8}, {18, 18}, {18, 5}} {
		client := sealer{version: draft21, dcid: id[:lengths[0]], scid: id[:lengths[1]]}
		datagram := client.datagram(0, cryptoFrame(0, hello))
		var a Assembler
		hellos := next(t, &a, datagram)
		require.Len(t, hellos, 1, lengths)
		assert.Equal(t, lengths, [2]int{hellos[0].DCID.Len(), hellos[0].SCID.Len()})
		dst, src, ok := ConnectionIDs(datagram)
		require.True(t, ok)
		assert.Equal(t, hellos[0].DCID, dst)
		assert.Equal(t, hellos[0].SCID, src)
		for n := range 6 + lengths[0] + lengths[1] {
			assert.False(t, IsInitial(datagram[:n]))
		}
	}
}

func TestConnectionIDLengths(t *testing.T) {
	hello := helloMessage(300, 1)
	id := helloMessage(20, 9)
	for n := range 21 {
		client := sealer{version: Version1, dcid: id[:n], scid: id[:20-n]}
		var a Assembler
		hellos := next(t, &a, client.datagram(0, cryptoFrame(0, hello)))
		require.Len(t, hellos, 1)
		assert.Equal(t, n, hellos[0].DCID.Len())
		assert.Equal(t, 20-n, hellos[0].SCID.Len())
	}
	long := sealer{version: Version1, dcid: make([]byte, 21)}
	assert.False(t, IsInitial(long.datagram(0, cryptoFrame(0, hello))))
	long = sealer{version: Version1, scid: make([]byte, 21)}
	assert.False(t, IsInitial(long.datagram(0, cryptoFrame(0, hello))))
}

func TestPacketNumbers(t *testing.T) {
	hello := helloMessage(300, 1)
	for n := 1; n <= 4; n++ {
		client := sealer{version: Version1, dcid: []byte("8 bytes.")}
		var a Assembler
		last := uint64(1)<<(8*n-1) - 1
		require.Empty(t, next(t, &a, client.seal(last, n, cryptoFrame(0, hello[:100]))))
		// The next numbers can only be decoded relative to the one before.
		for i := range uint64(3) {
			number := last + (i+1)<<(8*n-2)
			at := 100 + 50*int(i)
			require.Empty(t, next(t, &a, client.seal(number, n, cryptoFrame(at, hello[at:at+50]))))
		}
		hellos := next(t, &a, client.seal(last+3<<(8*n-2)+1, n, cryptoFrame(250, hello[250:])))
		require.Len(t, hellos, 1, "%d bytes", n)
		assert.Equal(t, hello, hellos[0].Message)
		assert.Equal(t, n, hellos[0].PacketNumberLen)
	}
}

func TestCoalesced(t *testing.T) {
	hello := helloMessage(900, 1)
	client := sealer{version: Version1, dcid: []byte("8 bytes.")}
	other := sealer{version: Version1, dcid: []byte("8 other.")}
	zeroRTT := client
	zeroRTT.flip = 0x10
	one := client.seal(0, 1, cryptoFrame(0, hello[:500]))
	two := client.seal(1, 1, cryptoFrame(500, hello[500:]))
	forged := client.seal(1, 1, make([]byte, 100))
	forged[len(forged)-1] ^= 1
	early := zeroRTT.seal(0, 2, make([]byte, 300))
	short := append([]byte{0x45}, make([]byte, 60)...)
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, test := range []struct {
		name     string
		datagram []byte
		hellos   int
		err      string
	}{
		{"two Initials", join(one, two), 1, ""},
		{"the second first", join(two, one), 1, ""},
		{"0-RTT before", join(early, one, two), 1, ""},
		{"0-RTT between", join(one, early, two, early), 1, ""},
		{"zeros between", join(one, make([]byte, 200), two, make([]byte, 13)), 1, ""},
		{"garbage behind", join(one, two, []byte("garbage")), 1, ""},
		{"1-RTT behind", join(one, two, short), 1, ""},
		{"1-RTT before", join(short, one, two), 0, ""},
		{"a forged one before", join(forged, one, two), 1, ""},
		{"a forged one between", join(one, forged, two), 1, ""},
		{"a forged one before the first of two", join(forged, one), 0, ""},
		{"a forged one alone", forged, 0, "quichello: Initial does not authenticate"},
		// RFC 9000, section 12.2: packets of other connections are ignored.
		{"one of another connection", join(one, other.seal(1, 1, cryptoFrame(500, hello[500:]))), 0, ""},
		{"another connection", join(one, other.seal(1, 1, cryptoFrame(0, hello))), 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var a Assembler
			h, err := a.Next(test.datagram)
			if test.hellos == 0 {
				require.Nil(t, h)
				if test.err != "" {
					assert.EqualError(t, err, test.err)
				} else {
					assert.NoError(t, err)
				}
				return
			}
			require.NotNil(t, h)
			assert.Equal(t, hello, h.Message)
			assert.Equal(t, 1, h.Datagrams)
			assert.Equal(t, 2, h.Initials)
		})
	}
}

// A capture may show the datagrams of one large send as one. They count as
// several.
func TestLargeSend(t *testing.T) {
	hello := helloMessage(2600, 1)
	client := sealer{version: Version1, dcid: []byte("8 bytes."), scid: []byte("me")}
	parts := [][]byte{
		client.datagram(0, cryptoFrame(0, hello[:1100])),
		client.datagram(1, cryptoFrame(1100, hello[1100:2200])),
		client.datagram(2, cryptoFrame(2200, hello[2200:])),
	}
	hellos := next(t, new(Assembler), bytes.Join(parts, nil))
	require.Len(t, hellos, 1)
	assert.Equal(t, 3, hellos[0].Datagrams)
	assert.Equal(t, 3, hellos[0].Initials)

	parts[1] = client.datagram(1) // without CRYPTO data
	parts = append(parts, client.datagram(3, cryptoFrame(1100, hello[1100:2200])))
	hellos = next(t, new(Assembler), bytes.Join(parts, nil))
	require.Len(t, hellos, 1)
	assert.Equal(t, 3, hellos[0].Datagrams)

	// The rest is too short for another datagram.
	short := client.seal(1, 1, cryptoFrame(1100, hello[1100:1200]))
	var a Assembler
	require.Empty(t, next(t, &a, append(bytes.Clone(parts[0]), short...)))
	hellos = next(t, &a, client.datagram(2, cryptoFrame(1200, hello[1200:])))
	require.Len(t, hellos, 1)
	assert.Equal(t, 2, hellos[0].Datagrams)
	assert.Equal(t, 3, hellos[0].Initials)
}

// A client may clear the fixed bit (RFC 9287).
func TestFixedBit(t *testing.T) {
	hello := helloMessage(300, 1)
	client := sealer{version: Version1, dcid: []byte("8 bytes."), flip: 0x40}
	datagram := client.seal(0, 2, cryptoFrame(0, hello))
	require.Zero(t, datagram[0]&0x40)
	var a Assembler
	require.Len(t, next(t, &a, datagram), 1)
}

// A datagram truncated at any byte, as by the snap length of a capture, gives
// only the packets that are complete.
func TestTruncated(t *testing.T) {
	hello := helloMessage(300, 1)
	client := sealer{version: Version1, dcid: []byte("8 bytes."), scid: []byte("me"), token: []byte("token")}
	packet := client.seal(0, 2, cryptoFrame(0, hello))
	datagram := append(bytes.Clone(packet), client.seal(1, 2, make([]byte, 100))...)
	for n := range datagram {
		assert.Equal(t, n >= len(packet), IsInitial(datagram[:n]), n)
		var a Assembler
		h, err := a.Next(datagram[:n])
		assert.NoError(t, err)
		assert.Equal(t, n >= len(packet), h != nil, n)
	}
}

// Every bit of an Initial is authenticated: if one is changed, it does not
// open.
func TestChangedBit(t *testing.T) {
	hello := helloMessage(60, 1)
	client := sealer{version: Version1, dcid: []byte("8 bytes."), scid: []byte("me"), token: []byte("token")}
	datagram := client.seal(0, 2, cryptoFrame(0, hello))
	for i := range datagram {
		for bit := range 8 {
			datagram[i] ^= 1 << bit
			var a Assembler
			h, err := a.Next(datagram)
			assert.Nil(t, h, "byte %d, bit %d", i, bit)
			if IsInitial(datagram) {
				assert.ErrorIs(t, err, ErrAuthentication)
			} else {
				assert.NoError(t, err)
			}
			datagram[i] ^= 1 << bit
		}
	}
}

func TestErrors(t *testing.T) {
	hello := helloMessage(300, 1)
	serverHello := append([]byte{2}, hello[1:]...)
	large := []byte{1, 1, 0, 0}
	for _, test := range []struct {
		name   string
		frames []byte
		err    string
	}{
		{"ServerHello", cryptoFrame(0, serverHello), "quichello: CRYPTO data are not a ClientHello"},
		{"length over 65536", cryptoFrame(0, large), "quichello: CRYPTO data beyond the limit"},
		{"offset over 65536", cryptoFrame(65536, hello), "quichello: CRYPTO data beyond the limit"},
		{"offset over 2^61", cryptoFrame(1<<61, hello), "quichello: CRYPTO data beyond the limit"},
		{"end over 65536", cryptoFrame(65535, hello[:2]), "quichello: CRYPTO data beyond the limit"},
		{"far ahead of a gap", cryptoFrame(maxAhead, hello[:1]), "quichello: CRYPTO data beyond the limit"},
		{"STREAM", []byte{0x0a, 0, 0}, "quichello: malformed frame in an Initial"},
		{"HANDSHAKE_DONE", []byte{0x1e}, "quichello: malformed frame in an Initial"},
		{"type of two bytes", []byte{0x40, 0x80, 0}, "quichello: malformed frame in an Initial"},
		{"CRYPTO longer than the packet", []byte{frameCrypto, 0, 0x7f, 0xff, 1}, "quichello: malformed frame in an Initial"},
		{"CRYPTO of 2^62 bytes", append([]byte{frameCrypto, 0}, bytes.Repeat([]byte{0xff}, 8)...), "quichello: malformed frame in an Initial"},
		{"ACK of 2^62 ranges", append([]byte{frameAck, 0, 0}, bytes.Repeat([]byte{0xff}, 8)...), "quichello: malformed frame in an Initial"},
		{"CONNECTION_CLOSE truncated", []byte{frameClose, 0, 0, 9, 'a'}, "quichello: malformed frame in an Initial"},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := sealer{version: Version1, dcid: []byte("8 bytes.")}
			payload := append([]byte{framePing, framePing, framePing, framePing}, test.frames...)
			var a Assembler
			h, err := a.Next(client.seal(0, 1, payload))
			assert.Nil(t, h)
			assert.EqualError(t, err, test.err)
		})
	}
}

// A connection with too many Initials is given up.
func TestManyInitials(t *testing.T) {
	hello := helloMessage(300, 1)
	client := sealer{version: Version1, dcid: []byte("8 bytes.")}
	var a Assembler
	for i := range uint64(maxInitials) {
		require.Empty(t, next(t, &a, client.seal(i, 2, cryptoFrame(0, hello[:10+i%200]))))
	}
	assert.Zero(t, a.Dropped())
	require.Empty(t, next(t, &a, client.datagram(maxInitials, cryptoFrame(0, hello))))
	assert.Equal(t, 1, a.Dropped())
	require.Empty(t, next(t, &a, client.datagram(maxInitials+1, cryptoFrame(0, hello))))
	assert.Equal(t, 1, a.Dropped())
}

func TestReset(t *testing.T) {
	hello := helloMessage(900, 1)
	client := sealer{version: Version1, dcid: []byte("8 bytes.")}
	first := client.datagram(0, cryptoFrame(0, hello[:500]))
	second := client.datagram(1, cryptoFrame(500, hello[500:]))
	var a Assembler
	for range 2 { // a second time, for a hello that was returned before
		require.Empty(t, next(t, &a, first))
		opener := a.Opener
		a.Reset()
		assert.Same(t, opener, a.Opener)
		assert.Zero(t, a.Buffered())
		assert.Empty(t, a.Pending())
		require.Empty(t, next(t, &a, second))
		require.Len(t, next(t, &a, first), 1)
	}
}

// Assemblers that share an Opener do not affect each other.
func TestSharedOpener(t *testing.T) {
	var o Opener
	flows := make([]Assembler, 20)
	hellos := make([][]byte, len(flows))
	clients := make([]sealer, len(flows))
	for i := range flows {
		flows[i].Opener = &o
		hellos[i] = helloMessage(1000, byte(i))
		clients[i] = sealer{version: []Version{Version1, Version2}[i%2], dcid: []byte{byte(i), 2, 3, 4, 5, 6, 7, 8}}
		require.Empty(t, next(t, &flows[i], clients[i].datagram(0, cryptoFrame(500, hellos[i][500:]))))
	}
	for i := range flows {
		got := next(t, &flows[i], clients[i].datagram(1, cryptoFrame(0, hellos[i][:500])))
		require.Len(t, got, 1)
		assert.Equal(t, hellos[i], got[0].Message)
	}
}

// TestContinues: a datagram continues a hello if it opens, adds to it and contradicts
// nothing of it.
func TestContinues(t *testing.T) {
	hello, other := helloMessage(3000, 1), helloMessage(3000, 2)
	client := sealer{version: Version1, dcid: []byte("8 bytes."), scid: []byte("scid")}
	var a Assembler
	assert.False(t, a.Continues(client.datagram(0, cryptoFrame(0, hello[:1000]))), "there is no hello")
	require.Empty(t, next(t, &a, client.datagram(0, cryptoFrame(0, hello[:1000]))))
	require.Empty(t, next(t, &a, client.datagram(2, cryptoFrame(2000, hello[2000:2100]))))
	changed := func(edit func(*sealer)) *sealer { c := client; edit(&c); return &c }
	for _, test := range []struct {
		name   string
		client *sealer
		frames [][]byte
		want   bool
	}{
		{"the next part", &client, [][]byte{cryptoFrame(1000, hello[1000:2000])}, true},
		{"a later part", &client, [][]byte{cryptoFrame(2500, hello[2500:])}, true},
		{"the next part, and a bit more", &client, [][]byte{cryptoFrame(900, hello[900:2050])}, true},
		{"what is there", &client, [][]byte{cryptoFrame(0, hello[:1000]), cryptoFrame(2000, hello[2000:2100])}, false},
		{"no CRYPTO frame", &client, [][]byte{{framePing}}, false},
		{"another hello", &client, [][]byte{cryptoFrame(0, other[:1100])}, false},
		{"another hello, out of order", &client, [][]byte{cryptoFrame(1900, other[1900:2200])}, false},
		{"a malformed frame", &client, [][]byte{cryptoFrame(1000, hello[1000:1100]), {0x30}}, false},
		{"too far", &client, [][]byte{cryptoFrame(maxStream-5, hello[:10])}, false},
		{"another DCID", changed(func(c *sealer) { c.dcid = []byte("9 bytes..") }), [][]byte{cryptoFrame(1000, hello[1000:2000])}, false},
		{"another SCID", changed(func(c *sealer) { c.scid = []byte("none") }), [][]byte{cryptoFrame(1000, hello[1000:2000])}, false},
		{"another version", changed(func(c *sealer) { c.version = Version2 }), [][]byte{cryptoFrame(1000, hello[1000:2000])}, false},
		{"other keys", changed(func(c *sealer) { c.keyID = []byte("unknown!") }), [][]byte{cryptoFrame(1000, hello[1000:2000])}, false},
	} {
		assert.Equal(t, test.want, a.Continues(test.client.datagram(9, test.frames...)), test.name)
	}
	hellos := next(t, &a, client.datagram(9, cryptoFrame(1000, hello[1000:2000]), cryptoFrame(2100, hello[2100:])))
	require.Len(t, hellos, 1)
	assert.Equal(t, hello, hellos[0].Message)
	assert.False(t, a.Continues(client.datagram(10, cryptoFrame(3000, other[:100]))), "it is complete")
	assert.False(t, a.Continues([]byte("no Initial")))
}
