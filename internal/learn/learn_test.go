package learn

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// strange returns the hello of a client that nobody knows; n chooses one.
func strange(t testing.TB, n int) *parser.ClientHello {
	h := hellotest.Real(t)["curl-openssl-3.0"]
	return strangeFrom(t, h, n)
}

func strangeFrom(t testing.TB, h *parser.ClientHello, n int) *parser.ClientHello {
	suites := append(slices.Clone(h.CipherSuites[:3]), parser.CipherSuite(0x5000+n), parser.CipherSuite(0x5000+n>>16))
	return hellotest.Rebuild(t, h, suites, h.Extensions)
}

// addr returns an address: the i-th in the p-th /24.
func addr(p, i int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, byte(18 + p>>8), byte(p), byte(i)})
}

// spread adds h from so many addresses in so many prefixes.
func spread(l *Learner, h *parser.ClientHello, addresses, prefixes int) {
	for i := range addresses {
		l.Add(&Sighting{Hello: h, Addr: addr(i%prefixes, i), Index: 1})
	}
}

func result(t *testing.T, l *Learner) Result {
	res, err := l.Result(nil, false)
	require.NoError(t, err)
	return res
}

func TestLearnerAsksForAddressesAndPrefixes(t *testing.T) {
	for _, c := range []struct {
		addresses, prefixes, least, leastPrefixes int
		want                                      bool
	}{
		{20, 5, 0, 0, true}, {19, 5, 0, 0, false}, {20, 4, 0, 0, false}, {200, 4, 0, 0, false}, {20, 20, 0, 0, true},
		{3, 2, 3, 2, true}, {2, 2, 3, 2, false}, {1, 1, 1, 1, true}, {5000, 250, 5000, 250, false}, {250, 250, 250, 250, true},
	} {
		l := &Learner{Addresses: c.least, Prefixes: c.leastPrefixes}
		n := c.addresses
		spread(l, strange(t, 1), min(n, 256), c.prefixes) // as many as an IPv4 prefix has
		res := result(t, l)
		assert.Equal(t, c.want, len(res.Candidates) == 1, "%+v", c)
		assert.Equal(t, 1, res.Shapes)
		assert.Equal(t, c.want, res.Rare == 0)
	}
}

// TestLearnerCountsNetworks: a client has all addresses of a /64 at will, and one of IPv4
// in two forms.
func TestLearnerCountsNetworks(t *testing.T) {
	l := &Learner{Addresses: 1, Prefixes: 1}
	h := strange(t, 1)
	for _, a := range []string{"2001:db8:1:1::1", "2001:db8:1:1::2", "2001:db8:1:2::1", "2001:db8:2:1::1", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "192.0.3.1"} {
		l.Add(&Sighting{Hello: h, Addr: netip.MustParseAddr(a)})
	}
	seen := result(t, l).Candidates[0].Seen
	assert.Equal(t, int64(8), seen.Hellos)
	assert.Equal(t, int64(3+3), seen.Addresses)
	assert.Equal(t, int64(2+2), seen.Prefixes)
}

func TestLearnerLeavesOut(t *testing.T) {
	l := &Learner{Addresses: 1, Prefixes: 1}
	h := strange(t, 1)
	withCookie := hellotest.Rebuild(t, h, h.CipherSuites, append(slices.Clone(h.Extensions), parser.Extension{Type: parser.ExtCookie, Data: []byte{0, 1, 0}}))
	for _, s := range []Sighting{
		{}, {Hello: &parser.ClientHello{SSLv2: true}, Addr: addr(1, 1)}, {Hello: h, Addr: addr(1, 1), Index: 2}, {Hello: withCookie, Addr: addr(1, 1)},
		{Hello: h, Addr: addr(1, 1), Unverified: true}, {Hello: h}, {Hello: h, Addr: netip.IPv4Unspecified()},
	} {
		l.Add(&s)
	}
	assert.Equal(t, Counts{Malformed: 2, Second: 2, Unverified: 1, NoAddress: 2}, l.Counts)
	assert.Zero(t, result(t, l).Shapes)
}

// TestLearnerSeesPermutations: a client that permutes its extensions has one row. Two that
// do not, and send the same otherwise, have two.
func TestLearnerSeesPermutations(t *testing.T) {
	base := strangeFrom(t, hellotest.Real(t)["chromium-156"], 1)
	r := rand.New(rand.NewPCG(1, 2))
	permuted := func() *parser.ClientHello {
		list := slices.Clone(base.Extensions)
		r.Shuffle(len(list)-2, func(i, j int) { list[1+i], list[1+j] = list[1+j], list[1+i] })
		return hellotest.Rebuild(t, base, base.CipherSuites, list)
	}
	l := new(Learner)
	for i := range 40 {
		l.Add(&Sighting{Hello: permuted(), Addr: addr(i%7, i), UserAgent: fmt.Sprint("agent ", i%2), Tells: []string{"sorted"}})
	}
	res := result(t, l)
	require.Len(t, res.Candidates, 1)
	c := res.Candidates[0]
	assert.True(t, c.Permutes)
	assert.Empty(t, c.JA3)
	assert.Equal(t, int64(40), c.Seen.Hellos)
	assert.Equal(t, int64(40), c.Seen.Addresses)
	assert.Equal(t, int64(7), c.Seen.Prefixes)
	assert.Equal(t, []UserAgent{{"agent 0", 20}, {"agent 1", 20}}, c.Seen.UserAgents)
	assert.Equal(t, map[string]int64{"sorted": 40}, c.Seen.Tells)

	l = new(Learner)
	spread(l, permuted(), 20, 5)
	spread(l, permuted(), 30, 5)
	res = result(t, l)
	require.Len(t, res.Candidates, 2)
	assert.Equal(t, int64(30), res.Candidates[0].Seen.Addresses, "most first")
	assert.Equal(t, int64(20), res.Candidates[1].Seen.Addresses)
	for _, c := range res.Candidates {
		assert.False(t, c.Permutes)
		assert.NotEmpty(t, c.JA3)
	}
}

// TestLearnerSkipsKnown: what built-in or own clients send is no candidate.
func TestLearnerSkipsKnown(t *testing.T) {
	l := new(Learner)
	curl, own := hellotest.Real(t)["curl-openssl-3.0"], strange(t, 1)
	spread(l, curl, 20, 5)
	spread(l, own, 20, 5)
	spread(l, strange(t, 2), 20, 5)
	db, err := known.NewDatabase([]known.Entry{{Name: "own", Hello: fmt.Sprintf("%x", own.Raw)}})
	require.NoError(t, err)
	for _, c := range []struct {
		db         *known.Database
		all        bool
		candidates int
		known      int
	}{{nil, false, 2, 1}, {nil, true, 3, 1}, {db, false, 1, 2}} {
		res, err := l.Result(c.db, c.all)
		require.NoError(t, err)
		assert.Len(t, res.Candidates, c.candidates)
		assert.Equal(t, c.known, res.Known)
		for _, c := range res.Candidates {
			require.NotNil(t, c.Seen.Nearest)
		}
	}
}

// TestCandidateIsReviewed: a candidate is refused without a name. With one it names its
// shape, and vouches for nothing.
func TestCandidateIsReviewed(t *testing.T) {
	l := new(Learner)
	h := strange(t, 1)
	begin := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for i := range 25 {
		l.Add(&Sighting{Hello: h, Addr: addr(i%5, i), Time: begin.Add(time.Duration((i+7)%25) * time.Hour), Source: "a.pcap", Verdict: "unknown", Hints: []string{"alps"}})
	}
	c := result(t, l).Candidates[0]
	assert.Equal(t, begin, c.Seen.First)
	assert.Equal(t, begin.Add(24*time.Hour), c.Seen.Last)
	assert.Equal(t, map[string]int64{"unknown": 25}, c.Seen.Claims)
	assert.Equal(t, map[string]int64{"alps": 25}, c.Seen.Hints)
	line, err := c.AppendLine(nil)
	require.NoError(t, err)
	assert.True(t, bytes.HasPrefix(line, []byte(`{"name":"","seen":{"hellos":25,"addresses":25,"prefixes":5,"first":"2026-11-30T12:00:00Z","last":"2026-12-01T12:00:00Z",`)))
	assert.NotContains(t, string(line), "user_agents")
	_, err = known.ReadEntries(bytes.NewReader(line))
	assert.ErrorContains(t, err, "a learned client without a name")
	require.NoError(t, CheckUnreviewed(bytes.NewReader(line)))

	named := bytes.Replace(line, []byte(`"name":""`), []byte(`"name":"My app"`), 1)
	assert.EqualError(t, CheckUnreviewed(bytes.NewReader(named)), "line 1 has a name")
	assert.EqualError(t, CheckUnreviewed(strings.NewReader("# a\n\n{\"name\":\"\"}\n")), "line 3 is no candidate")
	assert.EqualError(t, CheckUnreviewed(strings.NewReader("text")), "line 1 is no candidate")
	entries, err := known.ReadEntries(bytes.NewReader(named))
	require.NoError(t, err)
	assert.Equal(t, "a.pcap", entries[0].Source)
	assert.Regexp(t, `^2026-1[12]-\d\d$`, entries[0].Date)
	db, err := known.NewDatabase(entries)
	require.NoError(t, err)
	m := known.Matcher{Clients: db}
	got := m.AppendCandidates(nil, &known.Observation{Hello: h})
	assert.Equal(t, known.Candidate{Name: "My app", Learned: true}, got[0])
}

// TestLearnerIsBounded: many shapes that one address sends each take no more than MaxBytes,
// and do not hide one that many send, however late it comes.
func TestLearnerIsBounded(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	real := hellotest.Real(t)["curl-openssl-3.0"]
	common := strange(t, 1<<20)
	before := heap()
	l := &Learner{MaxBytes: 2 << 20}
	const n = 20_000
	for i := range n {
		l.Add(&Sighting{Hello: strangeFrom(t, real, i), Addr: addr(i, 1), UserAgent: strings.Repeat("x", i%300)})
		require.LessOrEqual(t, l.bytes, l.MaxBytes)
		if i%100 == 0 {
			l.Add(&Sighting{Hello: common, Addr: addr(i/100, 1)})
		}
	}
	var bytes int64
	var rows int64
	for _, g := range l.groups {
		for _, r := range g.rows {
			assert.Equal(t, r.size, r.bytes())
			bytes += int64(r.size)
			rows += r.hellos
		}
	}
	assert.Equal(t, bytes, l.bytes)
	assert.Equal(t, l.Counts.Hellos, rows+l.Counts.Forgotten)
	assert.Less(t, heap()-before, l.MaxBytes*5/4)
	res := result(t, l)
	require.Len(t, res.Candidates, 1)
	assert.Equal(t, int64(n/100), res.Candidates[0].Seen.Addresses)
	assert.Equal(t, int64(1), res.Floor)
	assert.Positive(t, l.Counts.ForgottenShapes)
	assert.Greater(t, res.Shapes, 1000, "no more are forgotten than must be")
}

// TestLearnerForgetsTheQuietest: of shapes from as few addresses, those that came last stay.
func TestLearnerForgetsTheQuietest(t *testing.T) {
	real := hellotest.Real(t)["curl-openssl-3.0"]
	l := &Learner{Addresses: 1, Prefixes: 1}
	for i := range 8 {
		l.Add(&Sighting{Hello: strangeFrom(t, real, i), Addr: addr(i, 1)})
	}
	spread(l, strangeFrom(t, real, 1), 3, 1)
	l.Add(&Sighting{Hello: strangeFrom(t, real, 0), Addr: addr(0, 1)})
	l.forget()
	var left []string
	for _, c := range result(t, l).Candidates {
		left = append(left, c.JA4)
	}
	var want []string
	for _, i := range []int{1, 0, 4, 5, 6, 7} {
		want = append(want, fingerprint.JA4(strangeFrom(t, real, i)))
	}
	assert.ElementsMatch(t, want, left)
	assert.Equal(t, int64(2), l.Counts.Forgotten)
	assert.Equal(t, int64(2), l.Counts.ForgottenShapes)
}

// TestLearnerIsThatOfMaps compares a Learner with plain maps, over random sightings.
func TestLearnerIsThatOfMaps(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	var hellos []*parser.ClientHello
	for i := range 12 {
		hellos = append(hellos, strange(t, i))
	}
	type counts struct {
		hellos              int64
		addresses, prefixes map[string]bool
	}
	want := make(map[string]*counts)
	l := new(Learner)
	for range 3000 {
		i := r.IntN(12)
		h := hellos[i]
		a := addr(r.IntN(1+i), r.IntN(1+3*i))
		l.Add(&Sighting{Hello: h, Addr: a})
		ja4 := fingerprint.JA4(h)
		if want[ja4] == nil {
			want[ja4] = &counts{addresses: make(map[string]bool), prefixes: make(map[string]bool)}
		}
		c := want[ja4]
		c.hellos++
		c.addresses[a.String()] = true
		p, err := a.Prefix(24)
		require.NoError(t, err)
		c.prefixes[p.String()] = true
	}
	res := result(t, l)
	got := make(map[string]Seen)
	for _, c := range res.Candidates {
		got[c.JA4] = c.Seen
	}
	enough := 0
	for ja4, c := range want {
		s, ok := got[ja4]
		require.Equal(t, len(c.addresses) >= 20 && len(c.prefixes) >= 5, ok)
		if ok {
			enough++
			assert.Equal(t, c.hellos, s.Hellos)
			assert.Equal(t, int64(len(c.addresses)), s.Addresses)
			assert.Equal(t, int64(len(c.prefixes)), s.Prefixes)
		}
	}
	assert.Greater(t, enough, 3)
	assert.Less(t, enough, len(want))
}

// TestBlank: what tells of a person is gone, and nothing that names the client.
func TestBlank(t *testing.T) {
	entries, err := known.BuiltinEntries()
	require.NoError(t, err)
	hellos := hellotest.Real(t)
	for i := range entries {
		if h, err := entries[i].ParseHello(); err == nil && h != nil && !h.SSLv2 {
			hellos[fmt.Sprint(i)] = h
		}
	}
	var m known.Matcher
	psk, tickets := 0, 0
	for name, h := range hellos {
		if h.SSLv2 {
			continue
		}
		b, err := blank(h.Raw, h.Transport)
		require.NoError(t, err, name)
		require.Len(t, b.Raw, len(h.Raw))
		if len(h.ServerName) > 0 {
			assert.False(t, bytes.Contains(b.Raw, h.ServerName), name)
		}
		for i, id := range h.PSKIdentities {
			psk++
			assert.Equal(t, make([]byte, len(id.Identity)), b.PSKIdentities[i].Identity)
		}
		if len(h.SessionTicket) > 0 {
			tickets++
			assert.Equal(t, make([]byte, len(h.SessionTicket)), b.SessionTicket)
		}
		assert.Equal(t, make([]byte, len(h.LegacySessionID)), append([]byte{}, b.LegacySessionID...))
		for _, f := range []func(*parser.ClientHello) string{fingerprint.JA3, fingerprint.JA4, fingerprint.JA4RO, fingerprint.Stable, fingerprint.NPF} {
			assert.Equal(t, f(h), f(b), name)
		}
		o, p := &known.Observation{Hello: h}, &known.Observation{Hello: b}
		assert.Equal(t, m.AppendCandidates(nil, o), m.AppendCandidates(nil, p), name)
		assert.Equal(t, known.AppendTells(nil, o), known.AppendTells(nil, p), name)
	}
	assert.Positive(t, psk)
	assert.Positive(t, tickets)
	_, err = blank([]byte{1}, parser.TLS)
	assert.Error(t, err)
}

func TestTallies(t *testing.T) {
	var list []tally
	for i := range 20 {
		for range 1 + i%10 {
			list = addTo(list, fmt.Sprint("a", i%10), 8, 256)
		}
	}
	assert.Len(t, list, 8)
	slices.SortFunc(list, byCount)
	assert.Equal(t, "a9", list[0].text)
	for _, x := range list {
		n := int64(2 * (1 + x.text[1] - '0'))
		assert.LessOrEqual(t, x.n, n)
		assert.GreaterOrEqual(t, x.n+x.before, n)
	}
	assert.Len(t, addTo(nil, strings.Repeat("x", 1000), 8, 256)[0].text, 256)
	merged := mergeInto([]tally{{"a", 1, 0}, {"b", 5, 0}}, []tally{{"c", 3, 1}, {"a", 2, 0}}, 2)
	assert.Equal(t, []tally{{"b", 5, 0}, {"c", 3, 1}}, merged)
}
