package parser

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseReadsRealHellos(t *testing.T) {
	for name, h := range readHellos(t) {
		assert.NotEmpty(t, h.CipherSuites, name)
		for _, e := range h.Extensions {
			assert.Nil(t, e.Err, "%s: %s", name, e.Type)
			assert.Equal(t, e.Data, h.Raw[e.Offset+4:][:len(e.Data)], "%s: %s", name, e.Type)
		}
	}
}

func TestUnmarshalFields(t *testing.T) {
	hellos := readHellos(t)
	h := hellos["chromium-156-psk"]
	assert.Equal(t, VersionTLS12, h.LegacyVersion)
	assert.Equal(t, h.Raw[6:38], h.Random)
	assert.Equal(t, h.Raw[39:71], h.LegacySessionID)
	assert.Len(t, h.CipherSuites, 16)
	assert.Equal(t, []byte{0}, h.LegacyCompressionMethods)
	assert.True(t, h.ExtensionsPresent)
	assert.Nil(t, h.Trailing)
	assert.Equal(t, []NamedGroup{0x11ec, 0x1d, 0x17, 0x18}, h.SupportedGroups[1:])
	assert.Equal(t, []byte{0}, h.ECPointFormats)
	assert.Len(t, h.SignatureAlgorithms, 12)
	assert.Equal(t, [][]byte{[]byte("h2"), []byte("http/1.1")}, h.ALPNProtocols)
	assert.Equal(t, [][]byte{[]byte("h2")}, h.ApplicationSettings)
	assert.Equal(t, []Version{VersionTLS13, VersionTLS12}, h.SupportedVersions[1:])
	assert.Equal(t, []byte{1}, h.PSKKeyExchangeModes)
	require.Len(t, h.KeyShares, 3)
	assert.Equal(t, h.SupportedGroups[0], h.KeyShares[0].Group)
	assert.Len(t, h.KeyShares[1].KeyExchange, 1216)
	assert.Equal(t, []CertificateCompressionAlgorithm{2}, h.CertificateCompressionAlgorithms)
	require.Len(t, h.PSKIdentities, 1)
	require.Len(t, h.PSKBinders, 1)
	assert.Len(t, h.PSKBinders[0], 32)
	assert.EqualValues(t, 1, h.ECH.KDF)
	assert.Len(t, h.ECH.Enc, 32)
	assert.True(t, h.HasExtension(ExtSessionTicket))
	assert.False(t, h.HasExtension(ExtPadding))
	_, ok := h.Extension(ExtPadding)
	assert.False(t, ok)
	e, ok := h.Extension(ExtALPN)
	assert.True(t, ok)
	assert.Equal(t, ExtALPN, e.Type)

	h = hellos["firefox-153"]
	assert.EqualValues(t, 16385, h.RecordSizeLimit)
	assert.NotEmpty(t, h.DelegatedCredentials)
	assert.NotEmpty(t, hellos["java-17"].SignatureAlgorithmsCert)
	assert.NotEmpty(t, hellos["openssl-psk"].PSKIdentities)
	assert.NotEmpty(t, hellos["chromium-156-quic"].TransportParameters)
	assert.Len(t, hellos["openssl-dtls-cookie"].Cookie, 20)
	assert.False(t, hellos["nmap-sV"].ExtensionsPresent)
}

func TestUnmarshalKeepsTheFirstOfTwo(t *testing.T) {
	h, err := Parse(hello(fromHex("000a 0004 0002 001d | 000a 0004 0002 0017 | 0010 0005 0003 02 6832 |" +
		"44cd 0005 0003 02 6832 | 4469 0005 0003 02 6833 | 000a 0003 0001 17")))
	require.NoError(t, err)
	assert.Equal(t, []NamedGroup{0x1d}, h.SupportedGroups)
	assert.Equal(t, [][]byte{[]byte("h2")}, h.ApplicationSettings)
	assert.Nil(t, h.Extensions[1].Err)
	assert.EqualError(t, h.Extensions[5].Err, "parser: named_group_list: shorter than its RFC allows at byte 97")
}

func TestEveryPrefixIsTruncated(t *testing.T) {
	messages := readHellos(t)
	for _, c := range extensionBodies {
		h, err := Parse(helloWith(c.typ, fromHex(c.hex)))
		require.NoError(t, err)
		messages[c.typ.String()+c.hex] = h
	}
	sslv2, err := Parse(sslv2Hello)
	require.NoError(t, err)
	messages["sslv2"] = sslv2
	for name, want := range messages {
		for n := range want.Raw {
			h := ClientHello{Transport: want.Transport}
			err := h.Unmarshal(want.Raw[:n])
			var e *Error
			if !errors.As(err, &e) || !errors.Is(e, ErrTruncated) || e.Field == "" || e.Offset > n {
				require.Failf(t, "not truncated", "%s, %d bytes: %v", name, n, err)
			}
			if !want.SSLv2 {
				requireTiles(t, Dissect(&h), want.Raw[:n])
			}
		}
	}
}

func TestUnmarshalErrors(t *testing.T) {
	small := helloWith(ExtSupportedGroups, fromHex("0002 001d"))
	patch := func(at int, b ...byte) []byte {
		p := slices.Clone(small)
		copy(p[at:], b)
		return p
	}
	resized := func(msg []byte) []byte {
		n := len(msg) - headerLen
		msg[1], msg[2], msg[3] = byte(n>>16), byte(n>>8), byte(n)
		return msg
	}
	cut := func(n int) []byte { return resized(slices.Clone(small[:n])) }
	for _, c := range []struct {
		name string
		msg  []byte
		want string
	}{
		{"nothing", nil, "parser: msg_type: truncated at byte 0"},
		{"text", []byte("GET /"), "parser: msg_type: not a ClientHello at byte 0"},
		{"server hello", patch(0, 2), "parser: msg_type: not a ClientHello at byte 0"},
		{"no length", small[:3], "parser: length: truncated at byte 3"},
		{"trailing", append(slices.Clone(small), 0), "parser: length: trailing bytes at byte 55"},
		{"too short a length", patch(3, 1), "parser: length: trailing bytes at byte 5"},
		{"too long a length", patch(1, 1), "parser: length: truncated at byte 55"},
		{"no version", cut(5), "parser: legacy_version: truncated at byte 5"},
		{"no random", cut(37), "parser: random: truncated at byte 37"},
		{"no session id", cut(38), "parser: legacy_session_id: truncated at byte 38"},
		{"long session id", patch(38, 200), "parser: legacy_session_id: truncated at byte 55"},
		{"no cipher suites", cut(40), "parser: cipher_suites: truncated at byte 40"},
		{"cipher suites cut", cut(42), "parser: cipher_suites: truncated at byte 42"},
		{"odd cipher suites", patch(40, 1), "parser: cipher_suites: truncated at byte 42"},
		{"no compression methods", cut(43), "parser: legacy_compression_methods: truncated at byte 43"},
		{"half an extension length", cut(46), "parser: extensions: truncated at byte 46"},
		{"extensions too long", patch(46, 100), "parser: extensions: truncated at byte 55"},
		{"half an extension type", patch(46, 1), "parser: extension_type: truncated at byte 48"},
		{"no extension length", patch(46, 3), "parser: extension_data: truncated at byte 50"},
		{"extension too long", patch(50, 5), "parser: extension_data: truncated at byte 55"},
	} {
		_, err := Parse(c.msg)
		assert.EqualError(t, err, c.want, c.name)
		h := ClientHello{Raw: c.msg}
		requireTiles(t, Dissect(&h), c.msg)
	}
	h := ClientHello{Transport: DTLS}
	assert.EqualError(t, h.Unmarshal(cut(39)), "parser: cookie: truncated at byte 39")
	assert.EqualError(t, h.Unmarshal(patch(39, 50)), "parser: cookie: truncated at byte 55")
}

// Clients send all of these, and other implementations accept them.
func TestUnmarshalLenience(t *testing.T) {
	whole := helloWith(ExtServerName, nil)
	for name, c := range map[string]struct {
		body string
		want func(*ClientHello)
	}{
		"no extension block": {"0301 00 0002 002f 01 00", func(h *ClientHello) { assert.False(t, h.ExtensionsPresent) }},
		"an empty one": {"0301 00 0002 002f 01 00 0000", func(h *ClientHello) {
			assert.True(t, h.ExtensionsPresent)
			assert.Empty(t, h.Extensions)
		}},
		"no ciphers, no methods": {"0301 00 0000 00", func(h *ClientHello) { assert.Empty(t, h.CipherSuites) }},
		"a long session id": {"0301 21" + "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f20" + "0002 002f 01 00",
			func(h *ClientHello) { assert.Len(t, h.LegacySessionID, 33) }},
		"trailing bytes": {"0301 00 0002 002f 01 00 0000 aabb", func(h *ClientHello) { assert.Equal(t, []byte{0xaa, 0xbb}, h.Trailing) }},
	} {
		body := fromHex(c.body)
		msg := slices.Concat([]byte{1, 0, 0, byte(len(body) + 32)}, body[:2], whole[6:38], body[2:])
		h, err := Parse(msg)
		require.NoError(t, err, name)
		c.want(h)
		requireTiles(t, Dissect(h), msg)
	}
	h, err := Parse(whole)
	require.NoError(t, err)
	assert.Nil(t, h.ServerName)
	assert.EqualError(t, h.Extensions[0].Err, "parser: server_name_list: truncated at byte 51")
}

func TestCloneIsIndependent(t *testing.T) {
	for name, h := range readHellos(t) {
		msg := slices.Clone(h.Raw)
		h := &ClientHello{Transport: h.Transport}
		require.NoError(t, h.Unmarshal(msg))
		c := h.Clone()
		assert.True(t, h.Equal(c), name)
		clear(msg)
		assert.False(t, h.Equal(c), name)
		var again ClientHello
		again.Transport = c.Transport
		require.NoError(t, again.Unmarshal(c.Raw), name)
		assert.Equal(t, normal(again), normal(*c), name)
	}
}

func TestUnmarshalAllocs(t *testing.T) {
	var h ClientHello
	messages := readHellos(t)
	for _, c := range extensionBodies { // rare ones as well
		m, err := Parse(helloWith(c.typ, fromHex(c.hex)))
		require.NoError(t, err)
		messages[c.typ.String()+c.hex] = m
	}
	for name, m := range messages {
		h.Transport = m.Transport
		assert.Zero(t, testing.AllocsPerRun(10, func() {
			if h.Unmarshal(m.Raw) != nil {
				panic(name)
			}
		}), name)
	}
}

func TestTransportString(t *testing.T) {
	assert.Equal(t, []string{"tls", "quic", "dtls", "unknown"}, []string{TLS.String(), QUIC.String(), DTLS.String(), Transport(3).String()})
}

func TestParseTransport(t *testing.T) {
	for _, want := range []Transport{TLS, QUIC, DTLS} {
		got, ok := ParseTransport(want.String())
		assert.True(t, ok)
		assert.Equal(t, want, got)
	}
	for _, s := range []string{"", "unknown", "TLS", "tls "} {
		got, ok := ParseTransport(s)
		assert.False(t, ok, s)
		assert.Equal(t, TLS, got)
	}
}
