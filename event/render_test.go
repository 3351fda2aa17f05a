package event

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestQUICHasEveryField names a field of a QUICInitial that an Event leaves out, or
// that does not come back from it.
func TestQUICHasEveryField(t *testing.T) {
	q := &fingerprint.QUICInitial{Version: 1, DCIDLen: 2, SCIDLen: 3, TokenLen: 4, PacketNumber: 5, PacketNumberLen: 6,
		FrameTypes: []byte{7}, Initials: 8, OutOfOrder: true}
	in := reflect.ValueOf(*q)
	for i := range in.NumField() {
		assert.False(t, in.Field(i).IsZero(), "set %s here", in.Type().Field(i).Name)
	}
	rendered := renderQUIC(q, hellotest.Real(t)["chromium-156-quic"])
	out := reflect.ValueOf(*rendered)
	for i := range out.NumField() {
		assert.False(t, out.Field(i).IsZero(), "renderQUIC leaves out %s", out.Type().Field(i).Name)
	}
	assert.Equal(t, q, rendered.Initial())
	rendered.TransportParameters = nil
	assert.Equal(t, &QUIC{Version: "0x00000001", DCIDLen: 2, SCIDLen: 3, TokenLen: 4, PacketNumber: 5, PacketNumberLen: 6,
		FrameTypes: []int{7}, Initials: 8, OutOfOrder: true}, rendered)
}

func TestHighestVersion(t *testing.T) {
	for _, c := range []struct {
		transport parser.Transport
		offered   []parser.Version
		want      parser.Version
	}{
		{parser.TLS, nil, 0x0303},
		{parser.TLS, []parser.Version{0x0a0a}, 0x0303},
		{parser.TLS, []parser.Version{0x0a0a, 0x0302, 0x0304, 0x0303}, 0x0304},
		{parser.QUIC, []parser.Version{0x0303, 0x0304}, 0x0304},
		{parser.DTLS, []parser.Version{0xfeff, 0xfefc, 0xfefd}, 0xfefc},
		{parser.DTLS, []parser.Version{0x0304, 0xfefd}, 0xfefd}, // TLS over DTLS does not count
		{parser.DTLS, []parser.Version{0xfefd, 0x0304}, 0xfefd},
	} {
		h := &parser.ClientHello{Transport: c.transport, LegacyVersion: 0x0303, SupportedVersions: c.offered}
		assert.Equal(t, c.want, highestVersion(h), "%s of %v", c.transport, c.offered)
	}
}

// TestPaddingClass: clients pad messages of 256 to 511 bytes.
func TestPaddingClass(t *testing.T) {
	for n, want := range map[int]int{0: 0, 255: 0, 256: 1, 511: 1, 512: 2} {
		h := &parser.ClientHello{Raw: make([]byte, n)}
		assert.Equal(t, want, paddingClass(h), "%d bytes", n)
		h.Extensions = []parser.Extension{{Type: parser.ExtPadding, Data: make([]byte, 6)}}
		h.Raw = make([]byte, n+10)
		assert.Equal(t, want, paddingClass(h), "%d bytes and padding", n)
	}
}
