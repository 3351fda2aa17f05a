package echo

import (
	"encoding/hex"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// chrome103 returns the hello of a Chrome 103 to which tls.peet.ws gave the answer
// in the test below.
func chrome103(t *testing.T) *parser.ClientHello {
	share, err := hex.DecodeString("593f100c77a9e73de3a4c32bf1d2f2f812f09c89bddd31de295003405cdb8f07")
	require.NoError(t, err)
	list16 := func(list ...uint16) []byte { return hellotest.Vector16(hellotest.Uint16s(list)) }
	message := hellotest.Message(0x0303,
		[]parser.CipherSuite{0x2a2a, 4865, 4866, 4867, 49195, 49199, 49196, 49200, 52393, 52392, 49171, 49172, 156, 157, 47, 53},
		hellotest.Extension(0xfafa, nil),
		hellotest.Extension(0, hellotest.ServerName([]byte("tls.peet.ws"))),
		hellotest.Extension(23, nil),
		hellotest.Extension(65281, []byte{0}),
		hellotest.Extension(10, list16(0xfafa, 29, 23, 24)),
		hellotest.Extension(11, []byte{1, 0}),
		hellotest.Extension(35, nil),
		hellotest.Extension(16, hellotest.ALPN("h2", "http/1.1")),
		hellotest.Extension(5, []byte{1, 0, 0, 0, 0}),
		hellotest.Extension(13, list16(1027, 2052, 1025, 1283, 2053, 1281, 2054, 1537)),
		hellotest.Extension(18, nil),
		hellotest.Extension(51, hellotest.Vector16(append([]byte{0xfa, 0xfa, 0, 1, 0, 0, 29, 0, 32}, share...))),
		hellotest.Extension(45, []byte{1, 1}),
		hellotest.Extension(43, hellotest.Vector8(hellotest.Uint16s([]uint16{0xfafa, 0x0304, 0x0303}))),
		hellotest.Extension(27, []byte{2, 0, 2}),
		hellotest.Extension(17513, hellotest.ALPN("h2")),
		hellotest.Extension(0xdada, nil),
		hellotest.Extension(21, make([]byte, 204)))
	h, err := parser.Parse(message)
	require.NoError(t, err)
	return h
}

// TestPeetAnswersAsPeet compares with the answer of tls.peet.ws to a Chrome 103.
func TestPeetAnswersAsPeet(t *testing.T) {
	h := chrome103(t)
	o := event.Observation{Hello: h, Index: 1}
	q := &request{Request: httptest.NewRequest("GET", "/api/all", nil), hello: h, event: new(event.Observer).Event(&o, event.Full)}
	all := peetAll(q)
	extensions, err := json.Marshal(all.TLS.Extensions)
	require.NoError(t, err)
	assert.JSONEq(t, `[
		{"name": "TLS_GREASE (0xfafa)"},
		{"name": "server_name (0)", "server_name": "tls.peet.ws"},
		{"name": "extended_master_secret (23)", "master_secret_data": "", "extended_master_secret_data": ""},
		{"name": "extensionRenegotiationInfo (boringssl) (65281)", "data": "00"},
		{"name": "supported_groups (10)", "supported_groups": ["TLS_GREASE (0xfafa)", "X25519 (29)", "P-256 (23)", "P-384 (24)"]},
		{"name": "ec_point_formats (11)", "elliptic_curves_point_formats": ["0x00"]},
		{"name": "session_ticket (35)", "data": ""},
		{"name": "application_layer_protocol_negotiation (16)", "protocols": ["h2", "http/1.1"]},
		{"name": "status_request (5)", "status_request": {"certificate_status_type": "OSCP (1)", "responder_id_list_length": 0, "request_extensions_length": 0}},
		{"name": "signature_algorithms (13)", "signature_algorithms": ["ecdsa_secp256r1_sha256", "rsa_pss_rsae_sha256", "rsa_pkcs1_sha256",
			"ecdsa_secp384r1_sha384", "rsa_pss_rsae_sha384", "rsa_pkcs1_sha384", "rsa_pss_rsae_sha512", "rsa_pkcs1_sha512"]},
		{"name": "signed_certificate_timestamp (18)"},
		{"name": "key_share (51)", "shared_keys": [{"TLS_GREASE (0xfafa)": "00"},
			{"X25519 (29)": "593f100c77a9e73de3a4c32bf1d2f2f812f09c89bddd31de295003405cdb8f07"}]},
		{"name": "psk_key_exchange_modes (45)", "PSK_Key_Exchange_Mode": "PSK with (EC)DHE key establishment (psk_dhe_ke) (1)"},
		{"name": "supported_versions (43)", "versions": ["TLS_GREASE (0xfafa)", "TLS 1.3", "TLS 1.2"]},
		{"name": "compress_certificate (27)", "algorithms": ["brotli (2)"]},
		{"name": "application_settings_old (17513)", "protocols": ["h2"]},
		{"name": "TLS_GREASE (0xdada)"},
		{"name": "padding (21)", "padding_data_length": 408}]`, string(extensions))
	assert.Equal(t, "TLS_GREASE (0x2A2A) TLS_AES_128_GCM_SHA256", strings.Join(all.TLS.Ciphers[:2], " "))
	assert.Equal(t, "771", all.TLS.VersionRecord)
	assert.Equal(t, "cd08e31494f9531f560d64c695473da9", all.TLS.JA3Hash)
	assert.Equal(t, "GREASE-772-771|2-1.1|GREASE-29-23-24|1027-2052-1025-1283-2053-1281-2054-1537|1|2|"+
		"GREASE-4865-4866-4867-49195-49199-49196-49200-52393-52392-49171-49172-156-157-47-53|"+
		"0-10-11-13-16-17513-18-21-23-27-35-43-45-5-51-65281-GREASE-GREASE", all.TLS.Print)
	assert.Equal(t, "22a4f858cc83b9144c829ca411948a88", all.TLS.PrintHash)
	assert.Equal(t, all.TLS.PrintHash, peetClean(q).PrintHash)
}

// TestPeetPrintOfAnEmptyHello has no extensions at all.
func TestPeetPrintOfAnEmptyHello(t *testing.T) {
	assert.Equal(t, "||||0||4865|", peetPrint(bareHello(t)))
}

func bareHello(t *testing.T) *parser.ClientHello {
	h, err := parser.Parse(hellotest.Message(0x0303, []parser.CipherSuite{4865}))
	require.NoError(t, err)
	return h
}

// TestBrowserleaksOverHTTP3 has the text and the hash that browserleaks.com gives Chrome.
func TestBrowserleaksOverHTTP3(t *testing.T) {
	o := event.Observation{Hello: chrome103(t), HTTP3: "x", HTTP3Wire: "1:65536;6:262144;7:100;51:1;GREASE|GREASE|984832|m,a,s,p"}
	q := &request{Request: httptest.NewRequest("GET", "/api/browserleaks", nil), event: new(event.Observer).Event(&o, event.Full)}
	b := browserleaks(q)
	assert.Equal(t, "ba909fc3dc419ea5c5b26c6323ac1879", b.HTTP3Hash)
	assert.Equal(t, o.HTTP3Wire, b.HTTP3Text)
	text, err := json.Marshal(browserleaks(&request{Request: q.Request}))
	require.NoError(t, err)
	assert.NotContains(t, string(text), "h3_")
}
