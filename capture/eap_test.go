package capture

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/parser"
)

// eapPacket returns an EAP response with a piece of a TLS stream.
func eapPacket(identifier, kind, flags int, length []byte, data []byte) []byte {
	return bytesOf(eapResponse, identifier, uint16(eapHeader+len(length)+len(data)), kind, flags, length, data)
}

// accessRequest returns an Access-Request of a user, with an EAP packet.
func accessRequest(user string, eap []byte) []byte {
	attributes := bytesOf(radiusUserName, 2+len(user), user, 61, 6, uint32(19)) // NAS-Port-Type
	for part := range slices.Chunk(eap, 253) {
		attributes = bytesOf(attributes, radiusEAPMessage, 2+len(part), part)
	}
	attributes = bytesOf(attributes, 80, 18, make([]byte, 16)) // Message-Authenticator
	return bytesOf(radiusRequest, 7, uint16(radiusHeader+len(attributes)), make([]byte, 16), attributes)
}

func TestEAP(t *testing.T) {
	hello, other := realHello(t, "chromium-156"), realHello(t, "python-tls12")
	length := []byte{0, 0, 7, 0}
	whole := func(user string, message []byte) []byte {
		return accessRequest(user, eapPacket(2, eapPEAP, 0, nil, record(message)))
	}
	pieces := func(user string, kind int, message []byte) (list [][]byte) {
		identifier := 2
		for part := range slices.Chunk(record(message), 600) {
			flags, before := 0x40, []byte(nil)
			if identifier == 2 {
				flags, before = 0xc0, length
			}
			list = append(list, accessRequest(user, eapPacket(identifier, kind, flags, before, part)))
			identifier++
		}
		return list
	}
	four := pieces("a", eapTLS, hello)
	require.Len(t, four, 4)
	another := pieces("b", eapTTLS, realHello(t, "firefox-153"))
	require.Len(t, another, 4)
	padded := bytesOf(whole("a", other), make([]byte, 9))
	short := whole("a", other)
	short[3]--
	answer := accessRequest("a", func() []byte { b := eapPacket(2, eapPEAP, 0, nil, record(other)); b[0] = 1; return b }())
	type want struct {
		hello     []byte
		via       string
		datagrams int
	}
	for _, test := range []struct {
		name      string
		datagrams [][]byte
		want      []want
		begun     int64 // hellos that are incomplete
	}{
		{"PEAP", all(whole("a", other)), []want{{other, "eap 25", 1}}, 0},
		{"padded", all(padded), []want{{other, "eap 25", 1}}, 0},
		{"retransmitted", all(whole("a", other), whole("a", other)), []want{{other, "eap 25", 1}}, 0},
		{"a second login", all(whole("a", other), whole("a", hello)), []want{{other, "eap 25", 1}, {hello, "eap 25", 1}}, 0},
		{"four packets", four, []want{{hello, "eap 13", 4}}, 0},
		{"four packets, each twice", all(four[0], four[0], four[1], four[1], four[2], four[2], four[3], four[3]), []want{{hello, "eap 13", 4}}, 0},
		{"two logins at once", all(four[0], another[0], another[1], four[1], four[2], another[2], another[3], four[3]),
			[]want{{realHello(t, "firefox-153"), "eap 21", 4}, {hello, "eap 13", 4}}, 0},
		{"restarted", all(four[0], four[1], four), []want{{hello, "eap 13", 4}}, 0},
		{"last packet missing", four[:3], nil, 1},
		{"second packet missing", all(four[0], four[2], four[3]), nil, 1},
		{"first packet missing", four[1:], nil, 0},
		{"TEAP, with outer TLVs", all(accessRequest("a", eapPacket(2, eapTEAP, 0x90, []byte{0, 0, 7, 0, 0, 0, 0, 4}, bytesOf(record(other), uint32(9))))), []want{{other, "eap 55", 1}}, 0},
		{"TEAP, outer TLVs too long", all(accessRequest("a", eapPacket(2, eapTEAP, 0x90, []byte{0, 0, 7, 0, 0xff, 0, 0, 4}, record(other)))), nil, 0},
		{"TEAP, truncated before the length of the outer TLVs", all(accessRequest("a", eapPacket(2, eapTEAP, 0x90, length, nil))), nil, 0},
		{"truncated length", all(accessRequest("a", eapPacket(2, eapTLS, 0x80, []byte{0, 0}, nil))), nil, 0},
		{"an identity", all(accessRequest("a", []byte{eapResponse, 1, 0, 8, 1, 'a', 'b', 'c'})), nil, 0},
		{"attribute too long", all(short), nil, 0},
		{"no EAP", all(accessRequest("a", nil)), nil, 0},
		{"an EAP request", all(answer), nil, 0},
		{"truncated header", all(short[:19]), nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var packets [][]byte
			for _, d := range test.datagrams {
				packets = append(packets, ipFrame(udp(client4, server4, d)))
			}
			var got []want
			stats, err := Read(t.Context(), file(pcapOf(LinkEthernet, packets...)), func(h *Hello) error {
				assert.Equal(t, parser.TLS, h.Transport)
				assert.Equal(t, 1, h.Index)
				assert.Equal(t, 1, h.Records)
				assert.Equal(t, parser.VersionTLS10, h.RecordVersion)
				require.Len(t, h.Encapsulation, 1)
				got = append(got, want{slices.Clone(h.ClientHello.Raw), h.Encapsulation[0].String(), h.Datagrams})
				return nil
			})
			require.NoError(t, err)
			assert.Equal(t, test.want, got)
			assert.Equal(t, test.begun, stats.Incomplete)
		})
	}
}
