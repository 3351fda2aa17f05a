package page

import (
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/answers"
	"github.com/tlspeek/tlspeek/internal/hellotest"
)

// TestFingerprintsSection names a fingerprint that the page leaves out, or shows
// without a reading.
func TestFingerprintsSection(t *testing.T) {
	p := &Page{}
	require.True(t, p.ready(httptest.NewRecorder()))
	o := observeHello(hellotest.Real(t)["chromium-156-quic"])
	o.QUIC = &fingerprint.QUICInitial{Version: 1, DCIDLen: 8, PacketNumberLen: 1, FrameTypes: []byte{6}}
	o.HTTP2 = "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p"
	o.HTTP3, o.HTTP3Wire = "1:65536;7:100|m,a,s,p", "7:100;1:65536|13|m,a,s,p"
	e := answers.Event(&o, nil, event.Detail)
	data, ok := fingerprintsSection(p.newView(&e)).(*fingerprintsData)
	require.True(t, ok)
	for i := range fingerprint.Methods {
		m := &fingerprint.Methods[i]
		at := slices.IndexFunc(data.Fingerprints, func(r fingerprintRow) bool { return r.Name == m.Title })
		if m.Digest != "" {
			assert.Less(t, at, 0, "%s is shown besides the digest that has it in its reading", m.Key)
			continue
		}
		if !assert.GreaterOrEqual(t, at, 0, "%s is not shown", m.Key) {
			continue
		}
		row := &data.Fingerprints[at]
		assert.Equal(t, e.Fingerprint(m.Key), row.Value, m.Key)
		assert.Equal(t, m.Summary, row.What, m.Key)
		assert.Equal(t, m.Key, row.Explanation.Name)
		assert.True(t, row.Readable(), "%s has no reading", m.Key)
	}
	var major []string
	for _, r := range data.Fingerprints {
		if !r.Minor {
			major = append(major, r.Explanation.Name)
		}
	}
	assert.Equal(t, []string{"ja4", "ja3", "ja3n", "http2", "http3", "quic_header_id", "quic_params_id", "stable"}, major)
}
