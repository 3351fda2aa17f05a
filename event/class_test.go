package event

import (
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

// rebuild returns h with another session id, and its extensions as f changes them.
func rebuild(t *testing.T, h *parser.ClientHello, sessionID []byte, f func(all []parser.Extension)) *parser.ClientHello {
	h = h.Clone()
	h.LegacySessionID = sessionID
	extensions := slices.Clone(h.Extensions)
	f(extensions)
	return hellotest.Rebuild(t, h, h.CipherSuites, extensions)
}

// bodies returns what changes the bodies of extensions.
func bodies(f func(e *parser.Extension) []byte) func(all []parser.Extension) {
	return func(all []parser.Extension) {
		for i := range all {
			all[i].Data = f(&all[i])
		}
	}
}

// keysOf returns the keys of the classes of o.
func keysOf(o *Observation) [2]string {
	var c classifier
	c.find(o)
	return [2]string{string(c.key), string(c.keyAny)}
}

// TestClassOfLengths: lengths count where something depends on them.
func TestClassOfLengths(t *testing.T) {
	for name, h := range hellotest.Real(t) {
		if h.Transport == parser.DTLS || !h.ExtensionsPresent {
			continue // with a cookie, or without what has a length
		}
		var all []*parser.ClientHello
		for n := 1; n < 400; n++ { // of the server's name, which moves the hello over the bounds of padding
			all = append(all, rebuild(t, h, h.LegacySessionID, bodies(func(e *parser.Extension) []byte {
				switch {
				case e.Type == parser.ExtServerName:
					return hellotest.Vector16(append([]byte{0}, hellotest.Vector16(make([]byte, n))...))
				case e.Type == parser.ExtPadding && n > 50:
					return make([]byte, n%3)
				}
				return e.Data
			})))
		}
		for _, n := range []int{0, 1, 31, 32} { // of session id, ticket, padding
			all = append(all, rebuild(t, h, make([]byte, n), bodies(func(e *parser.Extension) []byte {
				switch e.Type {
				case parser.ExtSessionTicket:
					return make([]byte, n)
				case parser.ExtPadding:
					return make([]byte, 512-len(h.Raw)+len(e.Data)+len(h.LegacySessionID)-n)
				}
				return e.Data
			})))
			all = append(all, rebuild(t, h, h.LegacySessionID, bodies(func(e *parser.Extension) []byte {
				switch {
				case e.Type == parser.ExtPadding:
					return make([]byte, n)
				case e.Type == parser.ExtEncryptedClientHello && h.ECH.Type == 0: // its payload, and in some its AEAD
					data := append(e.Data[:len(e.Data)-2-len(h.ECH.Payload):len(e.Data)-2-len(h.ECH.Payload)], hellotest.Vector16(make([]byte, 177+n))...)
					data[4] = byte(n % 4)
					return data
				}
				return e.Data
			})))
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
		require.NotEmpty(t, ob.classes.ordered.list, name)
	}
}

// TestClassOfFields: an Observer that has seen many hellos tells of each what one that
// has seen none does, though they differ in one value only.
func TestClassOfFields(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var names []string
	real := hellotest.Real(t)
	for name := range real {
		names = append(names, name)
	}
	slices.Sort(names)
	var ob Observer
	for range 5000 {
		h := real[names[r.IntN(len(names))]].Clone()
		pick := func(n int) int { return r.IntN(max(n, 1)) }
		switch r.IntN(9) {
		case 0:
			h.LegacyVersion ^= parser.Version(r.IntN(4))
		case 1:
			h.Transport = []parser.Transport{parser.TLS, parser.QUIC, parser.DTLS}[r.IntN(3)]
		case 2:
			h.CipherSuites = slices.Delete(slices.Clone(h.CipherSuites), pick(len(h.CipherSuites)), len(h.CipherSuites))
		case 3:
			h.SupportedGroups = append(slices.Clone(h.SupportedGroups), parser.NamedGroup(r.IntN(4)))
		case 4:
			h.SignatureAlgorithms = append(slices.Clone(h.SignatureAlgorithms), parser.SignatureScheme(r.IntN(4)))
		case 5:
			h.SupportedVersions = append(slices.Clone(h.SupportedVersions), parser.Version(0x300+r.IntN(6)))
		case 6:
			h.ECPointFormats = append(slices.Clone(h.ECPointFormats), byte(r.IntN(4)))
		case 7:
			h.ALPNProtocols = [][]byte{[]byte([]string{"h2", "h3", "x", ""}[r.IntN(4)])}
		case 8:
			h.Extensions = slices.Clone(h.Extensions)
			r.Shuffle(len(h.Extensions), func(i, j int) { h.Extensions[i], h.Extensions[j] = h.Extensions[j], h.Extensions[i] })
		}
		assertForgetful(t, &ob, observation(h))
	}
}

// inner returns the extensions that Chromium permutes: those between its two of
// GREASE.
func inner(all []parser.Extension) []parser.Extension {
	for len(all) > 0 && parser.IsGREASE(all[0].Type) {
		all = all[1:]
	}
	for n := len(all); n > 0 && (parser.IsGREASE(all[n-1].Type) || all[n-1].Type == parser.ExtPadding || all[n-1].Type == parser.ExtPreSharedKey); n-- {
		all = all[:n-1]
	}
	return all
}

// TestClassOfAnyOrder: nor does the order of extensions lead an Observer astray, be
// it a random one, sorted, or one that breaks the frame of GREASE.
func TestClassOfAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	remembered := 0
	for name, h := range hellotest.Real(t) {
		if h.Transport == parser.DTLS || !h.ExtensionsPresent {
			continue
		}
		var ob Observer
		for i := range 60 {
			shuffle := func(all []parser.Extension) {
				r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			}
			c := rebuild(t, h, h.LegacySessionID, func(all []parser.Extension) {
				shuffle(inner(all))
				last := len(all) - 1
				switch i % 12 {
				case 5:
					shuffle(all)
				case 6:
					slices.SortFunc(inner(all), func(a, b parser.Extension) int { return int(a.Type) - int(b.Type) })
				case 7:
					slices.Reverse(all)
				case 8:
					all[0], all[1] = all[1], all[0]
				case 9:
					all[last], all[last-1] = all[last-1], all[last]
				}
			})
			assertForgetful(t, &ob, observation(c))
		}
		if name == "chromium-156" {
			remembered = len(slices.DeleteFunc(slices.Clone(ob.classes.anyOrder.list), func(c class) bool { return c.before == nil }))
		}
	}
	assert.Greater(t, remembered, 0)
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
			func(o *Observation) { o.Agent.UserAgent = "curl/8.5.0" },
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
	want := keysOf(observation(h))
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
			name, _ := h.Extension(parser.ExtServerName)
			raw[name.Offset+4+5] = 'a' + byte(r.IntN(26))
		})
		require.NotNil(t, c)
		assert.Equal(t, want, keysOf(observation(c)))
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

// TestClassOfGREASE: where it counts which value was drawn, because the distance
// from known hellos takes it for any other, it is part of the class.
func TestClassOfGREASE(t *testing.T) {
	h := hellotest.Real(t)["go-1.26"]
	drawn := func(v byte) *parser.ClientHello {
		return change(rebuild(t, h, h.LegacySessionID, func(all []parser.Extension) {
			all[0] = parser.Extension{Type: parser.ExtCompressCertificate, Data: []byte{2, v, v}}
			all[1] = parser.Extension{Type: parser.ExtRecordSizeLimit, Data: []byte{0x36, 0x56}}
		}), func([]byte) {})
	}
	var ob Observer
	for range 3 {
		assertForgetful(t, &ob, observation(drawn(0x0a)))
	}
	assertForgetful(t, &ob, observation(drawn(0x1a)))
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
	assert.Empty(t, keysIn(&ob))
	real := hellotest.Real(t)
	for range 3 {
		for _, h := range real {
			ob.Event(observation(h), Compact)
		}
	}
	keys := keysIn(&ob)
	assert.Greater(t, len(keys), len(real)/2)
	for i := range suites {
		h, err := parser.Parse(hellotest.Message(parser.VersionTLS12, suites[i:i+1]))
		require.NoError(t, err)
		ob.Event(observation(h), Compact)
	}
	assert.Subset(t, keysIn(&ob), keys)
}

// keysIn returns the keys that are remembered.
func keysIn(ob *Observer) (keys []string) {
	for _, c := range slices.Concat(ob.classes.ordered.list, ob.classes.anyOrder.list) {
		if len(c.key) > 0 {
			keys = append(keys, string(c.key))
		}
	}
	return keys
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
		"LegacyCompressionMethods", "ExtensionsPresent", "Extensions", "Trailing", "SSLv2", "CipherSpecs",
		"ServerName", "SupportedGroups", "ECPointFormats", "SignatureAlgorithms", "SignatureAlgorithmsCert",
		"DelegatedCredentials", "ALPNProtocols", "ApplicationSettings", "SupportedVersions",
		"PSKKeyExchangeModes", "KeyShares", "CertificateCompressionAlgorithms", "RecordSizeLimit",
		"SessionTicket", "PSKIdentities", "PSKBinders", "ECH", "TransportParameters", "ech", "scratch",
	}, fields)
}

// TestClassKey: lists of the same bytes, cut elsewhere, have different keys.
func TestClassKey(t *testing.T) {
	key := func(h parser.ClientHello) string { return string(appendCommon(nil, &Observation{Hello: &h})) }
	assert.NotEqual(t,
		key(parser.ClientHello{CipherSuites: []parser.CipherSuite{1, 2}, SignatureAlgorithms: []parser.SignatureScheme{3}}),
		key(parser.ClientHello{CipherSuites: []parser.CipherSuite{1}, SignatureAlgorithms: []parser.SignatureScheme{2, 3}}))
	assert.NotEqual(t,
		key(parser.ClientHello{ALPNProtocols: [][]byte{[]byte("h2")}}),
		key(parser.ClientHello{ALPNProtocols: [][]byte{[]byte("h"), []byte("2")}}))
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
