package quichello

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// After the server's first packet, the client's Initials have a DCID that the
// server chose, and the same keys. So does the hello that answers a
// HelloRetryRequest.
func TestHelloRetryRequest(t *testing.T) {
	hello, second := helloMessage(1400, 1), helloMessage(900, 2)
	for _, server := range []string{"server's own", ""} {
		client := sealer{version: Version1, dcid: []byte("8 bytes."), scid: []byte("me")}
		var a Assembler
		require.Empty(t, next(t, &a, client.datagram(0, cryptoFrame(0, hello[:1000]))))
		hellos := next(t, &a, client.datagram(1, cryptoFrame(1000, hello[1000:])))
		require.Len(t, hellos, 1)
		assert.Equal(t, 1, hellos[0].Index)

		later := client
		later.keyID, later.dcid = client.dcid, []byte(server)
		require.Empty(t, next(t, &a, later.datagram(2, ackFrame(0))))
		require.Empty(t, next(t, &a, later.datagram(3, ackFrame(1), cryptoFrame(1400+300, second[300:]))))
		require.Empty(t, next(t, &a, client.datagram(1, cryptoFrame(1000, hello[1000:]))), "repeated")
		hellos = next(t, &a, later.datagram(4, cryptoFrame(1400, second[:400])))
		require.Len(t, hellos, 1)
		assert.Equal(t, 2, hellos[0].Index)
		assert.Equal(t, second, hellos[0].Message)
		assert.Equal(t, "8 bytes.", string(hellos[0].DCID.Bytes()))
		assert.Equal(t, 2, hellos[0].CryptoFrames)
		assert.Equal(t, 2, hellos[0].Datagrams)
		require.Empty(t, next(t, &a, later.datagram(5, cryptoFrame(2300, hello))), "a third hello")
		assert.Zero(t, a.Dropped())
	}
}

// A server may switch to another version (RFC 9369, section 4.1). The keys are
// then those of that version and the first DCID, and the CRYPTO data continues.
func TestCompatibleVersion(t *testing.T) {
	hello, second := helloMessage(1400, 1), helloMessage(900, 2)
	first := sealer{version: Version1, dcid: []byte("8 bytes."), scid: []byte("me")}
	later := sealer{version: Version2, keyID: first.dcid, dcid: []byte("server's own"), scid: first.scid}
	var a Assembler
	require.Empty(t, next(t, &a, first.datagram(0, cryptoFrame(0, hello[:1000]))))
	hellos := next(t, &a, first.datagram(1, cryptoFrame(1000, hello[1000:])))
	require.Len(t, hellos, 1)
	assert.Equal(t, Version1, hellos[0].Version)
	require.Empty(t, next(t, &a, later.datagram(2, ackFrame(0), cryptoFrame(1400, second[:400]))))
	require.Empty(t, next(t, &a, first.datagram(1, cryptoFrame(1000, hello[1000:]))), "repeated")
	hellos = next(t, &a, later.datagram(3, cryptoFrame(1800, second[400:])))
	require.Len(t, hellos, 1)
	assert.Equal(t, second, hellos[0].Message)
	assert.Equal(t, 2, hellos[0].Index)
	assert.Equal(t, Version2, hellos[0].Version)
	assert.Equal(t, "8 bytes.", string(hellos[0].DCID.Bytes()))
	assert.Empty(t, a.Pending())

	// A client that starts over in another version, with the same IDs, has
	// another connection.
	restarted := sealer{version: Version2, dcid: first.dcid, scid: first.scid}
	require.Empty(t, next(t, &a, restarted.datagram(0, cryptoFrame(0, hello))), "the same first hello")
	hellos = next(t, &a, restarted.datagram(1, cryptoFrame(1400, second)))
	require.Empty(t, hellos, "the same second hello")
	third := helloMessage(700, 3)
	restarted.dcid = []byte("8 other.")
	hellos = next(t, &a, restarted.datagram(0, cryptoFrame(0, third)))
	require.Len(t, hellos, 1)
	assert.Equal(t, 1, hellos[0].Index)
}

// No client sends both hellos in one datagram, but both are returned.
func TestTwoHellosAtOnce(t *testing.T) {
	client := sealer{version: Version1, dcid: []byte("8 bytes.")}
	hello, second := helloMessage(300, 1), helloMessage(400, 2)
	var a Assembler
	both := append(append([]byte(nil), hello...), second...)
	require.Empty(t, next(t, &a, client.datagram(0, cryptoFrame(200, both[200:]))))
	hellos := next(t, &a, client.datagram(1, cryptoFrame(0, both[:200])))
	require.Len(t, hellos, 2)
	assert.Equal(t, hello, hellos[0].Message)
	assert.Equal(t, second, hellos[1].Message)
	assert.Equal(t, 2, hellos[1].Index)
}

func TestRetry(t *testing.T) {
	hello, other := helloMessage(1200, 1), helloMessage(1200, 2)
	before := sealer{version: Version1, dcid: []byte("8 bytes."), scid: []byte("me")}
	after := sealer{version: Version1, dcid: []byte("the server's choice"), scid: []byte("me"), token: []byte("token")}

	t.Run("same hello", func(t *testing.T) {
		var a Assembler
		require.Len(t, next(t, &a, before.datagram(0, cryptoFrame(0, hello))), 1)
		require.Empty(t, next(t, &a, after.datagram(1, cryptoFrame(0, hello))))
	})
	t.Run("other hello", func(t *testing.T) {
		var a Assembler
		require.Len(t, next(t, &a, before.datagram(0, cryptoFrame(0, hello))), 1)
		hellos := next(t, &a, after.datagram(1, cryptoFrame(0, other)))
		require.Len(t, hellos, 1)
		assert.Equal(t, other, hellos[0].Message)
		assert.Equal(t, 1, hellos[0].Index)
		assert.Equal(t, 5, hellos[0].TokenLen)
	})
	t.Run("before the hello is complete", func(t *testing.T) {
		var a Assembler
		require.Empty(t, next(t, &a, before.datagram(0, cryptoFrame(0, hello[:700]))))
		require.Empty(t, next(t, &a, after.datagram(1, cryptoFrame(700, hello[700:]))))
		hellos := next(t, &a, after.datagram(2, cryptoFrame(0, hello[:700])))
		require.Len(t, hellos, 1)
		assert.Equal(t, hello, hellos[0].Message)
	})
}

func TestSeveralConnections(t *testing.T) {
	var clients []sealer
	var hellos [][]byte
	for i := range byte(maxConnections + 2) {
		clients = append(clients, sealer{version: Version1, dcid: []byte{1, 2, 3, 4, 5, 6, 7, i}})
		hellos = append(hellos, helloMessage(1000, i))
	}
	var a Assembler
	for i, c := range clients {
		require.Empty(t, next(t, &a, c.datagram(0, cryptoFrame(0, hellos[i][:500]))))
	}
	assert.Equal(t, 2, a.Dropped())
	assert.Len(t, a.Pending(), maxConnections)
	// The two oldest were dropped, and start over without their first half.
	for i := len(clients) - 1; i >= 2; i-- {
		got := next(t, &a, clients[i].datagram(1, cryptoFrame(500, hellos[i][500:])))
		require.Len(t, got, 1)
		assert.Equal(t, hellos[i], got[0].Message)
	}
	require.Empty(t, next(t, &a, clients[0].datagram(1, cryptoFrame(500, hellos[0][500:]))))
	require.Len(t, next(t, &a, clients[0].datagram(0, cryptoFrame(0, hellos[0][:500]))), 1)
	assert.Equal(t, 2, a.Dropped())
}
