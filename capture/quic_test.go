package capture

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/quictest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestMovedClient: the address of a client may change between the Initials of a hello.
func TestMovedClient(t *testing.T) {
	hello, other := realHello(t, "chromium-156-quic"), realHello(t, "firefox-153-quic")
	dcid := []byte("dcid 123")
	// parts returns a hello in three Initials.
	parts := func(id, token []byte, first int, message []byte) (list [][]byte) {
		for i := range 3 {
			at, end := i*len(message)/3, (i+1)*len(message)/3
			list = append(list, quictest.Initial(id, token, first+i, at, message[at:end]))
		}
		return list
	}
	three := parts(dcid, nil, 0, hello)
	theirs := parts(dcid, nil, 0, other)
	retried := parts([]byte("chosen 1"), []byte("token"), 3, hello)
	type sent struct {
		port int // added to that of the client; from 100 on another address
		b    []byte
	}
	type want struct {
		message []byte
		port    int
	}
	for _, test := range []struct {
		name  string
		sent  []sent
		want  []want
		begun int64
	}{
		{"one port", []sent{{0, three[0]}, {0, three[1]}, {0, three[2]}}, []want{{hello, 0}}, 0},
		{"another port", []sent{{0, three[0]}, {0, three[1]}, {1, three[2]}}, []want{{hello, 1}}, 0},
		{"another port in the middle", []sent{{0, three[0]}, {1, three[1]}, {1, three[2]}}, []want{{hello, 1}}, 0},
		{"back to the first", []sent{{0, three[0]}, {1, three[1]}, {0, three[2]}}, []want{{hello, 0}}, 0},
		{"three ports, in another order", []sent{{0, three[2]}, {1, three[0]}, {2, three[1]}}, []want{{hello, 2}}, 0},
		{"another address", []sent{{0, three[0]}, {100, three[1]}, {100, three[2]}}, []want{{hello, 100}}, 0},
		{"all again from the second port", []sent{{0, three[0]}, {1, three[1]}, {1, three[2]}, {1, three[0]}, {1, three[1]}, {1, three[2]}}, []want{{hello, 1}}, 0},
		{"after a Retry", []sent{{0, three[0]}, {0, retried[0]}, {0, retried[1]}, {1, retried[2]}}, []want{{hello, 1}}, 1},
		{"on both sides of a NAT", []sent{{0, three[0]}, {100, three[0]}, {0, three[1]}, {100, three[1]}, {0, three[2]}, {100, three[2]}},
			[]want{{hello, 0}, {hello, 100}}, 0},
		{"on both sides of a NAT, one after the other", []sent{{0, three[0]}, {0, three[1]}, {0, three[2]}, {100, three[0]}, {100, three[1]}, {100, three[2]}},
			[]want{{hello, 0}, {hello, 100}}, 0},
		{"two clients with one connection id", []sent{{0, three[0]}, {100, theirs[0]}, {0, three[1]}, {100, theirs[1]}, {100, theirs[2]}, {0, three[2]}},
			[]want{{other, 100}, {hello, 0}}, 0},
		{"another connection id", []sent{{0, three[0]}, {0, three[1]}, {1, parts([]byte("dcid 124"), nil, 0, hello)[2]}}, nil, 2},
		{"too many ports", []sent{{0, quictest.Initial(dcid, nil, 0, 0, hello[:10])}, {1, quictest.Initial(dcid, nil, 1, 10, hello[10:20])},
			{2, quictest.Initial(dcid, nil, 2, 20, hello[20:30])}, {3, quictest.Initial(dcid, nil, 3, 30, hello[30:40])},
			{4, quictest.Initial(dcid, nil, 4, 40, hello[40:50])}, {5, quictest.Initial(dcid, nil, 5, 50, hello[50:1000])}}, nil, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			var packets [][]byte
			for _, d := range test.sent {
				src := addrPortOf(client4, client4.Port()+uint16(d.port))
				if d.port >= 100 {
					src = addrPort(src, 7)
				}
				packets = append(packets, udp(src, server4, d.b))
			}
			hellos, stats, err := read(t, new(Reader), rawPcap(packets...))
			require.NoError(t, err)
			require.Len(t, hellos, len(test.want))
			for i, w := range test.want {
				assert.Equal(t, parser.QUIC, hellos[i].Transport)
				assert.Equal(t, string(w.message), hellos[i].Message)
				assert.Equal(t, client4.Port()+uint16(w.port), hellos[i].Src.Port())
			}
			assert.Equal(t, test.begun, stats.Incomplete)
		})
	}
	// To another server, or another port of it, it is another connection.
	for _, dst := range []int{1, 2} {
		server := addrPortOf(server4, server4.Port()+uint16(dst&1))
		if dst == 2 {
			server = addrPort(server, 9)
		}
		assert.Empty(t, readAll(t, rawPcap(udp(client4, server4, three[0]), udp(client4, server4, three[1]),
			udp(addrPortOf(client4, 9), server, three[2]))))
	}
}

// TestMovedClientMemory: the keys of a flow go when it does.
func TestMovedClientMemory(t *testing.T) {
	hello := realHello(t, "chromium-156-quic")
	s := newScanner(&Reader{MaxMemory: 1 << 20}, func(*Hello) error { return nil })
	for i := range 500 {
		dcid := []byte{byte(i), byte(i >> 8), 3, 4, 5, 6, 7, 8}
		for j, part := range slices.Collect(slices.Chunk(hello, 500))[:1+i%4] {
			b := udp(addrPort(addrPortOf(client4, uint16(1000+j)), i), server4, quictest.Initial(dcid, nil, j, 500*j, part))
			s.packet = packet{data: b, wire: len(b), link: LinkRaw, stamp: stamp{rate: 1}}
			s.scan()
		}
		flows := 0
		for key, f := range s.flows.byKey {
			require.True(t, key == f.key || slices.Contains(f.moved, key))
			require.NotNil(t, f.node.List())
			flows++
		}
		require.LessOrEqual(t, flows, 4*(s.flows.awaited.Len()+s.flows.done.Len()))
		for key, f := range s.flows.partial {
			require.Equal(t, key, f.partial)
			require.Same(t, &s.flows.awaited, f.node.List())
		}
	}
	require.Positive(t, s.flows.dropped)
	require.NotEmpty(t, s.flows.partial)
}
