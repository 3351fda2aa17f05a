package server

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// scanOf scans stream a few bytes at a time. It returns the result, and how many
// bytes it had then.
func scanOf(stream []byte, step int) (scanResult, int) {
	var s helloScan
	for n := 0; n < len(stream); {
		n = min(n+step, len(stream))
		if result := s.next(stream[:n], 0, 0); result != scanPending {
			return result, n
		}
	}
	return scanPending, len(stream)
}

// slowScan is scanOf one byte at a time, by the RecordAssembler and the rules of
// crypto/tls for a record.
func slowScan(stream []byte) (scanResult, int) {
	var a parser.RecordAssembler
	recordStart, records := 0, 0
	for n := 1; n <= len(stream); n++ {
		r := stream[recordStart:n]
		length := -1
		if len(r) >= 5 {
			length = int(binary.BigEndian.Uint16(r[3:]))
		}
		whole := length >= 0 && len(r) == 5+length
		msg, used, err := a.Next(stream[n-1 : n])
		switch {
		case r[0] != 22, err != nil, length == 0, length > 16384:
			return scanOther, n
		case msg != nil:
			return scanWhole, n
		case used != 1:
			return scanOther, n
		}
		if whole {
			records++
			recordStart = n
		}
		if n >= blockSize && len(r) > 4 && a.Buffered() < minFragment*records {
			return scanOther, n
		}
	}
	return scanPending, len(stream)
}

// randomStream returns a hello in records of many lengths, mostly with something
// else among them.
func randomStream(rnd *rand.Rand, hello []byte) (stream []byte) {
	for rest := hello; len(rest) > 0; {
		n := min(len(rest), 1+rnd.IntN(1<<(1+rnd.IntN(14))))
		stream = append(stream, 22, 3, 1, byte(n>>8), byte(n))
		stream = append(stream, rest[:n]...)
		rest = rest[n:]
		switch rnd.IntN(100) {
		case 0:
			stream = append(stream, 22, 3, 1, 0, 0)
		case 1:
			stream = append(stream, 21, 3, 1, 0, 2, 1, 112)
		case 2:
			stream = append(stream, 20, 3, 3, 0, 1, 1)
		}
	}
	if rnd.IntN(2) == 0 {
		stream[rnd.IntN(min(len(stream), 1<<rnd.IntN(17)))] ^= byte(1 << rnd.IntN(8))
	}
	return append(stream, make([]byte, rnd.IntN(10))...)
}

// TestHelloScan compares with the RecordAssembler, which inspects the bytes after the
// scan.
func TestHelloScan(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	seen := make(map[scanResult]int)
	for i := range 2000 {
		hello := hellotest.Message(0x0303, []parser.CipherSuite{0xc02b}, hellotest.Extension(21, make([]byte, rnd.IntN(1<<(6+i%11)))))
		stream := randomStream(rnd, hello)
		stream = stream[:len(stream)-rnd.IntN(2)*rnd.IntN(len(stream))]
		if len(stream) == 0 {
			continue
		}
		want, at := slowScan(stream)
		for _, step := range []int{1, 7, 1448, len(stream)} {
			got, n := scanOf(stream, step)
			require.Equal(t, want, got, "%x, %d at a time", stream, step)
			require.Less(t, n-at, step, "%x, %d at a time", stream, step)
			require.GreaterOrEqual(t, n, at)
		}
		seen[want]++
	}
	assert.Greater(t, seen[scanPending], 200)
	assert.Greater(t, seen[scanWhole], 200)
	assert.Greater(t, seen[scanOther], 200)
}

// TestHelloScanEnd: the end of a hello is known from its first bytes.
func TestHelloScanEnd(t *testing.T) {
	message := hellotest.Message(0x0303, []parser.CipherSuite{0xc02b}, hellotest.Extension(21, make([]byte, 60_000)))
	for _, size := range []int{16, 50, 1000, 16384} {
		stream := inRecords(message, size)
		var s helloScan
		for n := range len(stream) {
			require.Equal(t, scanPending, s.next(stream[:n], 0, 0))
			if end := s.end(stream[:n]); end != 0 {
				require.Equal(t, len(stream), end, "after %d bytes", n)
			} else {
				header := n - int(s.record)
				require.True(t, header < 5 || n < 9, "after %d bytes", n)
			}
		}
	}
}

func inRecords(message []byte, size int) (stream []byte) {
	for part := range slices.Chunk(message, size) {
		stream = append(append(stream, 22, 3, 1, byte(len(part)>>8), byte(len(part))), part...)
	}
	return stream
}

// acceptOnce is a listener with one connection.
type acceptOnce struct{ net.Conn }

func (o acceptOnce) Accept() (net.Conn, error) { return o.Conn, nil }
func (o acceptOnce) Addr() net.Addr            { return o.LocalAddr() }

// heldBy has a client send stream and no more to a Conn that is read 576 bytes at a
// time, as crypto/tls does. It returns the memory in which the Conn holds what came,
// and how many bytes it has handed on.
func heldBy(t *testing.T, stream []byte) (held, handedOn int) {
	n := 0
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		conn, err := (&Listener{Listener: acceptOnce{near}, HandshakeTimeout: -1}).Accept()
		require.NoError(t, err)
		c := conn.(*Conn)
		go func() {
			p := make([]byte, 576)
			for {
				more, err := conn.Read(p)
				n += more
				if err != nil {
					return
				}
			}
		}()
		go far.Write(stream)
		synctest.Wait()
		handedOn = n
		held = cap(c.ahead.bytes) + c.records.Buffered()
		assert.Equal(t, c.ahead.block != nil, cap(c.ahead.bytes) == blockSize)
		assert.NoError(t, c.Close())
		synctest.Wait()
		assert.Equal(t, handedOn, n, "after Close")
	})
	return held, handedOn
}

// TestMemoryOfHalfOpen bounds what a Conn holds of a hello that is not whole.
func TestMemoryOfHalfOpen(t *testing.T) {
	hello := func(size int) []byte {
		return hellotest.Message(0x0303, []parser.CipherSuite{0xc02b}, hellotest.Extension(21, make([]byte, size)))
	}
	held, _ := heldBy(t, nil)
	assert.Zero(t, held, "a silent client")
	for _, c := range []struct{ size, record, sent, most int }{
		{2000, 16384, 1, blockSize},
		{2000, 16384, 2000, blockSize},
		{16000, 16384, 5000, 2 * 5000},
		{16000, 16384, 16000, 18432},
		{65000, 16384, 20000, 2 * 20000},
		{65000, 16384, 65000, 73728},
		{65000, 50, 71000, 73728},
		{65000, 16, 85000, 90112},
		{65000, 8, 100000, 100000 * 8 / 13}, // only the message
	} {
		stream := inRecords(hello(c.size), c.record)
		require.Less(t, c.sent, len(stream))
		held, handedOn := heldBy(t, stream[:c.sent])
		assert.LessOrEqual(t, held, c.most, "%+v", c)
		if c.record < minFragment {
			assert.Equal(t, c.sent, handedOn, "%+v", c)
		} else {
			assert.Zero(t, handedOn, "%+v", c)
		}
	}
}

// TestMemoryAfterTheHello: once a long hello has been handed on, only its message is
// left.
func TestMemoryAfterTheHello(t *testing.T) {
	message := hellotest.Message(0x0303, []parser.CipherSuite{0xc02b}, hellotest.Extension(21, make([]byte, 60_000)))
	for _, size := range []int{50, 16384} {
		stream := inRecords(message, size)
		near, far := net.Pipe()
		defer near.Close()
		go far.Write(stream)
		conn, err := (&Listener{Listener: acceptOnce{near}}).Accept()
		require.NoError(t, err)
		got := make([]byte, len(stream))
		for n := 0; n < len(got); {
			more, err := conn.Read(got[n:min(len(got), n+576)])
			require.NoError(t, err)
			n += more
		}
		assert.True(t, bytes.Equal(stream, got))
		c := conn.(*Conn)
		assert.Nil(t, c.ahead.bytes)
		assert.Zero(t, c.records.Buffered())
		assert.Equal(t, message, c.first.raw)
		assert.Less(t, cap(c.first.raw), len(message)+8192)
	}
}
