package policy

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// An addressRange has all addresses of a prefix. An IPv4 address is never in IPv6 form.
type addressRange struct{ from, to netip.Addr }

// A rangeTable has addresses as ranges that are sorted, and neither overlap nor touch.
type rangeTable struct {
	from4, to4 []uint32
	from6, to6 []address6

	// starts has, in a table of many ranges, for each first half of an IPv4 address
	// how many ranges begin before the addresses with it; and for one half more, all.
	starts []uint32
}

// indexedRanges is from how many ranges on a table has starts, which are 256 KiB.
const indexedRanges = 4096

// An address6 is an IPv6 address as a number.
type address6 struct{ high, low uint64 }

func (a address6) less(b address6) bool {
	return a.high < b.high || a.high == b.high && a.low < b.low
}

// next returns a+1, which is 0 after the last address.
func (a address6) next() address6 {
	if a.low++; a.low == 0 {
		a.high++
	}
	return a
}

func number4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func number6(a netip.Addr) address6 {
	b := a.As16()
	return address6{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// newRangeTable returns a table of ranges, which it sorts.
func newRangeTable(ranges []addressRange) (t rangeTable) {
	slices.SortFunc(ranges, func(a, b addressRange) int {
		return cmp.Or(a.from.Compare(b.from), a.to.Compare(b.to)) // IPv4 first
	})
	for _, r := range ranges {
		if r.from.Is4() {
			t.add4(number4(r.from), number4(r.to))
		} else {
			t.add6(number6(r.from), number6(r.to))
		}
	}
	if len(t.from4) >= indexedRanges {
		t.starts = make([]uint32, 1<<16+1)
		for _, from := range t.from4 {
			t.starts[from>>16+1]++
		}
		for i := 1; i < len(t.starts); i++ {
			t.starts[i] += t.starts[i-1]
		}
	}
	return t
}

// add4 adds a range that begins nowhere before the others.
func (t *rangeTable) add4(from, to uint32) {
	if n := len(t.to4) - 1; n >= 0 && (from <= t.to4[n] || from == t.to4[n]+1) {
		t.to4[n] = max(t.to4[n], to)
		return
	}
	t.from4, t.to4 = append(t.from4, from), append(t.to4, to)
}

func (t *rangeTable) add6(from, to address6) {
	if n := len(t.to6) - 1; n >= 0 && (!t.to6[n].less(from) || from == t.to6[n].next()) {
		if t.to6[n].less(to) {
			t.to6[n] = to
		}
		return
	}
	t.from6, t.to6 = append(t.from6, from), append(t.to6, to)
}

func (t *rangeTable) contains(a netip.Addr) bool {
	if a = a.Unmap(); a.Is4() {
		v := number4(a)
		low, high := 0, len(t.from4)
		if t.starts != nil {
			low, high = int(t.starts[v>>16]), int(t.starts[v>>16+1])
		}
		i := searchLast(low, high, func(i int) bool { return t.from4[i] <= v })
		return i >= 0 && v <= t.to4[i]
	}
	v := number6(a)
	i := searchLast(0, len(t.from6), func(i int) bool { return !v.less(t.from6[i]) })
	return i >= 0 && !t.to6[i].less(v)
}

// searchLast returns the last index from low to below high for which holds is true, or
// low-1. It is true for those before, and for none after.
func searchLast(low, high int, holds func(int) bool) int {
	for low < high {
		if mid := int(uint(low+high) >> 1); holds(mid) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low - 1
}

// containsText reports whether the address with that text is in t. The zone of one in
// IPv6, which a client on the same link has, counts for nothing.
func (t *rangeTable) containsText(text string) bool {
	if i := strings.IndexByte(text, '%'); i > 0 && i+1 < len(text) && strings.IndexByte(text[:i], ':') >= 0 {
		text = text[:i]
	}
	// What is no address by its letters is not parsed, because the error allocates.
	for i := range len(text) {
		switch c := text[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F', c == '.', c == ':':
		default:
			return false
		}
	}
	if len(text) < len("::") || len(text) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") {
		return false
	}
	a, err := netip.ParseAddr(text)
	return err == nil && t.contains(a)
}

// parseRange returns the addresses of an entry: an address or a prefix.
func parseRange(text string) (addressRange, error) {
	head, length, isPrefix := strings.Cut(text, "/")
	a, err := netip.ParseAddr(head)
	switch {
	case err != nil:
		return addressRange{}, errors.New("is neither an IP address nor a prefix such as 192.0.2.0/24")
	case a.Zone() != "":
		return addressRange{}, errors.New("has a zone, which no address of a client has")
	}
	bits := a.BitLen()
	if isPrefix {
		n, err := strconv.ParseUint(length, 10, 8)
		if err != nil || int(n) > bits || len(length) > 1 && length[0] == '0' {
			return addressRange{}, fmt.Errorf("/%s is no length of a prefix: it is 0 to %d", clip(length), bits)
		}
		bits = int(n)
	}
	if a.Is4In6() {
		if bits < 96 {
			return addressRange{}, errors.New("is a prefix of IPv6 with IPv4 addresses: write it in IPv4")
		}
		a, bits = a.Unmap(), bits-96
	}
	p := netip.PrefixFrom(a, bits)
	if p.Masked().Addr() != a {
		return addressRange{}, fmt.Errorf("has bits after the first %d: write %s or %s", bits, p.Masked(), a)
	}
	return addressRange{a, lastOf(p)}, nil
}

// lastOf returns the last address of p.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := range b {
		host := min(max((i+1)*8-p.Bits(), 0), 8) // bits of this byte after the prefix
		b[i] |= 1<<host - 1
	}
	last, _ := netip.AddrFromSlice(b)
	return last
}

// brokenAddress returns the error of a text that is meant to be an address or a
// prefix, and is none.
func brokenAddress(text string) error {
	_, err := parseRange(text)
	if err == nil {
		return nil
	}
	head, _, isPrefix := strings.Cut(text, "/")
	_, headErr := netip.ParseAddr(head)
	if _, portErr := netip.ParseAddrPort(text); portErr == nil {
		return errors.New("has a port: a list has addresses and prefixes")
	}
	if i := strings.IndexAny(text, " \t,;|-"); i > 0 {
		if _, firstErr := parseRange(text[:i]); firstErr == nil {
			return errors.New("has more than an address or a prefix: a comment begins with #")
		}
	}
	switch {
	case headErr == nil:
		return err
	case strings.Count(head, ".") == 3 && strings.Trim(head, "0123456789.") == "":
		return err
	case isPrefix && strings.Trim(text, "0123456789./") == "":
		return err
	case strings.Contains(head, "::") && strings.Trim(head, "0123456789abcdefABCDEF:.") == "":
		return err
	}
	return nil
}
