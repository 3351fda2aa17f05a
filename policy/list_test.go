package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const chromeJA4 = "t13d1516h2_8daaf6152771_d8a2da3f94cd"

func readList(t *testing.T, listType ListType, text string) *List {
	t.Helper()
	l, err := ReadList(strings.NewReader(text), "a.txt", listType)
	require.NoError(t, err)
	return l
}

func TestList(t *testing.T) {
	tests := []struct {
		name     string
		declared ListType
		text     string
		want     ListType
		size     int
		in       []string
		out      []string
	}{
		{"empty", ListAuto, "", ListValues, 0, nil, []string{"", "x"}},
		{"comments alone", ListAuto, "# nothing\r\n\n  # more", ListValues, 0, nil, []string{"", "# nothing"}},
		{
			"fingerprints", ListAuto, "\ufeff# bad\r\n" + chromeJA4 + "\r\n\n  e7d705a3286e19ea42f587b344ee6865 # curl\nt13d311Zq_8daaf6152771_d8a2da3f94cd",
			ListValues, 3,
			[]string{chromeJA4, "e7d705a3286e19ea42f587b344ee6865", "t13d311Zq_8daaf6152771_d8a2da3f94cd"},
			[]string{"", "t13d311zq_8daaf6152771_d8a2da3f94cd", chromeJA4 + "\r", "curl", "# curl"},
		},
		{
			"digests in capitals", ListAuto, "E7D705A3286E19EA42F587B344EE6865\nT13D15160H_8DAAF6152771_D8A2DA3F94CD", ListValues, 2,
			[]string{"e7d705a3286e19ea42f587b344ee6865", "E7D705A3286E19EA42F587B344EE6865", "t13d15160H_8daaf6152771_d8a2da3f94cd"},
			[]string{"t13d15160h_8daaf6152771_d8a2da3f94cd"},
		},
		{
			"addresses", ListAuto, "192.0.2.0/24\n2001:db8::/32 # ours\n10.0.0.1\n::ffff:10.9.0.0/112\n10.0.0.2\n", ListAddresses, 5,
			[]string{"192.0.2.0", "192.0.2.255", "2001:db8::1%eth0", "::ffff:10.0.0.1%eth0", "2001:db8::", "2001:DB8:ffff::1", "10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1", "10.9.255.1"},
			[]string{"192.0.1.255", "192.0.3.0", "2001:db7::", "2001:db9::", "10.0.0.0", "10.0.0.3", "", "x", "10.0.0.1/32", "10.0.0.1%eth0", "2001:db8::1%", "%eth0", "1", "10.0.0.01", strings.Repeat("1", 64<<10)},
		},
		{
			"networks to drop", ListAuto, "; Networks; 2026\r\n1.10.16.0/20 ; SBL256894\n2001:db8::/32\t;x\n192.0.2.1 # ; x\n ; end", ListAddresses, 3,
			[]string{"1.10.17.0", "2001:db8::1", "192.0.2.1"}, []string{"192.0.2.2"},
		},
		{"semicolons", ListAuto, "a ; b\nMozilla/5.0 (X11; Linux) # b\nc;d", ListValues, 3, []string{"a ; b", "Mozilla/5.0 (X11; Linux)", "c;d"}, []string{"a", "c"}},
		{"all of IPv4", ListAuto, "0.0.0.0/0", ListAddresses, 1, []string{"0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"}, []string{"::", "::1"}},
		{"all of IPv6", ListAuto, "::/0\n255.255.255.255", ListAddresses, 2, []string{"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "255.255.255.255"}, []string{"255.255.255.254"}},
		{
			"names", ListAuto, "www.Shop.example\n*.cdn.example.\n.own.example\nb\u00fccher.example", ListNames, 4,
			[]string{"www.shop.example", "WWW.SHOP.EXAMPLE.", "a.cdn.example", "a.b.CDN.example", "own.example", "x.own.example", "xn--bcher-kva.example"},
			[]string{"shop.example", "a.www.shop.example", "cdn.example", "xcdn.example", "xown.example", "", ".", ".cdn.example.evil", "example", strings.Repeat("a.", 5000) + "cdn.example"},
		},
		{"one label", ListNames, "localhost", ListNames, 1, []string{"localhost", "LOCALHOST"}, []string{"a.localhost"}},
		{"agents", ListValues, "curl/8.5.0 (x86_64)\nGo-http-client/1.1#x", ListValues, 2, []string{"curl/8.5.0 (x86_64)", "Go-http-client/1.1#x"}, []string{"curl/8.5.0"}},
		{"versions", ListAuto, "1.3\n1.2\n", ListValues, 2, []string{"1.3"}, []string{"1"}},
		{"MAC addresses", ListAuto, "00:11:22:33:44:55\n", ListValues, 1, []string{"00:11:22:33:44:55"}, nil},
		{"a name as a value", ListValues, "www.example", ListValues, 1, []string{"www.example"}, []string{"WWW.example"}},
		{"duplicates", ListAuto, "a\na\nb", ListValues, 2, []string{"a", "b"}, nil},
		{"JA3's text", ListAuto, "771,4865-4866,0-23,29,0", ListValues, 1, []string{"771,4865-4866,0-23,29,0"}, nil},
		{"no type for the zero value", ListAuto, "a # b # c\nd #", ListValues, 2, []string{"a", "d"}, []string{"a # b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := readList(t, tt.declared, tt.text)
			assert.Equal(t, tt.want, l.Type())
			assert.Equal(t, tt.size, l.Len())
			for _, v := range tt.in {
				assert.True(t, l.Contains(v), v)
			}
			for _, v := range tt.out {
				assert.False(t, l.Contains(v), "%.100s", v)
			}
		})
	}
	var zero List
	assert.False(t, zero.Contains("x"))
	assert.Equal(t, ListValues, zero.Type())
}

func TestNewList(t *testing.T) {
	l, err := NewList(ListAuto, "a # b", "#c")
	require.NoError(t, err)
	assert.True(t, l.Contains("a # b") && l.Contains("#c"), "no comments here")
	_, err = NewList(ListAddresses, "10.0.0.0/8", "", "x")
	assert.EqualError(t, err, `value 2: is empty`+"\n"+`value 3: "x": is neither an IP address nor a prefix such as 192.0.2.0/24`)
	_, err = NewList(ListAuto, strings.Repeat("x", MaxListLine+1))
	assert.ErrorContains(t, err, "has 16385 bytes, and may have 16384")
}

func TestListErrors(t *testing.T) {
	notAddress := "is neither an IP address nor a prefix such as 192.0.2.0/24"
	_, err := NewList(ListAuto, "10.0.0.1", "curl")
	assert.ErrorContains(t, err, `looks like a value, and "10.0.0.1" like an address: set the list's type`)
	tests := []struct {
		declared   ListType
		text, want string
	}{
		{ListAuto, "10.0.0.0/8\n\n10.0.0.0/33 # wide", `a.txt:3: "10.0.0.0/33": /33 is no length of a prefix: it is 0 to 32`},
		{ListAuto, "10.0.0.0/33", `a.txt:1: "10.0.0.0/33": /33 is no length of a prefix: it is 0 to 32`},
		{ListAuto, "10.0.0.0/", `a.txt:1: "10.0.0.0/": / is no length of a prefix: it is 0 to 32`},
		{ListAuto, "10.0.0.0/08", `a.txt:1: "10.0.0.0/08": /08 is no length of a prefix: it is 0 to 32`},
		{ListAuto, "2001:db8::/129", `a.txt:1: "2001:db8::/129": /129 is no length of a prefix: it is 0 to 128`},
		{ListAuto, "10.0.0.1/8", `a.txt:1: "10.0.0.1/8": has bits after the first 8: write 10.0.0.0/8 or 10.0.0.1`},
		{ListAuto, "300.1.1.1", `a.txt:1: "300.1.1.1": ` + notAddress},
		{ListAuto, "10.0/16", `a.txt:1: "10.0/16": ` + notAddress},
		{ListAuto, "2001:db8::12345", `a.txt:1: "2001:db8::12345": ` + notAddress},
		{ListAuto, "10.0.0.1:443", `a.txt:1: "10.0.0.1:443": has a port: a list has addresses and prefixes`},
		{ListAuto, "fe80::1%eth0", `a.txt:1: "fe80::1%eth0": has a zone, which no address of a client has`},
		{ListAuto, "::ffff:0:0/95", `a.txt:1: "::ffff:0:0/95": is a prefix of IPv6 with IPv4 addresses: write it in IPv4`},
		{ListAuto, "10.0.0.1\nwww.example\ncurl", `a.txt:2: "www.example": looks like a server name, and "10.0.0.1" in line 1 like an address: set the list's type to values, addresses or names`},
		{ListAuto, "curl\nNode.js", `a.txt:2: "Node.js": looks like a server name, and "curl" in line 1 like a value: set the list's type to values, addresses or names`},
		{ListAddresses, "10.0.0.1\nwww.example\ncurl", `a.txt:2: "www.example": ` + notAddress + "\n" + `a.txt:3: "curl": ` + notAddress},
		{ListNames, "*", `a.txt:1: "*": has a * elsewhere than in *. at its beginning`},
		{ListNames, "*.", `a.txt:1: "*.": has no name`},
		{ListNames, ".", `a.txt:1: ".": has no name`},
		{ListNames, "www.*", `a.txt:1: "www.*": has a * elsewhere than in *. at its beginning`},
		{ListNames, "*x.example", `a.txt:1: "*x.example": has a * elsewhere than in *. at its beginning`},
		{ListNames, "https://x.example/", `a.txt:1: "https://x.example/": is a URL, not a server name`},
		{ListNames, "x.example:443", `a.txt:1: "x.example:443": is no server name: leave the port out`},
		{ListNames, "a..example", `a.txt:1: "a..example": is no server name: a part between full stops has 1 to 63 bytes`},
		{ListNames, "a b", `a.txt:1: "a b": is no server name: it has ' '`},
		{ListNames, strings.Repeat("a.", 127) + "a", "is no server name: it has 255 bytes, and may have 253"},
		{ListNames, "\u00fc\u202e.example", `is no server name: idna: `},
		{ListValues, "a\x00b", `a.txt:1: "a\x00b": has the control character U+0000`},
		{ListValues, "a\xffb", `a.txt:1: "a\xffb": is not in UTF-8`},
		{ListAuto, "b386946a5a44d1ddcc843bc75336dfce,2017-07-14 18:08:15,Dridex", `has more than a fingerprint: a comment begins with #`},
		{ListAuto, chromeJA4 + ",Chrome", `has more than a fingerprint: a comment begins with #`},
		{ListAuto, `"b386946a5a44d1ddcc843bc75336dfce","Dridex"`, `has more than a fingerprint: a comment begins with #`},
		{ListValues, "b386946a5a44d1ddcc843bc75336dfce\tDridex", `has more than a fingerprint: a comment begins with #`},
		{ListAuto, "10.0.0.1-10.0.0.9", `has more than an address or a prefix: a comment begins with #`},
		{ListAuto, "10.0.0.1,office", `has more than an address or a prefix: a comment begins with #`},
		{ListValues, "x\n" + strings.Repeat("a", MaxListLine+1), `a.txt:2: "` + strings.Repeat("a", 64) + `...": the line has 16385 bytes, and may have 16384`},
		{ListValues, "\xff\xfea\x00", `a.txt: is in UTF-16: a list must be in UTF-8`},
		{ListAddresses, strings.Repeat("x\n", 13), "a.txt: and 3 more entries are broken"},
	}
	for _, tt := range tests {
		_, err := ReadList(strings.NewReader(tt.text), "a.txt", tt.declared)
		require.Error(t, err, "%.100s", tt.text)
		assert.Contains(t, err.Error(), tt.want)
	}
	_, err = ReadList(strings.NewReader("x\ny"), "a.txt", ListAddresses)
	var broken *ListError
	require.ErrorAs(t, err, &broken)
	assert.Equal(t, 1, broken.Line)

	_, err = ReadList(iotest.ErrReader(errors.New("no disk")), "a.txt", ListAuto)
	assert.EqualError(t, err, "reading a.txt: no disk")
	_, err = ReadList(io.LimitReader(endless{}, MaxListSize+1), "a.txt", ListAuto)
	assert.EqualError(t, err, "a.txt: a list has at most 67108864 bytes")
}

// An endless reader has line feeds.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	copy(p, bytes.Repeat([]byte("\n"), len(p)))
	return len(p), nil
}

func TestListType(t *testing.T) {
	for _, listType := range []ListType{ListAuto, ListValues, ListAddresses, ListNames} {
		parsed, err := ParseListType(listType.String())
		require.NoError(t, err)
		assert.Equal(t, listType, parsed)
	}
	_, err := ParseListType("ips")
	assert.EqualError(t, err, `"ips" is no type of list: write values, addresses, names or auto`)
	assert.Equal(t, "9", ListType(9).String())
}

// TestAddressesAgainstPrefixes compares the table with a loop over the prefixes.
func TestAddressesAgainstPrefixes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	random := func() netip.Addr { // few bits differ, so that prefixes meet
		b := [16]byte{0x20, 0x01, 14: byte(rng.IntN(4)), 15: byte(rng.IntN(256))}
		if rng.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{10, byte(rng.IntN(2) * 255), byte(rng.IntN(4)), byte(rng.IntN(256))})
		}
		return netip.AddrFrom16(b)
	}
	hits := 0
	for range 300 {
		var prefixes []netip.Prefix
		var values []string
		for range rng.IntN(12) {
			a := random()
			p, err := a.Prefix(a.BitLen() - rng.IntN(10))
			require.NoError(t, err)
			prefixes, values = append(prefixes, p), append(values, p.String())
		}
		l, err := NewList(ListAddresses, values...)
		require.NoError(t, err)
		for range 200 {
			a := random()
			want := false
			for _, p := range prefixes {
				want = want || p.Contains(a)
			}
			require.Equal(t, want, l.Contains(a.String()), "%s in %v", a, prefixes)
			if want {
				hits++
			}
		}
	}
	assert.Greater(t, hits, 1000)
}

// TestManyAddresses compares a table that has an index with one that has none.
func TestManyAddresses(t *testing.T) {
	l := readList(t, ListAuto, listText(ListAddresses, 20_000)+"0.0.0.0/31\n255.255.255.254/31\n")
	plain := *l
	plain.ranges.starts = nil
	require.NotEmpty(t, l.ranges.starts)
	rng := rand.New(rand.NewPCG(7, 8))
	in := 0
	for i := range 50_000 {
		n := rng.Uint32()
		switch {
		case i < 8:
			n = uint32(i - 4)
		case i%2 == 0: // at an edge
			n = l.ranges.from4[rng.IntN(len(l.ranges.from4))] + rng.Uint32N(3) - 1
		}
		a := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}).String()
		require.Equal(t, plain.Contains(a), l.Contains(a), a)
		if l.Contains(a) {
			in++
		}
	}
	assert.Greater(t, in, 10_000)
}

func TestListAllocatesNothing(t *testing.T) {
	values := readList(t, ListAuto, chromeJA4)
	addresses := readList(t, ListAuto, "10.0.0.0/8\n2001:db8::/32")
	names := readList(t, ListAuto, "*.example")
	long := strings.Repeat("a.", 30<<10) + "example"
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if !values.Contains(chromeJA4) || !addresses.Contains("10.1.2.3") || !addresses.Contains("2001:db8::1") ||
			!names.Contains("WWW.example") || addresses.Contains("www.example") || addresses.Contains("") || names.Contains(long) {
			t.Fatal("wrong")
		}
	}))
}

// listText returns n lines of the given type.
func listText(listType ListType, n int) string {
	var b strings.Builder
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range n {
		switch listType {
		case ListAddresses:
			fmt.Fprintf(&b, "%d.%d.%d.0/24\n", 1+rng.IntN(220), rng.IntN(256), rng.IntN(256))
		case ListNames:
			fmt.Fprintf(&b, "*.shop-%d.example\n", i)
		default:
			fmt.Fprintf(&b, "t13d1516h2_%012x_%012x\n", rng.Uint64()>>16, i)
		}
	}
	return b.String()
}

func BenchmarkReadList(b *testing.B) {
	for _, listType := range []ListType{ListValues, ListAddresses, ListNames} {
		for _, n := range []int{100_000, 1_000_000} {
			text := listText(listType, n)
			b.Run(fmt.Sprint(listType, "/", n), func(b *testing.B) {
				for b.Loop() {
					if _, err := ReadList(strings.NewReader(text), "a.txt", ListAuto); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkListContains(b *testing.B) {
	for _, listType := range []ListType{ListValues, ListAddresses, ListNames} {
		text := listText(listType, 100_000)
		l, err := ReadList(strings.NewReader(text), "a.txt", ListAuto)
		require.NoError(b, err)
		var asked []string
		for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
			if i%16 == 0 {
				line = strings.ReplaceAll(strings.ReplaceAll(line, "0/24", "77"), "*", "www")
				asked = append(asked, line)
			}
		}
		rand.New(rand.NewPCG(5, 6)).Shuffle(len(asked), func(i, j int) { asked[i], asked[j] = asked[j], asked[i] })
		b.Run(listType.String(), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if !l.Contains(asked[i%len(asked)]) {
					b.Fatal(asked[i%len(asked)])
				}
				i++
			}
		})
	}
	l, err := NewList(ListAddresses, "2001:db8::/32", "2001:db9:1::/48")
	require.NoError(b, err)
	b.Run("IPv6", func(b *testing.B) {
		for b.Loop() {
			l.Contains("2001:db8:1:2:3:4:5:6")
		}
	})
}
