package capture

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/parser"
)

// eachObservation calls f with the Observation of the only hello of a capture, while it is
// valid.
func eachObservation(t *testing.T, file []byte, f func(*Hello, event.Observation)) {
	n := 0
	_, err := Read(t.Context(), bytes.NewReader(file), func(h *Hello) error {
		n++
		f(h, h.Observation())
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

func TestObservation(t *testing.T) {
	message := realHello(t, "curl-openssl-3.0")
	s := side{client4, server4, 1}
	hello := records(message, 300)
	var packets [][]byte
	for _, p := range all(s.syn(), s.segments(hello, 1000)) {
		packets = append(packets, ether(0x8100, bytesOf(uint16(100), uint16(0x0800), p)))
	}
	eachObservation(t, pcapOf(LinkEthernet, packets...), func(h *Hello, o event.Observation) {
		assert.Equal(t, event.Observation{
			Time:          time.Unix(1700000000, int64(len(packets)-1)*1000).UTC(),
			Src:           client4,
			Dst:           server4,
			Packet:        int64(len(packets)),
			Via:           []string{"vlan 100"},
			Index:         1,
			Carrier:       event.Carrier{Records: (len(message) + 299) / 300, Segments: len(packets) - 1, Bytes: len(message)},
			RecordVersion: parser.VersionTLS10,
			Hello:         h.ClientHello,
			Transport:     parser.TLS,
		}, o)
		assert.Equal(t, message, o.Hello.Raw)
	})
}

func TestObservationOfMalformedHello(t *testing.T) {
	message := realHello(t, "curl-openssl-3.0")
	message[len(message)-1]++ // the extensions no longer fit
	message = message[:len(message)-1]
	message[3]--
	eachObservation(t, rawPcap(side{client4, server4, 1}.data(0, record(message))), func(h *Hello, o event.Observation) {
		assert.Error(t, o.Err)
		assert.Equal(t, message, o.Received)
		assert.Nil(t, o.Via)
		assert.Nil(t, o.QUIC)
	})
}

func TestObservationOfQUIC(t *testing.T) {
	initial, _ := initialDatagrams(t)
	eachObservation(t, rawPcap(udp(client4, server4, initial)), func(h *Hello, o event.Observation) {
		require.NotNil(t, h.QUIC)
		require.NotNil(t, o.QUIC)
		assert.Equal(t, parser.QUIC, o.Transport)
		assert.Equal(t, event.Carrier{Datagrams: 1, Bytes: len(h.ClientHello.Raw)}, o.Carrier)
		assert.Equal(t, uint32(1), o.QUIC.Version)
		assert.Equal(t, h.QUIC.DCID.Len(), o.QUIC.DCIDLen)
		assert.Equal(t, h.QUIC.SCID.Len(), o.QUIC.SCIDLen)
		assert.Equal(t, h.QUIC.FrameTypes, o.QUIC.FrameTypes)
		assert.Equal(t, h.QUIC.PacketNumberLen, o.QUIC.PacketNumberLen)
		assert.Equal(t, 1, o.QUIC.Initials)
		assert.Zero(t, o.QUIC.TokenLen)
	})
}
