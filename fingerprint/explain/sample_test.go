package explain_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/fingerprint/explain"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// fingerprintsOf returns all fingerprints of in, those of the variants and the
// hashes of NPF among them.
func fingerprintsOf(in *fingerprint.Input) (texts []string) {
	add := func(text string) {
		if text != "" {
			texts = append(texts, text)
		}
	}
	for i := range fingerprint.Methods {
		m := &fingerprint.Methods[i]
		add(m.Of(in))
		for j := range m.Variants {
			add(m.Variants[j].Of(in))
		}
		if m.Key == "npf" {
			add(fingerprint.NPFHash(m.Of(in)))
		}
	}
	return texts
}

// samplesOf returns a sample of each real hello.
func samplesOf(t *testing.T) (samples []explain.Sample) {
	for name, h := range hellotest.Real(t) {
		samples = append(samples, explain.Sample{Client: name, Version: "1", Input: fingerprint.Input{Hello: h}})
	}
	return samples
}

// TestAddSamples finds each client by each of its fingerprints, and the texts of
// its digests.
func TestAddSamples(t *testing.T) {
	samples := samplesOf(t)
	for _, s := range samples {
		in := s.Input
		if in.Hello.Transport == parser.QUIC {
			in.QUIC = &fingerprint.QUICInitial{Version: 1}
		}
		for _, text := range fingerprintsOf(&in) {
			if in.QUIC != nil && text == fingerprint.QUICHeaderID(in.QUIC) {
				continue // not of the hello
			}
			e, err := explain.Text(text)
			require.NoError(t, err)
			e.AddSamples(slices.Values(samples))
			assert.True(t, slices.ContainsFunc(e.Clients, func(c explain.Client) bool {
				return c.Name == s.Client && slices.Equal(c.Versions, []string{"1"})
			}), "%s of %s", text, s.Client)
			for _, p := range e.Parts {
				if p.Name == "cipher_suites_digest" || p.Name == "extensions_digest" || p.Name == "digest" && e.Name == "stable" {
					assert.True(t, p.Hashed != "" || p.Text == "000000000000", "%s of %s", text, s.Client)
				}
			}
		}
	}
}

// TestAddSamplesWithoutHello: fingerprints alone are found, too.
func TestAddSamplesWithoutHello(t *testing.T) {
	const http2 = "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p"
	samples := slices.Values([]explain.Sample{
		{Client: "one", Version: "1", Fingerprints: []string{"0149f47eabf9a20d0893e2a44e5a6323", ""}},
		{Client: "one", Version: "2", Fingerprints: []string{"0149f47eabf9a20d0893e2a44e5a6323"}},
		{Client: "two", Input: fingerprint.Input{HTTP2: http2}},
	})
	for text, want := range map[string][]explain.Client{
		"0149f47eabf9a20d0893e2a44e5a6323": {{Name: "one", Versions: []string{"1", "2"}}},
		http2:                              {{Name: "two"}},
		md5Hex(http2):                      {{Name: "two"}},
		"1a88decf19dd6faeca6db6441df69eae": nil,
	} {
		e, err := explain.Text(text)
		require.NoError(t, err)
		e.AddSamples(samples)
		assert.Equal(t, want, e.Clients, text)
		assert.Equal(t, want == nil, slices.Contains(e.Notes, "No client that is known here has it."), text)
		if text == md5Hex(http2) {
			assert.Equal(t, "http2_hash", e.Name)
			assert.Equal(t, http2, e.Parts[len(e.Parts)-1].Hashed)
		}
	}
}

// TestAddSamplesNotesDeviations: a JA4 that no client has may be what a tool prints
// for one.
func TestAddSamplesNotesDeviations(t *testing.T) {
	e, err := explain.Text("t13d1312h2_f57a46bbacb6_e5728521abd4")
	require.NoError(t, err)
	e.AddSamples(slices.Values(samplesOf(t)))
	assert.Empty(t, e.Clients)
	assert.Contains(t, e.Notes, "Printed by FoxIO's Python for a hello whose JA4 is t13d1312h2_f57a46bbacb6_ab7e3b40a677: "+
		"signature algorithms of another extension (it reads signature_algorithms, signature_algorithms_cert and delegated_credential as one list, and takes what follows the first).")
}

// TestCounterpart: a hello does not differ from any of its fingerprints.
func TestCounterpart(t *testing.T) {
	for name, h := range hellotest.Real(t) {
		in := &fingerprint.Input{Hello: h, HTTP2: "1:65536|00|0|m,a,s,p"}
		if h.Transport == parser.QUIC {
			in.QUIC = &fingerprint.QUICInitial{Version: 1, DCIDLen: 8, PacketNumberLen: 1, FrameTypes: []byte{6, 0}}
		}
		for _, text := range fingerprintsOf(in) {
			e, err := explain.Text(text)
			require.NoError(t, err)
			got, err := e.Counterpart(in)
			require.NoError(t, err)
			d, err := explain.DiffTexts(text, got)
			require.NoError(t, err)
			assert.Empty(t, d.Changes, "%s of %s", text, name)
		}
	}

	e, err := explain.Text("t13d1516h2_8daaf6152771_e5627efa2ab1")
	require.NoError(t, err)
	h := hellotest.Real(t)["go-1.26"]
	got, err := e.Counterpart(&fingerprint.Input{Hello: h})
	require.NoError(t, err)
	assert.Equal(t, fingerprint.JA4(h), got, "of two that look alike, the first")
	e, err = explain.Text("quic/(00000001)(0303)(1301)[]")
	require.NoError(t, err)
	_, err = e.Counterpart(&fingerprint.Input{Hello: h})
	assert.EqualError(t, err, `the hello has no fingerprint to compare with npf "quic/(00000001)(0303)(1301)[]"`)
}

// TestDiffBesidesTheHello: fingerprints that need more than the hello come last, and
// are compared only if both Inputs have it.
func TestDiffBesidesTheHello(t *testing.T) {
	all := hellotest.Real(t)
	in := func(h *parser.ClientHello, dcid int, http2 string) *fingerprint.Input {
		return &fingerprint.Input{Hello: h, QUIC: &fingerprint.QUICInitial{Version: 1, DCIDLen: dcid}, HTTP2: http2}
	}
	names := func(d explain.Difference) (names []string) {
		for _, c := range d.Fingerprints {
			names = append(names, c.Name)
		}
		return names
	}
	a, b := all["chromium-156-quic"], all["firefox-153-quic"]
	alone := slices.Clip(names(explain.Diff(in(a, 8, ""), &fingerprint.Input{Hello: b})))
	assert.Subset(t, alone, []string{"ja3", "ja3n", "ja4", "ja4_o", "stable", "tlsfp_id", "tlsfp_norm_id", "quic_params_id", "session"})
	for _, name := range []string{"npf", "quic_header_id", "http2"} {
		assert.NotContains(t, alone, name)
	}
	assert.Equal(t, append(alone, "npf", "quic_header_id"), names(explain.Diff(in(a, 8, "x"), in(b, 8, ""))))
	assert.Equal(t, append(alone, "npf", "quic_header_id", "http2"), names(explain.Diff(in(a, 8, "x"), in(b, 8, "y"))))
	mixed := names(explain.Diff(in(a, 8, ""), &fingerprint.Input{Hello: all["go-1.26"], HTTP2: "y"}))
	assert.Equal(t, []string{"session"}, mixed[len(mixed)-1:], "no two Inputs of different transports have the same besides")
	d := explain.Diff(in(a, 8, ""), in(a, 9, ""))
	assert.Empty(t, d.Changes)
	for _, c := range d.Fingerprints {
		assert.Equal(t, c.Name != "quic_header_id", c.Same(), c.Name)
	}
}
