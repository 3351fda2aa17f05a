package event

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// assertForgetful asserts that an Observer that remembers tells of o what one
// that has seen nothing does, in both ways.
func assertForgetful(t *testing.T, ob *Observer, o *Observation) {
	t.Helper()
	fresh := new(Observer).Event(o, Compact)
	want, err := fresh.AppendJSON(nil)
	require.NoError(t, err)
	got, err := ob.AppendJSON([]byte("before"), o, Compact)
	require.NoError(t, err)
	require.Equal(t, "before"+string(want), string(got), "%x", o.Hello.Raw)
	e := ob.Event(o, Compact)
	got, err = e.AppendJSON(nil)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "%x", o.Hello.Raw)
}

// change returns h with its message changed by f, or nil if that is no hello.
func change(h *parser.ClientHello, f func(raw []byte)) *parser.ClientHello {
	raw := slices.Clone(h.Raw)
	f(raw)
	c := &parser.ClientHello{Transport: h.Transport}
	if c.Unmarshal(raw) != nil || c.SSLv2 {
		return nil
	}
	return c
}

// TestClassOfChanged: whatever byte of a hello is another, an Observer that knows
// the class of the hello as it was tells the truth.
func TestClassOfChanged(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	real := hellotest.Real(t)
	for _, name := range slices.Sorted(maps.Keys(real)) {
		h := real[name]
		var ob Observer
		for range 3 {
			assertForgetful(t, &ob, observation(h))
		}
		for at := range h.Raw {
			if at > 8 && at < 36 || at%3 != 0 && len(h.Raw) > 600 {
				continue // the random; of long keys a part will do
			}
			c := change(h, func(raw []byte) {
				if v := parser.Version(raw[at])<<8 | parser.Version(raw[(at+1)%len(raw)]); parser.IsGREASE(v) {
					raw[at] = byte(r.IntN(16))<<4 | 0xa
					raw[at+1] = raw[at]
				} else {
					raw[at] ^= 1 << r.IntN(8)
				}
			})
			if c != nil {
				assertForgetful(t, &ob, observation(c))
			}
		}
	}
}

// rebuild returns h with its session id and the bodies of its extensions as f
// makes them.
func rebuild(t *testing.T, h *parser.ClientHello, sessionID []byte, f func(e *parser.Extension) []byte) *parser.ClientHello {
	body := append(slices.Clone(h.Raw[4:38]), byte(len(sessionID)))
	body = append(body, sessionID...)
	start := h.Extensions[0].Offset
	body = append(body, h.Raw[39+len(h.LegacySessionID):start-2]...)
	var all []byte
	for i := range h.Extensions {
		all = append(all, hellotest.Extension(h.Extensions[i].Type, f(&h.Extensions[i]))...)
	}
	body = append(body, hellotest.Vector16(all)...)
	c := &parser.ClientHello{Transport: h.Transport}
	require.NoError(t, c.Unmarshal(append([]byte{1, 0, byte(len(body) >> 8), byte(len(body))}, body...)))
	return c
}

// TestClassOfLengths: lengths count where something depends on them.
func TestClassOfLengths(t *testing.T) {
	for name, h := range hellotest.Real(t) {
		if h.Transport == parser.DTLS || !h.HasExtensions {
			continue // with a cookie, or without what has a length
		}
		var all []*parser.ClientHello
		for n := 1; n < 400; n++ { // of the server's name, which moves the hello over the bounds of padding
			all = append(all, rebuild(t, h, h.LegacySessionID, func(e *parser.Extension) []byte {
				switch {
				case e.Type == parser.ExtServerName:
					return hellotest.Vector16(append([]byte{0}, hellotest.Vector16(make([]byte, n))...))
				case e.Type == parser.ExtPadding && n > 50:
					return make([]byte, n%3)
				}
				return e.Data
			}))
		}
		for _, n := range []int{0, 1, 31, 32} { // of session id, ticket, padding
			all = append(all, rebuild(t, h, make([]byte, n), func(e *parser.Extension) []byte {
				switch e.Type {
				case parser.ExtSessionTicket:
					return make([]byte, n)
				case parser.ExtPadding:
					return make([]byte, 512-len(h.Raw)+len(e.Data)+len(h.LegacySessionID)-n)
				}
				return e.Data
			}))
			all = append(all, rebuild(t, h, h.LegacySessionID, func(e *parser.Extension) []byte {
				switch {
				case e.Type == parser.ExtPadding:
					return make([]byte, n)
				case e.Type == parser.ExtEncryptedClientHello && h.ECH.Type == 0: // its payload, and in some its AEAD
					data := append(e.Data[:len(e.Data)-2-len(h.ECH.Payload):len(e.Data)-2-len(h.ECH.Payload)], hellotest.Vector16(make([]byte, 177+n))...)
					data[4] = byte(n % 4)
					return data
				}
				return e.Data
			}))
		}
		var ob Observer
		for range 3 {
			assertForgetful(t, &ob, observation(h))
		}
		for _, c := range all {
			for range 2 {
				assertForgetful(t, &ob, observation(c))
			}
		}
		require.NotEmpty(t, ob.classes.list, name)
	}
}

// TestClassOfObservation: what the carrier knows counts, too.
func TestClassOfObservation(t *testing.T) {
	for _, h := range hellotest.Real(t) {
		var ob Observer
		for range 3 {
			assertForgetful(t, &ob, observation(h))
		}
		for _, f := range []func(o *Observation){
			func(o *Observation) { o.Index = 2 },
			func(o *Observation) { o.RecordVersion = parser.VersionTLS12 },
			func(o *Observation) { o.RecordVersion = parser.VersionTLS10 },
			func(o *Observation) { o.HTTP2 = "2:0;4:4194304;6:10485760|1073741824|0|a,m,p,s" },
			func(o *Observation) { o.Agent.Header = "curl/8.5.0" },
			func(o *Observation) { o.Time = o.Time.Add(1) },
		} {
			o := observation(h)
			f(o)
			assertForgetful(t, &ob, o)
			assertForgetful(t, &ob, o)
			assertForgetful(t, &ob, o)
		}
	}
}

// TestClassIsShared: hellos of one client have one class, though it draws its
// random bytes and its GREASE anew, and the server has another name.
func TestClassIsShared(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	h := hellotest.Real(t)["chromium-156"]
	want, ok := appendClass(nil, observation(h))
	require.True(t, ok)
	for range 100 {
		c := change(h, func(raw []byte) {
			for i := 6; i < 38; i++ {
				raw[i] = byte(r.Uint32())
			}
			drawn := make(map[byte]byte)
			used := r.Perm(16)
			for i := 38; i+1 < len(raw); i++ { // each value becomes another one
				if v := parser.Version(raw[i])<<8 | parser.Version(raw[i+1]); parser.IsGREASE(v) && isGREASEPlace(h, i) {
					if _, ok := drawn[raw[i]]; !ok {
						drawn[raw[i]] = byte(used[len(drawn)])<<4 | 0xa
					}
					raw[i], raw[i+1] = drawn[raw[i]], drawn[raw[i]]
				}
			}
			name := h.Extension(parser.ExtServerName)
			raw[name.Offset+4+5] = 'a' + byte(r.IntN(26))
		})
		require.NotNil(t, c)
		got, ok := appendClass(nil, observation(c))
		assert.True(t, ok)
		assert.Equal(t, want, got)
	}
}

// isGREASEPlace reports whether a value of two bytes stands at i in the message
// of h: not in a key, nor between two.
func isGREASEPlace(h *parser.ClientHello, i int) bool {
	found := false
	var walk func(f *parser.Field)
	walk = func(f *parser.Field) {
		found = found || f.Offset == i && len(f.Bytes) == 2 && len(f.Children) == 0
		for j := range f.Children {
			walk(&f.Children[j])
		}
	}
	tree := parser.Dissect(h)
	walk(&tree)
	return found
}

// TestClassesAreFew: what only a hostile client sends is not remembered, nor
// what comes but once.
func TestClassesAreFew(t *testing.T) {
	suites := make([]parser.CipherSuite, 3000)
	for i := range suites {
		suites[i] = parser.CipherSuite(i)
	}
	var ob Observer
	for _, n := range []int{len(suites), 600} {
		h, err := parser.Parse(hellotest.Message(parser.VersionTLS12, suites[:n]))
		require.NoError(t, err)
		for range 4 {
			assertForgetful(t, &ob, observation(h))
		}
	}
	for i := range ob.classes.list {
		assert.Empty(t, ob.classes.list[i].key)
	}
	real := hellotest.Real(t)
	for range 3 {
		for _, h := range real {
			ob.Event(observation(h), Compact)
		}
	}
	var keys [][]byte
	for i := range ob.classes.list {
		if c := &ob.classes.list[i]; len(c.key) > 0 {
			keys = append(keys, slices.Clone(c.key))
		}
	}
	assert.Greater(t, len(keys), len(real)/2)
	for i := range suites {
		h, err := parser.Parse(hellotest.Message(parser.VersionTLS12, suites[i:i+1]))
		require.NoError(t, err)
		ob.Event(observation(h), Compact)
	}
	for _, key := range keys {
		assert.True(t, slices.ContainsFunc(ob.classes.list, func(c class) bool { return bytes.Equal(c.key, key) }))
	}
}

// TestClassFields: a field that ClientHello did not have when appendClass was
// written has to be thought of there.
func TestClassFields(t *testing.T) {
	var fields []string
	for f := range reflect.TypeFor[parser.ClientHello]().Fields() {
		fields = append(fields, f.Name)
	}
	assert.Equal(t, []string{
		"Transport", "Raw", "LegacyVersion", "Random", "LegacySessionID", "Cookie", "CipherSuites",
		"LegacyCompressionMethods", "HasExtensions", "Extensions", "Trailing", "SSLv2", "CipherSpecs",
		"ServerName", "SupportedGroups", "ECPointFormats", "SignatureAlgorithms", "SignatureAlgorithmsCert",
		"DelegatedCredentials", "ALPNProtocols", "ApplicationSettings", "SupportedVersions",
		"PSKKeyExchangeModes", "KeyShares", "CertificateCompressionAlgorithms", "RecordSizeLimit",
		"SessionTicket", "PSKIdentities", "PSKBinders", "ECH", "TransportParameters", "checker",
	}, fields)
}

// FuzzClass changes a hello that an Observer knows.
func FuzzClass(f *testing.F) {
	for _, h := range hellotest.Real(f) {
		f.Add(byte(h.Transport), h.Raw, uint16(len(h.Raw)/2), uint16(1), uint16(4), uint16(0x1010))
	}
	f.Fuzz(func(t *testing.T, transport byte, raw []byte, at, flip, at2, flip2 uint16) {
		h := &parser.ClientHello{Transport: parser.Transport(transport % 3)}
		if len(raw) > 4096 || h.Unmarshal(raw) != nil || h.SSLv2 {
			return
		}
		var ob Observer
		for range 3 {
			ob.Event(observation(h), Compact)
		}
		assertForgetful(t, &ob, observation(h))
		c := change(h, func(raw []byte) {
			for _, c := range [][2]uint16{{at, flip}, {at2, flip2}} {
				i := int(c[0]) % len(raw)
				raw[i] ^= byte(c[1] >> 8)
				raw[(i+1)%len(raw)] ^= byte(c[1])
			}
		})
		if c == nil {
			return
		}
		for range 3 {
			assertForgetful(t, &ob, observation(c))
		}
		assertForgetful(t, &ob, observation(h))
	})
}
