package quichello

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFullNumber(t *testing.T) {
	// RFC 9000, appendix A.3.
	assert.EqualValues(t, 0xa82f9b32, fullNumber(0xa82f30ea, 0x9b32, 2))
	assert.EqualValues(t, 0, fullNumber(-1, 0, 1))
	assert.EqualValues(t, 0xff, fullNumber(200, 0xff, 1))
	assert.EqualValues(t, 0x102, fullNumber(0xff, 2, 1))
	assert.EqualValues(t, 0xff, fullNumber(0x102, 0xff, 1))
	assert.EqualValues(t, 0xffffffff, fullNumber(-1, 0xffffffff, 4))

	// Every number that a sender may choose decodes: those within half the
	// window of the expected one.
	r := rand.New(rand.NewPCG(1, 1))
	for range 10000 {
		n := 1 + r.IntN(4)
		half := int64(1) << (8*n - 1)
		largest := r.Int64N(1<<62 - half)
		number := largest + 1 + r.Int64N(half)
		got := fullNumber(largest, uint32(number&(2*half-1)), n)
		require.Equal(t, number, got, "largest %#x, %d bytes", largest, n)
	}
}

// A million random datagrams have no Initial by their form. Random bytes after
// a valid header do not open.
func TestRandomDatagrams(t *testing.T) {
	r := rand.NewPCG(1, 1)
	buf := make([]byte, 0, 1500)
	random := func(b []byte, n int) []byte {
		for range (n + 7) / 8 {
			b = binary.NativeEndian.AppendUint64(b, r.Uint64())
		}
		return b
	}
	var a Assembler
	for i := range 1_000_000 {
		b := random(buf, i%400)
		require.False(t, IsInitial(b))
		h, err := a.Next(b)
		require.Nil(t, h)
		require.NoError(t, err)
	}
	for i := range 20_000 {
		b := binary.BigEndian.AppendUint32([]byte{0xc0 | byte(i&15)}, uint32(Version1))
		b = append(random(append(b, 8), 8), 0, 0) // DCID, no SCID, no token
		b = random(append(b, 0x40, 0x40), 0x40)   // Length, and what it covers
		require.True(t, IsInitial(b))
		h, err := a.Next(b)
		require.Nil(t, h)
		require.ErrorIs(t, err, ErrAuthentication)
	}
	assert.Empty(t, a.Pending())
}

func TestConnectionIDFrom(t *testing.T) {
	for n := range MaxConnectionIDLen + 1 {
		id, ok := ConnectionIDFrom(make([]byte, n))
		assert.True(t, ok)
		assert.Equal(t, make([]byte, n), id.Bytes())
	}
	_, ok := ConnectionIDFrom(make([]byte, MaxConnectionIDLen+1))
	assert.False(t, ok)
}

func TestInitialTokenLen(t *testing.T) {
	client := sealer{version: Version1, dcid: []byte("8 bytes."), token: make([]byte, 70)}
	n, ok := InitialTokenLen(client.datagram(0, cryptoFrame(0, helloMessage(300, 1))))
	assert.True(t, ok)
	assert.Equal(t, 70, n)
	_, ok = InitialTokenLen([]byte{0x45, 0, 0})
	assert.False(t, ok)
}

func TestConnectionIDs(t *testing.T) {
	packet := []byte("\xc0\x00\x00\x00\x01\x03dst\x04srcs")
	for n := range packet {
		_, _, ok := ConnectionIDs(packet[:n])
		assert.False(t, ok, n)
	}
	dst, src, ok := ConnectionIDs(packet)
	assert.True(t, ok)
	assert.Equal(t, "dst", string(dst.Bytes()))
	assert.Equal(t, "srcs", string(src.Bytes()))
	_, _, ok = ConnectionIDs([]byte("\x80\x00\x00\x00\x00\x03dst\x04srcs"))
	assert.False(t, ok, "Version Negotiation")
	_, _, ok = ConnectionIDs([]byte("\x40\x00\x00\x00\x01\x03dst\x04srcs"))
	assert.False(t, ok, "short header")
	_, _, ok = ConnectionIDs(append([]byte("\xc0\x00\x00\x00\x01\x15"), make([]byte, 40)...))
	assert.False(t, ok, "a connection ID of 21 bytes")
}
