package event

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/parser"
)

// TestMemoKeysHaveAllLengths moves a value from the end of each list to the
// beginning of the next: the bytes stay, and the keys must differ.
func TestMemoKeysHaveAllLengths(t *testing.T) {
	type hello = parser.ClientHello
	key := func(h hello) string { return string(appendMemoKey(nil, &Observation{Hello: &h})) }
	shares := []parser.KeyShare{{Group: 1}}
	for name, pair := range map[string][2]hello{
		"compression_methods": {{LegacyCompressionMethods: []byte{1}}, {ECPointFormats: []byte{1}}},
		"ec_point_formats":    {{ECPointFormats: []byte{1}}, {PSKKeyExchangeModes: []byte{1}}},
		"ke_modes":            {{PSKKeyExchangeModes: []byte{0, 1}}, {CipherSuites: []parser.CipherSuite{1}}},
		"cipher_suites":       {{CipherSuites: []parser.CipherSuite{1}}, {SupportedGroups: []parser.NamedGroup{1}}},
		"supported_groups":    {{SupportedGroups: []parser.NamedGroup{1}}, {SignatureAlgorithms: []parser.SignatureScheme{1}}},
		"signature_algorithms": {
			{SignatureAlgorithms: []parser.SignatureScheme{1}}, {SignatureAlgorithmsCert: []parser.SignatureScheme{1}}},
		"signature_algorithms_cert": {
			{SignatureAlgorithmsCert: []parser.SignatureScheme{1}}, {DelegatedCredentials: []parser.SignatureScheme{1}}},
		"delegated_credential": {{DelegatedCredentials: []parser.SignatureScheme{1}}, {SupportedVersions: []parser.Version{1}}},
		"supported_versions": {
			{SupportedVersions: []parser.Version{1}}, {CertificateCompressionAlgorithms: []parser.CertificateCompressionAlgorithm{1}}},
		"compress_certificate": {{CertificateCompressionAlgorithms: []parser.CertificateCompressionAlgorithm{1}}, {KeyShares: shares}},
		"alpn":                 {{ALPNProtocols: [][]byte{{1}}}, {ApplicationSettings: [][]byte{{1}}}},
		"transport_parameters": {{TransportParameters: []parser.TransportParameter{{ID: 1}}}, {KeyShares: []parser.KeyShare{{}, {}, {}, {Group: 1}}}},
	} {
		assert.NotEqual(t, key(pair[0]), key(pair[1]), "the key lacks the length of %s, or of what follows it", name)
	}
}

// TestMemoKeysOfGREASE: GREASE values of different hellos count as one.
func TestMemoKeysOfGREASE(t *testing.T) {
	key := func(suite parser.CipherSuite, group parser.NamedGroup, version parser.Version, id uint64) string {
		return string(appendMemoKey(nil, &Observation{Hello: &parser.ClientHello{
			CipherSuites: []parser.CipherSuite{suite}, SupportedGroups: []parser.NamedGroup{group}, KeyShares: []parser.KeyShare{{Group: group}},
			SupportedVersions: []parser.Version{version}, TransportParameters: []parser.TransportParameter{{ID: id}},
		}}))
	}
	one := key(0x0a0a, 0x1a1a, 0x2a2a, 27)
	assert.Equal(t, one, key(0x3a3a, 0x4a4a, 0x5a5a, 27+31))
	assert.NotEqual(t, one, key(1, 0x1a1a, 0x2a2a, 27))
	assert.NotEqual(t, one, key(0x0a0a, 1, 0x2a2a, 27))
	assert.NotEqual(t, one, key(0x0a0a, 0x1a1a, 1, 27))
	assert.NotEqual(t, one, key(0x0a0a, 0x1a1a, 0x2a2a, 28))
}
