package signals

import (
	"fmt"
	"net/netip"
	"strings"
)

// A Kind is a kind of keys that a [Table] counts by.
type Kind uint8

// The kinds.
const (
	JA4    Kind = iota // the JA4 of a hello
	Stable             // its stable form
	Client             // the name of the client that it is nearest to
	Prefix             // the network of an address: an IPv4 /24 or IPv6 /48

	// Kinds is the number of kinds, from 0 on.
	Kinds = iota
)

var kindNames = [Kinds]string{"ja4", "stable", "client", "prefix"}

// String returns the name of k: "ja4", "stable", "client" or "prefix".
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return kindNames[k]
}

// ParseKind returns the kind with a name.
func ParseKind(name string) (Kind, error) {
	for k, n := range kindNames {
		if n == name {
			return Kind(k), nil
		}
	}
	return 0, fmt.Errorf("%q: must be %s or %s", name, strings.Join(kindNames[:Kinds-1], ", "), kindNames[Kinds-1])
}

// The networks of addresses. A provider gives a home an IPv6 /56 as a rule, of which a
// /48 has as many as an IPv4 /24 has addresses.
const (
	prefixBits4 = 24
	prefixBits6 = 48
	clientBits6 = 64 // of what counts as one IPv6 address
)

// prefixOf returns the network that a is in. It is not valid if a is not.
func prefixOf(a netip.Addr) netip.Prefix {
	bits := prefixBits6
	if a = a.Unmap(); a.Is4() {
		bits = prefixBits4
	}
	p, _ := a.WithZone("").Prefix(bits)
	return p
}

// clientOf returns what counts as one address: an IPv4 address, or the first of an IPv6
// /64, whose other addresses a client has, too.
func clientOf(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.Is4() {
		return a
	}
	p, _ := a.WithZone("").Prefix(clientBits6)
	return p.Addr()
}

// parsePrefix returns the network of an address, or of a network in one, in its text. It
// is not valid if text is neither.
func parsePrefix(text string) netip.Prefix {
	// Most texts are fingerprints, and the errors of netip take memory.
	if text == "" || !strings.ContainsAny(text, ".:") || !strings.ContainsRune("0123456789abcdefABCDEF:", rune(text[0])) {
		return netip.Prefix{}
	}
	if strings.IndexByte(text, '/') < 0 {
		a, _ := netip.ParseAddr(text)
		return prefixOf(a)
	}
	n, _ := netip.ParsePrefix(text)
	if whole := prefixOf(n.Addr()); n.Bits() >= whole.Bits() {
		return whole
	}
	return netip.Prefix{}
}
