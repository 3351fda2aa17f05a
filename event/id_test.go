package event

import (
	"encoding/json"
	"net/netip"
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
		"time":        func(o *Observation) { o.Time = o.Time.Add(time.Nanosecond) },
		"source":      func(o *Observation) { o.Src = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.9"), o.Src.Port()) },
		"source port": func(o *Observation) { o.Src = netip.AddrPortFrom(o.Src.Addr(), o.Src.Port()+1) },
		"destination": func(o *Observation) { o.Dst = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.9"), o.Dst.Port()) },
		"port":        func(o *Observation) { o.Dst = netip.AddrPortFrom(o.Dst.Addr(), o.Dst.Port()+1) },
		"index":       func(o *Observation) { o.Index = 2 },
		"no hello":    func(o *Observation) { o.Hello = nil },
		"first bytes": func(o *Observation) { o.Hello, o.Received = nil, []byte{22, 3} },
		"transport":   func(o *Observation) { o.Hello, o.Transport = nil, parser.DTLS },
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
		transport parser.Transport
		a, b, id  string
	}{
		{parser.TLS, "128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{parser.QUIC, "192.168.1.52:54585", "8.8.8.8:53", "1:d/FP5EW3wiY1vCndhwleRRKHowQ="},
		{parser.TLS, "[fe80:0001:0203:0405:0607:0809:0a0b:0c0d]:80", "[fe80:1011:1213:1415:1617:1819:1a1b:1c1d]:443", communityID(parser.TLS,
			netip.MustParseAddrPort("[fe80:1011:1213:1415:1617:1819:1a1b:1c1d]:443"), netip.MustParseAddrPort("[fe80:0001:0203:0405:0607:0809:0a0b:0c0d]:80"))},
	} {
		a, b := netip.MustParseAddrPort(c.a), netip.MustParseAddrPort(c.b)
		assert.Equal(t, c.id, communityID(c.transport, a, b), c.a)
		assert.Equal(t, c.id, communityID(c.transport, b, a), c.a)
	}
	v4 := netip.MustParseAddrPort("192.0.2.1:1")
	assert.Equal(t, communityID(parser.TLS, v4, v4), communityID(parser.TLS, netip.AddrPortFrom(netip.MustParseAddr("::ffff:192.0.2.1"), 1), v4))
	assert.Empty(t, communityID(parser.TLS, netip.AddrPort{}, v4))
	assert.Empty(t, communityID(parser.TLS, v4, netip.MustParseAddrPort("[::1]:1")), "of two families")
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

// TestNamesOfLists: the lists have names, or values where IANA has none.
func TestNamesOfLists(t *testing.T) {
	h := hellotest.Real(t)["chromium-156"].Clone()
	h.CipherSuites = []parser.CipherSuite{0x2a2a, 0x1301, 0xfefe}
	h.ECPointFormats = []byte{0, 1, 2, 9}
	var e Event
	e.addLists(h)
	assert.Equal(t, []string{"GREASE (2a2a)", "TLS_AES_128_GCM_SHA256", "unknown (fefe)"}, e.CipherSuites)
	assert.Equal(t, []string{"uncompressed", "ansiX962_compressed_prime", "ansiX962_compressed_char2", "unknown (09)"}, e.ECPointFormats)
	assert.Contains(t, e.Extensions, "server_name")
	assert.Contains(t, e.SupportedGroups, "x25519")
	assert.Contains(t, e.SignatureAlgorithms, "ecdsa_secp256r1_sha256")
	assert.Contains(t, e.SupportedVersions, "TLS 1.3")
	assert.Len(t, e.KeyShareGroups, len(h.KeyShares))
}
