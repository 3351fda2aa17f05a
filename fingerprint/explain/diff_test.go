package explain_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/fingerprint/explain"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

func lines(changes []explain.Change) (list []string) {
	for _, c := range changes {
		list = append(list, c.String())
	}
	return list
}

func TestDiffTexts(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want []string
	}{
		{"t13d1516h2_8daaf6152771_e5627efa2ab1", "t13d1516h2_8daaf6152771_e5627efa2ab1", nil},
		{"t13d1516h2_8daaf6152771_e5627efa2ab1", "q12i1516h3_8daaf6152771_02713d6af862", []string{
			"transport: t became q", "version: 13 became 12", "sni: d became i", "alpn: h2 became h3", "extensions_digest: e5627efa2ab1 became 02713d6af862",
		}},
		{"t13i0201h2_1301,1302_002b", "t13i0201h2_1302,1303_002b_0403", []string{
			"cipher_suites_list: removed 1301 TLS_AES_128_GCM_SHA256, place 1",
			"cipher_suites_list: added 1303 TLS_CHACHA20_POLY1305_SHA256, place 2",
			"signature_algorithms_list: added 0403 ecdsa_secp256r1_sha256, place 1",
		}},
		// The longest subsequence in order is unmoved: one value moves, not four.
		{"771,1-2-3-4-5,,,", "771,2-3-4-5-1,,,", []string{
			"cipher_suites: moved 1 TLS_RSA_WITH_NULL_MD5, from 1 to 5",
			"digest: " + md5Hex("771,1-2-3-4-5,,,") + " became " + md5Hex("771,2-3-4-5-1,,,"),
		}},
		{"771,,1-2-3,,", "771,,3-2-1,,", []string{
			"extensions: moved 1 max_fragment_length, from 1 to 3",
			"extensions: moved 2 client_certificate_url past others, place 2 in both",
			"digest: " + md5Hex("771,,1-2-3,,") + " became " + md5Hex("771,,3-2-1,,"),
		}},
		{"0149f47eabf9a20d0893e2a44e5a6323", "1a88decf19dd6faeca6db6441df69eae", []string{
			"ja3: 0149f47eabf9a20d0893e2a44e5a6323 became 1a88decf19dd6faeca6db6441df69eae",
		}},
		{"|00|0|m,a,s,p", "1:65536|00|3:0:0:201|m,a,s,p", []string{
			"settings: added 1:65536 HEADER_TABLE_SIZE, place 1",
			"priority: added 3:0:0:201 stream 3 depends on 0 with weight 201, place 1",
		}},
		{"1:65536;2570:1|00|0|m,a,s,p", "1:65536;6714:2|00|0|m,a,s,p", nil},
		{"1:65536|00|0|m,a,s,p", "1:65536;6714:2|00|0", []string{"settings: added GREASE, place 2"}},
		{"1:65536,2:0|00|0|masp", "1:65536;2:0|00|0|m,a,s,p", nil},
	} {
		d, err := explain.DiffTexts(tt.a, tt.b)
		require.NoError(t, err)
		assert.Equal(t, tt.want, lines(d.Changes))
		assert.NotNil(t, d.Changes, "no difference is an empty list in JSON")
		assert.Empty(t, d.Fingerprints)
	}
	// A text is hashed if the other is a digest, and then they are equal.
	for _, v := range hellotest.Vectors(t) {
		for text, digest := range map[string]string{"ja3_full": "ja3", "ja3n_full": "ja3n", "ja4_r": "ja4", "ja4_ro": "ja4_o", "stable_full": "stable"} {
			if v.Expect[text] == "" {
				continue
			}
			d, err := explain.DiffTexts(v.Expect[text], v.Expect[digest])
			require.NoError(t, err)
			assert.Empty(t, d.Changes, "%s of %s", text, v.Name)
		}
		for _, key := range []string{"npf", "npf_1", "npf_2", "npf_quic", "npf_quic_1"} {
			if text := v.Expect[key]; text != "" {
				d, err := explain.DiffTexts(fingerprint.NPFHash(text), text)
				require.NoError(t, err)
				assert.Empty(t, d.Changes, "%s of %s", key, v.Name)
			}
		}
	}
	_, err := explain.DiffTexts("t13d1516h2_8daaf6152771_e5627efa2ab1", "|00|0|m,a,s,p")
	assert.EqualError(t, err, "fingerprint: ja4 and http2 cannot be compared: give two of one kind")
	_, err = explain.DiffTexts("t13d1516h2_8daaf6152771_e5627efa2ab1", "x")
	assert.ErrorContains(t, err, `"x" is no fingerprint`)
	_, err = explain.DiffTexts("x", "t13d1516h2_8daaf6152771_e5627efa2ab1")
	assert.ErrorContains(t, err, `"x" is no fingerprint`)
}

func TestDiff(t *testing.T) {
	all := hellotest.Real(t)
	d := diff(all["firefox-153"], all["firefox-153-psk"])
	assert.Equal(t, []string{
		"extensions: removed 0023 session_ticket, place 6",
		"extensions: added 0029 pre_shared_key, place 17",
		"encrypted_client_hello: 281 bytes became 441 bytes",
	}, lines(d.Changes))
	same := map[string]bool{}
	for _, c := range d.Fingerprints {
		same[c.Name] = c.Same()
	}
	for name, want := range map[string]bool{
		"ja3": false, "ja3n": false, "ja4": false, "ja4_o": false, "stable": true, "npf": false,
		"tlsfp_id": false, "tlsfp_norm_id": false, "session": false,
	} {
		got, ok := same[name]
		assert.True(t, ok, "%s is not compared", name)
		assert.Equal(t, want, got, name)
	}

	for name, h := range all {
		assert.Empty(t, diff(h, h).Changes, name)
	}

	// A hello in SSLv2 format has no fingerprints to compare.
	sslv2 := hellotest.Vectors(t)["sslv2"].Parse(t)
	assert.Empty(t, diff(sslv2, sslv2).Fingerprints)
}

// TestDiffGREASE: GREASE values do not differ, and an order differs in moves alone.
func TestDiffGREASE(t *testing.T) {
	h := hellotest.Real(t)["chromium-156"]
	var o parser.ClientHello
	require.NoError(t, o.Unmarshal(hellotest.Regrease(rand.New(rand.NewPCG(3, 4)), h)))
	d := diff(h, &o)
	require.NotEmpty(t, d.Changes)
	for _, c := range d.Changes {
		assert.Equal(t, "extensions", c.Field)
		assert.Equal(t, explain.Moved, c.Kind)
	}
}

// TestDiffKnown: the lists behind two digests are compared where they are known.
func TestDiffKnown(t *testing.T) {
	samples := slices.Values(samplesOf(t))
	d, err := explain.DiffKnown("t13d1516h2_8daaf6152771_e5627efa2ab1", "t13d1517h2_8daaf6152771_cb7bf5808d99", samples)
	require.NoError(t, err)
	assert.Contains(t, lines(d.Changes), "extensions_list: added ca34 trust_anchors, place 13")
	assert.Contains(t, lines(d.Changes), "signature_algorithms_list: added 0904 mldsa44, place 1")
	for _, c := range d.Changes {
		assert.NotContains(t, c.Field, "digest")
	}
	same, err := explain.DiffKnown("t13d1517h2_8daaf6152771_cb7bf5808d99", "t13d1517h2_8daaf6152771_cb7bf5808d99", samples)
	require.NoError(t, err)
	assert.Equal(t, []explain.Change{}, same.Changes)

	d, err = explain.DiffKnown("t13d1516h2_8daaf6152771_000000000001", "t13d1517h2_8daaf6152771_cb7bf5808d99", samples)
	require.NoError(t, err)
	assert.Equal(t, []string{
		"extensions: 16 became 17", "extensions_digest: 000000000001 became cb7bf5808d99",
	}, lines(d.Changes), "of an unknown digest nothing can be read")

	hellos := hellotest.Real(t)
	ja3 := func(name string) string { return fingerprint.JA3(hellos[name]) }
	d, err = explain.DiffKnown(ja3("go-1.26"), ja3("firefox-153"), samples)
	require.NoError(t, err)
	assert.Greater(t, len(d.Changes), 10)
	d, err = explain.DiffKnown(ja3("go-1.26"), md5Hex("unknown"), samples)
	require.NoError(t, err)
	assert.Equal(t, []string{"ja3: " + ja3("go-1.26") + " became " + md5Hex("unknown")}, lines(d.Changes))
}
