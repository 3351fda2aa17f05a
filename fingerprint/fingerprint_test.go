package fingerprint_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// What tshark prints for the same connections: its JA3, and JA4 computed from its fields.
func TestRealClients(t *testing.T) {
	all := hellotest.Real(t)
	for _, tt := range []struct{ name, ja3, ja4 string }{
		{"chromium-156", "1a88decf19dd6faeca6db6441df69eae", "t13d1517h2_8daaf6152771_cb7bf5808d99"},
		{"chromium-156-psk", "63f4ed62825961e3cf44a6112f6f2503", "t13d1518h2_8daaf6152771_e2d80978ab2e"},
		{"chromium-117", "646a9d20e1cd239b1c497b37c0ca53e6", "t13d1516h2_8daaf6152771_e5627efa2ab1"},
		{"chromium-92", "cd08e31494f9531f560d64c695473da9", "t13d1516h2_8daaf6152771_e5627efa2ab1"},
		{"firefox-153", "6447ab086255d194909d4013b1a89e87", "t13d1617h2_86a278354501_3cbfd9057e0d"},
		{"firefox-153-psk", "f19d54c853fffdd9eeab77ae607448e9", "t13d1617h2_86a278354501_e6dcd7ae0a9e"},
		{"firefox-153-hrr", "6447ab086255d194909d4013b1a89e87", "t13d1617h2_86a278354501_3cbfd9057e0d"},
		{"curl-openssl-3.0", "0149f47eabf9a20d0893e2a44e5a6323", "t13d3112h2_e8f1e7e78f70_b26ce05bbdd6"},
		{"openssl-psk", "2fd756ca7f87535a1539ab4cbb4d63fd", "t13d311100_e8f1e7e78f70_dbd39dd1d406"},
		{"go-1.26", "03117a8ed39ef02427ebbc39f121275c", "t13d1312h2_f57a46bbacb6_ab7e3b40a677"},
		{"gnutls-3.7", "f35ce21b44ac0b87d3266294bb1b0e20", "t13d291300_723694b0fccc_2cc26d266019"},
		{"java-17", "eea0a26d87c4721f5818bb176368f238", "t13d3713h2_db35923f8641_7c76daad20ec"},
		{"node-24", "944d1e1858cd278718f8a46b65d3212f", "t13d521100_b262b3658495_8e6e362c5eac"},
		{"python-tls12", "871a754af286dfb70c1b53c6887c62e0", "t12d280700_d943125447b4_e7e480e5a997"},
		{"nmap-sV", "ee0799c323d74129b75b633dcfd41593", "ts3i200000_1a40976cc687_000000000000"},
		{"chromium-156-quic", "2082c9e96aeddfb44fe62cc6f466366c", "q13d0312h3_55b375c5d22e_178839b6cec1"},
		{"firefox-153-quic", "176a192e2333a7fed5574faea6d15809", "q13d0315h3_55b375c5d22e_dc5437974b47"},
		{"chromium-156-dtls", "eda1a7be51df8c3f76dbcae610d726fd", "dd2i140900_fa23b50283d1_01b4b87481e4"},
		{"openssl-dtls", "248a2544f4221c0f02f877e42fe67853", "dd2d280700_d943125447b4_e7e480e5a997"},
		{"openssl-dtls-cookie", "248a2544f4221c0f02f877e42fe67853", "dd2d280700_d943125447b4_e7e480e5a997"},
	} {
		require.Contains(t, all, tt.name)
		assert.Equal(t, tt.ja4, fingerprint.JA4(all[tt.name]), tt.name)
		assert.Equal(t, tt.ja3, fingerprint.JA3(all[tt.name]), tt.name)
	}
}
