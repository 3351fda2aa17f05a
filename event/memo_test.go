package event

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// assertFresh asserts that ob, which has observed other hellos, returns the same Event
// and the same JSON for o as a new Observer.
func assertFresh(t *testing.T, ob *Observer, o *Observation) {
	t.Helper()
	full := (&Observer{appendTells: ob.appendTells}).Event(o, Full)
	require.Equal(t, full.Fingerprints, ob.Event(o, Full).Fingerprints, "%x", o.Hello.Raw)
	fresh := (&Observer{appendTells: ob.appendTells}).Event(o, Compact)
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

// TestMemoOfChangedBytes: whichever byte of a remembered hello differs, the Event
// is right.
func TestMemoOfChangedBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	real := hellotest.Real(t)
	for _, name := range slices.Sorted(maps.Keys(real)) {
		h := real[name]
		var ob Observer
		for range 3 {
			assertFresh(t, &ob, observation(h))
		}
		for at := range h.Raw {
			if at > 8 && at < 36 {
				continue // the random
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
				assertFresh(t, &ob, observation(c))
			}
		}
	}
}

// rebuild returns h with another session ID, and its extensions as f changes them.
func rebuild(t *testing.T, h *parser.ClientHello, sessionID []byte, f func(all []parser.Extension)) *parser.ClientHello {
	h = h.Clone()
	h.LegacySessionID = sessionID
	extensions := slices.Clone(h.Extensions)
	f(extensions)
	return hellotest.Rebuild(t, h, h.CipherSuites, extensions)
}

// bodies returns a function that replaces the body of each extension by that of f.
func bodies(f func(e *parser.Extension) []byte) func(all []parser.Extension) {
	return func(all []parser.Extension) {
		for i := range all {
			all[i].Data = f(&all[i])
		}
	}
}

// TestMemoOfLengths: hellos that differ in a length only have the right Events.
func TestMemoOfLengths(t *testing.T) {
	for name, h := range hellotest.Real(t) {
		if h.Transport == parser.DTLS || !h.ExtensionsPresent {
			continue // it has a cookie, or no extension with a length
		}
		var all []*parser.ClientHello
		for n := 1; n < 400; n++ { // bytes of server name, which moves the hello across the bounds of padding
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
		for _, n := range []int{0, 1, 31, 32} { // bytes of session ID, ticket and padding
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
				case e.Type == parser.ExtEncryptedClientHello && h.ECH.Type == 0: // its payload and, in some, its AEAD
					data := append(e.Data[:len(e.Data)-2-len(h.ECH.Payload):len(e.Data)-2-len(h.ECH.Payload)], hellotest.Vector16(make([]byte, 177+n))...)
					data[4] = byte(n % 4)
					return data
				}
				return e.Data
			})))
		}
		var ob Observer
		for range 3 {
			assertFresh(t, &ob, observation(h))
		}
		for _, c := range all {
			for range 2 {
				assertFresh(t, &ob, observation(c))
			}
		}
		require.NotEmpty(t, entriesIn(&ob.memo), name)
	}
}

// TestMemoOfFields: hellos that differ in one value only have the right Events.
func TestMemoOfFields(t *testing.T) {
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
		assertFresh(t, &ob, observation(h))
	}
}

// inner returns the extensions that Chromium permutes: those between its two
// GREASE extensions.
func inner(all []parser.Extension) []parser.Extension {
	for len(all) > 0 && parser.IsGREASE(all[0].Type) {
		all = all[1:]
	}
	for n := len(all); n > 0 && (parser.IsGREASE(all[n-1].Type) || all[n-1].Type == parser.ExtPadding || all[n-1].Type == parser.ExtPreSharedKey); n-- {
		all = all[:n-1]
	}
	return all
}

// TestMemoOfPermuted: hellos that differ in the order of their extensions only have
// the right Events, also if they are sorted or GREASE changes its place.
func TestMemoOfPermuted(t *testing.T) {
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
			assertFresh(t, &ob, observation(c))
		}
		if name == "chromium-156" {
			for _, e := range entriesIn(&ob.memo) {
				if e.values[0] == "" && e.shape.hasCandidates {
					remembered++
				}
			}
		}
	}
	assert.Greater(t, remembered, 0)
}

// TestMemoOfObservations: the same hello with another index, record version, time or
// request has the right Event.
func TestMemoOfObservations(t *testing.T) {
	for _, h := range hellotest.Real(t) {
		var ob Observer
		for range 3 {
			assertFresh(t, &ob, observation(h))
		}
		for _, f := range []func(o *Observation){
			func(o *Observation) { o.Index = 2 },
			func(o *Observation) { o.RecordVersion = parser.VersionTLS12 },
			func(o *Observation) { o.RecordVersion = parser.VersionTLS10 },
			func(o *Observation) { o.HTTP2 = "2:0;4:4194304;6:10485760|1073741824|0|a,m,p,s" },
			func(o *Observation) { o.Request.UserAgent = "curl/8.5.0" },
			func(o *Observation) { o.Time = o.Time.Add(1) },
		} {
			o := observation(h)
			f(o)
			assertFresh(t, &ob, o)
			assertFresh(t, &ob, o)
			assertFresh(t, &ob, o)
		}
	}
}

// TestMemoOfGREASE: in compress_certificate, where no client sends GREASE, the
// distance from known hellos depends on the value.
func TestMemoOfGREASE(t *testing.T) {
	h := hellotest.Real(t)["go-1.26"]
	drawn := func(v byte) *parser.ClientHello {
		return change(rebuild(t, h, h.LegacySessionID, func(all []parser.Extension) {
			all[0] = parser.Extension{Type: parser.ExtCompressCertificate, Data: []byte{2, v, v}}
			all[1] = parser.Extension{Type: parser.ExtRecordSizeLimit, Data: []byte{0x36, 0x56}}
		}), func([]byte) {})
	}
	var ob Observer
	for range 3 {
		assertFresh(t, &ob, observation(drawn(0x0a)))
	}
	assertFresh(t, &ob, observation(drawn(0x1a)))
}

// FuzzMemo changes a hello that an Observer remembers.
func FuzzMemo(f *testing.F) {
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
		assertFresh(t, &ob, observation(h))
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
			assertFresh(t, &ob, observation(c))
		}
		assertFresh(t, &ob, observation(h))
	})
}
