package capture

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

// warningAlert is a user_canceled alert of level warning in a record.
const warningAlert = "\x15\x03\x01\x00\x02\x01\x5a"

// withAlerts returns a stream of records of n bytes with some warning alerts before
// each but the first.
func withAlerts(records []byte, n, alerts int) []byte {
	return bytes.Join(slices.Collect(slices.Chunk(records, n)), bytes.Repeat([]byte(warningAlert), alerts))
}

// TestAlerts finds the hellos before and between whose records there are warning
// alerts, wherever crypto/tls accepts them.
func TestAlerts(t *testing.T) {
	config := serverConfig(t)
	message := realHello(t, "python-tls12")
	s := side{client4, server4, 1}
	alerts := func(n int) []byte { return bytes.Repeat([]byte(warningAlert), n) }
	for _, test := range []struct {
		name     string
		stream   []byte
		accepted bool
	}{
		{"an alert before the hello", bytesOf(alerts(1), record(message)), true},
		{"16 alerts before the hello", bytesOf(alerts(16), record(message)), true},
		{"alerts before a hello in short records", bytesOf(alerts(3), records(message, 3)), true},
		{"alerts with the number of a handshake record", bytesOf("\x15\x03\x01\x00\x02\x01\x16\x15\x03\x01\x00\x02\x01\x16", record(message)), true},
		{"an alert after the first byte", bytesOf(record(message[:1]), alerts(1), record(message[1:])), true},
		{"an alert in the message header", bytesOf(record(message[:3]), alerts(1), record(message[3:])), true},
		{"an alert after the message header", bytesOf(record(message[:4]), alerts(1), record(message[4:])), true},
		{"an alert in the random", bytesOf(record(message[:20]), alerts(1), record(message[20:])), true},
		{"an alert in the cipher suites", bytesOf(record(message[:71]), alerts(1), record(message[71:])), true},
		{"16 alerts in the random", bytesOf(record(message[:20]), alerts(16), record(message[20:])), true},
		{"an alert between longer records", bytesOf(record(message[:150]), alerts(1), record(message[150:])), true},
		{"an alert between any two bytes", withAlerts(records(message, 1), 6, 1), true},
		{"16 alerts between any two bytes", withAlerts(records(message, 1), 6, 16), true},
		{"alerts everywhere", bytesOf(alerts(16), withAlerts(records(message, 30), 35, 2)), true},

		{"a fatal alert before the hello", bytesOf("\x15\x03\x01\x00\x02\x02\x5a", record(message)), false},
		{"17 alerts in the random", bytesOf(record(message[:20]), alerts(17), record(message[20:])), false},
		{"a fatal alert in the random", bytesOf(record(message[:20]), "\x15\x03\x01\x00\x02\x02\x5a", record(message[20:])), false},
		{"a long alert in the random", bytesOf(record(message[:20]), "\x15\x03\x01\x00\x03\x01\x5a\x00", record(message[20:])), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.accepted, accepts(t, config, test.stream), "crypto/tls")
			for how, packets := range map[string][][]byte{
				"one segment":              all(s.syn(), s.data(0, test.stream)),
				"one segment, without SYN": all(s.data(0, test.stream)),
				"without SYN, 200 bytes":   all(s.segments(test.stream, 200)),
				"without SYN, 50 bytes":    all(s.segments(test.stream, 50)),
				"without SYN, 11 bytes":    all(s.segments(test.stream, 11)),
				"segments of 50 bytes":     all(s.syn(), s.segments(test.stream, 50)),
				"1-byte segments":          all(s.syn(), s.segments(test.stream, 1)),
				"out of order":             all(s.syn(), s.data(100, test.stream[100:]), s.data(0, test.stream[:100])),
				"on Ethernet, without SYN": nil, // on the fast path
			} {
				file := rawPcap(packets...)
				if packets == nil {
					file = pcapOf(LinkEthernet, ipFrame(s.data(0, test.stream)))
				}
				hellos := readAll(t, file)
				if test.accepted {
					require.Len(t, hellos, 1, how)
					assert.Equal(t, string(message), hellos[0].Message, how)
					assert.Equal(t, 1, hellos[0].Index)
				}
			}
		})
	}
}

// TestOtherAlerts requires that other alerts start no connection, and warning alerts
// only if nothing but a hello can follow.
func TestOtherAlerts(t *testing.T) {
	s := side{client4, server4, 1}
	for _, payload := range []string{
		warningAlert, warningAlert[:6] + "\x16\x03\x01\x00\x10\x01", "\x15\x03\x03\x00\x02\x02\x28\x16\x03\x03\x00\x50\x01",
		warningAlert + "\x15\x03\x03\x00\x02\x02", warningAlert + "\x15\x03\x03\x00\x1a",
		warningAlert + "\x17\x03\x03\x00\x10", "\x15\x03\x03\x00\x1a\x00\x00\x00\x00\x00\x00\x00\x01",
		warningAlert + "\x16\x03\x03\x00\x50\x02\x00\x00\x4c\x03\x03", // before a ServerHello
	} {
		r := newScanner(new(Reader), nil)
		p := s.data(0, []byte(payload))
		r.packet = packet{data: p, wire: len(p), link: LinkRaw, stamp: stamp{rate: 1}}
		r.scan()
		assert.Zero(t, r.streams.young.used, "%x", payload)
		assert.False(t, startsHello([]byte(payload)), "%x", payload)
	}
}

// TestPrefaceLikeAlerts finds a hello after a preface that is an alert together with
// the first byte of the hello.
func TestPrefaceLikeAlerts(t *testing.T) {
	hello := record(realHello(t, "python-tls12"))
	s := side{client4, server4, 1}
	for _, preface := range []string{warningAlert[:6], warningAlert + warningAlert[:6], warningAlert[:5], string(record([]byte("\x01\x00\x01"))) + warningAlert[:6]} {
		stream := bytesOf(preface, hello)
		for _, n := range []int{1, len(preface), len(preface) + 1, len(stream)} {
			assert.Len(t, readAll(t, rawPcap(all(s.syn(), s.segments(stream, n))...)), 1, "%x in segments of %d bytes", preface, n)
		}
	}
}

// TestAlertsBeforeSecondHello finds the second hello after warning alerts, which
// crypto/tls accepts if they are user_canceled.
func TestAlertsBeforeSecondHello(t *testing.T) {
	message := realHello(t, "chromium-156")
	hello, second := record(message), hrrHello(message)
	s := side{client4, server4, 1}
	finished := "\x17\x03\x03\x00\x01x"
	for _, test := range []struct {
		between string
		indexes []int
	}{
		{warningAlert, []int{1, 2}},
		{warningAlert + warningAlert + "\x14\x03\x03\x00\x01\x01" + warningAlert, []int{1, 2}},
		{"\x15\x03\x03\x00\x02\x02\x5a", []int{1}},
		{"\x15\x03\x03\x00\x03\x01\x5a\x00", []int{1}},
	} {
		stream := bytesOf(hello, test.between, second, finished)
		for _, n := range []int{1, 50, len(stream)} {
			if n == 1 && len(test.indexes) == 1 {
				continue // the first byte of the second hello starts a connection
			}
			var indexes []int
			for _, h := range readAll(t, rawPcap(all(s.syn(), s.segments(stream, n))...)) {
				assert.Equal(t, string(message), h.Message)
				indexes = append(indexes, h.Index)
			}
			assert.Equal(t, test.indexes, indexes, "%x in segments of %d bytes", test.between, n)
		}
	}
}

// TestMalformedHelloAfterAlerts reports a malformed hello after alerts, as at the
// start of a segment.
func TestMalformedHelloAfterAlerts(t *testing.T) {
	message := realHello(t, "curl-openssl-3.0")
	message[3]--
	stream := bytesOf(warningAlert, record(message[:len(message)-1]))
	s := side{client4, server4, 1}
	for _, packets := range [][][]byte{{s.syn(), s.data(0, stream)}, {s.data(0, stream)}} {
		_, stats, err := read(t, new(Reader), rawPcap(packets...))
		require.NoError(t, err)
		assert.Equal(t, int64(1), stats.Errors)
	}
}

// TestAlertsInOpenVPNAndEAP finds a hello after an alert in the streams that the two
// carry.
func TestAlertsInOpenVPNAndEAP(t *testing.T) {
	message := realHello(t, "python-tls12")
	stream := bytesOf(warningAlert, record(message))
	var packets [][]byte
	number := uint32(1)
	for part := range slices.Chunk(stream, 100) {
		packets = append(packets, udp(client4, server4, vpnPacket("session!", 0, nil, 1, number, part)))
		number++
	}
	assert.Len(t, readAll(t, rawPcap(packets...)), 1)
	eap := bytesOf(eapResponse, 7, uint16(eapHeader+len(stream)), eapPEAP, 0, stream)
	hellos := readAll(t, rawPcap(udp(client4, server4, accessRequest("a", eap))))
	require.Len(t, hellos, 1)
	assert.Equal(t, parser.TLS, hellos[0].Transport)
}
