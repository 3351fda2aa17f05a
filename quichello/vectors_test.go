package quichello

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The hello of RFC 9001, appendix A.2, and RFC 9369, appendix A.2.
const rfcHello = "010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868" +
	"04fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578" +
	"616d706c652e636f6dff01000100000a00080006001d00170018001000070005" +
	"04616c706e000500050100000000003300260024001d00209370b2c9caa47fba" +
	"baf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b000302030400" +
	"0d0010000e0403050306030203080408050806002d00020101001c0002400100" +
	"3900320408ffffffffffffffff05048000ffff07048000ffff08011001048000" +
	"75300901100f088394c8f03e51570806048000ffff"

// The client Initials of the RFCs: the header, the first sealed bytes, and the
// tag, which authenticates the rest.
func TestRFCVectors(t *testing.T) {
	hello := must(hex.DecodeString(rfcHello))
	for _, test := range []struct {
		name      string
		version   Version
		head, tag string
	}{
		{
			"RFC 9001 A.2", Version1,
			"c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11",
			"e221af44860018ab0856972e194cd934",
		},
		{
			"RFC 9369 A.2", Version2,
			"d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485",
			"a18b2faa745b6fe189cf772a9f84cbfc",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := sealer{version: test.version, dcid: must(hex.DecodeString("8394c8f03e515708"))}
			datagram := client.datagram(2, cryptoFrame(0, hello))
			require.Len(t, datagram, 1200)
			require.Equal(t, test.head, hex.EncodeToString(datagram[:32]))
			require.Equal(t, test.tag, hex.EncodeToString(datagram[1184:]))

			var a Assembler
			h, err := a.Next(datagram)
			require.NoError(t, err)
			require.NotNil(t, h)
			assert.Equal(t, hello, h.Message)
			assert.Equal(t, test.version, h.Version)
			assert.Equal(t, "8394c8f03e515708", h.DCID.String())
			assert.Zero(t, h.SCID.Len())
			assert.EqualValues(t, 2, h.PacketNumber)
			assert.Equal(t, 4, h.PacketNumberLen)
			assert.Equal(t, []byte{frameCrypto, framePadding}, h.FrameTypes)
		})
	}
}

// The server Initial of RFC 9001, appendix A.3, is well formed but not a
// client's.
func TestServerInitial(t *testing.T) {
	datagram := must(hex.DecodeString("cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a" +
		"5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3" +
		"dbcba3f6ea46c5b7684df3548e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84" +
		"022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc4" +
		"2158407dd074ee"))
	require.True(t, IsInitial(datagram))
	var a Assembler
	h, err := a.Next(datagram)
	assert.Nil(t, h)
	assert.EqualError(t, err, "quichello: Initial does not authenticate")
}
