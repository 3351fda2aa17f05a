package event

import (
	"encoding/json"
	"math/bits"
	"net/netip"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// TestIDDependsOnEachPart: two hellos that differ in anything have other ids, and a
// hello has the same id again, in a file of any name.
func TestIDDependsOnEachPart(t *testing.T) {
	real := hellotest.Real(t)
	base := observation(real["chromium-156"])
	want := digestID(base)
	change := func(edit func(o *Observation)) ID {
		o := *base
		edit(&o)
		return digestID(&o)
	}
	assert.Equal(t, want, change(func(o *Observation) { o.File, o.Packet = "other.pcap", 99 }))
	ids := map[ID]string{want: "nothing"}
	for what, edit := range map[string]func(o *Observation){
		"time":              func(o *Observation) { o.Time = o.Time.Add(time.Nanosecond) },
		"source":            func(o *Observation) { o.Src = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.9"), o.Src.Port()) },
		"source port":       func(o *Observation) { o.Src = netip.AddrPortFrom(o.Src.Addr(), o.Src.Port()+1) },
		"destination":       func(o *Observation) { o.Dst = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.9"), o.Dst.Port()) },
		"port":              func(o *Observation) { o.Dst = netip.AddrPortFrom(o.Dst.Addr(), o.Dst.Port()+1) },
		"MAC of the client": func(o *Observation) { o.Src, o.SrcMAC = netip.AddrPort{}, MAC{1} },
		"MAC of the server": func(o *Observation) { o.Src, o.DstMAC = netip.AddrPort{}, MAC{1} },
		"no address":        func(o *Observation) { o.Src = netip.AddrPort{} },
		"index":             func(o *Observation) { o.Index = 2 },
		"no hello":          func(o *Observation) { o.Hello = nil },
		"first bytes":       func(o *Observation) { o.Hello, o.Received = nil, []byte{22, 3} },
		"transport":         func(o *Observation) { o.Hello, o.Transport = nil, parser.DTLS },
	} {
		id := change(edit)
		assert.Empty(t, ids[id], what)
		ids[id] = what
	}
	for i := range base.Hello.Raw {
		raw := append([]byte(nil), base.Hello.Raw...)
		raw[i] ^= 1
		h := *base.Hello
		h.Raw = raw
		id := change(func(o *Observation) { o.Hello = &h })
		assert.Empty(t, ids[id], "byte %d of the message", i)
		ids[id] = "a byte"
	}
}

// TestIDIsStable: the digest is the same in every process and on every machine.
func TestIDIsStable(t *testing.T) {
	o := &Observation{
		Time: time.Unix(1795332795, 390309000), Index: 1, Transport: parser.TLS,
		Src: netip.MustParseAddrPort("192.0.2.1:50098"), Dst: netip.MustParseAddrPort("[2001:db8::1]:443"),
	}
	for n, want := range map[int]string{
		0: "e96f8660404c3f119b931eda72334f23", 1: "6617ce839d002610972a3cbb4b2b87e6", 63: "12739680b6d2c53dc944dcb560cc0009", 64: "5d64c315cb85e371589245644ba63496", 65: "39daccc6a846bf87c6c22d6e56095741", 200: "2f9aecc4f2293540a38cb8aed4b09994",
	} {
		o.Received = make([]byte, n)
		for i := range o.Received {
			o.Received[i] = byte(i)
		}
		assert.Equal(t, want, digestID(o).String(), "%d bytes", n)
	}
}

// TestIDBitsAreMixed: each bit of a hello, its time and its port changes half of the bits
// of its id.
func TestIDBitsAreMixed(t *testing.T) {
	base := observation(hellotest.Real(t)["curl-openssl-3.0"])
	want := digestID(base)
	changed, ids := 0, 0
	count := func(o *Observation) {
		id := digestID(o)
		n := 0
		for i := range id {
			n += bits.OnesCount8(id[i] ^ want[i])
		}
		assert.Greater(t, n, 24)
		changed, ids = changed+n, ids+1
	}
	for i := range 8 * len(base.Hello.Raw) {
		h := *base.Hello
		h.Raw = append([]byte(nil), h.Raw...)
		h.Raw[i/8] ^= 1 << (i % 8)
		o := *base
		o.Hello = &h
		count(&o)
	}
	for i := range 16 {
		o := *base
		o.Time = o.Time.Add(1 << i)
		count(&o)
		o = *base
		o.Src = netip.AddrPortFrom(o.Src.Addr(), o.Src.Port()^1<<i)
		count(&o)
	}
	assert.InDelta(t, 64, float64(changed)/float64(ids), 1)
}

// TestIDsReadBack: both kinds of ids have a text that reads back, and nothing else
// reads as one.
func TestIDsReadBack(t *testing.T) {
	id, conn := ID{1, 0xff, 15: 7}, ConnID{2, 7: 9}
	assert.Equal(t, "01ff0000000000000000000000000007", id.String())
	assert.Equal(t, "0200000000000009", conn.String())
	b, err := json.Marshal([]any{id, conn})
	require.NoError(t, err)
	var id2 ID
	var conn2 ConnID
	require.NoError(t, json.Unmarshal(b, &[]any{&id2, &conn2}))
	assert.Equal(t, id, id2)
	assert.Equal(t, conn, conn2)
	assert.EqualError(t, id2.UnmarshalText([]byte("01")), "event: an id of 2 characters, not 32")
	assert.ErrorContains(t, conn2.UnmarshalText([]byte("zz00000000000000")), "event: an id that is not hex")
}

// TestObserverKeepsID: an Event has the id of its Observation, or else the digest.
func TestObserverKeepsID(t *testing.T) {
	o := observation(hellotest.Real(t)["chromium-156"])
	var ob Observer
	for range 3 { // the later ones come from the memory
		for size := Compact; size <= Detail; size++ {
			assert.Equal(t, digestID(o), ob.Event(o, size).ID)
			with := *o
			with.ID = ID{5}
			assert.Equal(t, ID{5}, ob.Event(&with, size).ID)
		}
	}
}

// TestCommunityID: the values are those of Corelight's specification, for both
// directions (github.com/corelight/community-id-spec, baseline/baseline_deflt.json).
func TestCommunityID(t *testing.T) {
	for _, c := range []struct {
		o        Observation
		a, b, id string
	}{
		{Observation{Transport: parser.TLS}, "128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{Observation{Transport: parser.QUIC}, "192.168.1.52:54585", "8.8.8.8:53", "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{Observation{Transport: parser.TLS, Protocol: 17}, "192.168.1.52:54585", "8.8.8.8:53", "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{Observation{Transport: parser.DTLS, Protocol: 132}, "192.168.170.8:7", "192.168.170.56:80", "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="},
		{Observation{Transport: parser.TLS}, "[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943", "[2607:f8b0:400c:c03::1a]:25", "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
	} {
		a, b := netip.MustParseAddrPort(c.a), netip.MustParseAddrPort(c.b)
		assert.Equal(t, c.id, communityID(c.o.protocol(), a, b), c.a)
		assert.Equal(t, c.id, communityID(c.o.protocol(), b, a), c.a)
	}
	const tcp = 6
	v4 := netip.MustParseAddrPort("192.0.2.1:1")
	assert.Equal(t, communityID(tcp, v4, v4), communityID(tcp, netip.AddrPortFrom(netip.MustParseAddr("::ffff:192.0.2.1"), 1), v4))
	assert.Empty(t, communityID(tcp, netip.AddrPort{}, v4))
	assert.Empty(t, communityID(tcp, v4, netip.MustParseAddrPort("[::1]:1")), "of two families")
}

// TestCompactOfFull: what a full Event gives up to be compact is what a compact one
// does not have.
func TestCompactOfFull(t *testing.T) {
	for _, o := range everyObservation(t) {
		var ob Observer
		compact := ob.Event(o, Compact)
		for size := Compact; size <= Detail; size++ {
			e := ob.Event(o, size)
			assert.Equal(t, compact, e.Compact())
		}
	}
}

// TestSettledReadsBack: each reason has a text that reads back.
func TestSettledReadsBack(t *testing.T) {
	for s := SettledRequest; s <= SettledFull; s++ {
		text, err := s.MarshalText()
		require.NoError(t, err)
		var back Settled
		require.NoError(t, back.UnmarshalText(text))
		assert.Equal(t, s, back)
	}
	assert.Equal(t, "Settled(9)", Settled(9).String())
	assert.EqualError(t, new(Settled).UnmarshalText([]byte("never")), `event: no reason "never" for being settled`)
}

// TestNamesOfLists: the lists have IANA's names, in wire order, and the values where
// IANA has none.
func TestNamesOfLists(t *testing.T) {
	h := &parser.ClientHello{
		CipherSuites:        []parser.CipherSuite{0x2a2a, 0x1301, 0x1234},
		Extensions:          []parser.Extension{{Type: 0x1234}, {Type: parser.ExtServerName}, {Type: 0x0a0a}},
		SupportedGroups:     []parser.NamedGroup{0xfafa, 29, 0x1234},
		SignatureAlgorithms: []parser.SignatureScheme{0x0403, 0x1234, 0x0a0a},
		SupportedVersions:   []parser.Version{0x1a1a, parser.VersionTLS13, 0x1234},
		ECPointFormats:      []byte{0, 1, 2, 9},
		KeyShares:           []parser.KeyShare{{Group: 0x0a0a}, {Group: 29}, {Group: 0x1234}},
	}
	var e Event
	e.addLists(h)
	assert.Equal(t, []string{"GREASE (2a2a)", "TLS_AES_128_GCM_SHA256", "unknown (1234)"}, e.CipherSuites)
	assert.Equal(t, []string{"unknown (1234)", "server_name", "GREASE (0a0a)"}, e.Extensions)
	assert.Equal(t, []string{"GREASE (fafa)", "x25519", "unknown (1234)"}, e.SupportedGroups)
	assert.Equal(t, []string{"ecdsa_secp256r1_sha256", "unknown (1234)", "GREASE (0a0a)"}, e.SignatureAlgorithms)
	assert.Equal(t, []string{"GREASE (1a1a)", "TLS 1.3", "unknown (1234)"}, e.SupportedVersions)
	assert.Equal(t, []string{"uncompressed", "ansiX962_compressed_prime", "ansiX962_compressed_char2", "unknown (09)"}, e.ECPointFormats)
	assert.Equal(t, []string{"GREASE (0a0a)", "x25519", "unknown (1234)"}, e.KeyShareGroups)
}

// TestEveryNameIsIANAs: no value is shown as the number that package parser prints.
func TestEveryNameIsIANAs(t *testing.T) {
	number := regexp.MustCompile("(?i)0x|^[0-9a-f]{4}$|unassigned")
	for v := range uint16(0xffff) {
		for _, name := range []string{
			codePoint(parser.CipherSuite(v), parser.CipherSuite.String), codePoint(parser.ExtensionType(v), parser.ExtensionType.String),
			codePoint(parser.NamedGroup(v), parser.NamedGroup.String), codePoint(parser.SignatureScheme(v), parser.SignatureScheme.String),
			codePoint(parser.Version(v), parser.Version.String),
		} {
			assert.NotRegexp(t, number, name)
		}
	}
}
