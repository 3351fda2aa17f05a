package known

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// maxRemembered is the number of hellos that a Tracker remembers.
const maxRemembered = 8

// A Tracker finds tells that only several connections of one client show. The caller
// decides what one client is: an address, a session, a cookie. Mixing clients, as
// behind a NAT, causes no false tells: a tell means that a hello repeats what a genuine
// client draws at random, whatever others sent in between. A Tracker remembers only the
// last 8 hellos. [Trackers] has one for each address.
//
// The zero value is ready and its size is fixed at 136 bytes. A Tracker is not
// safe for concurrent use.
type Tracker struct {
	seen [maxRemembered]rememberedHello
	n    int
}

// A rememberedHello is what a Tracker remembers of a hello.
type rememberedHello struct {
	order  uint64 // a hash of the order of the extensions, or 0
	grease uint32 // the values of GREASE, or 0
	random uint32 // a part of it
}

// AppendTells appends to dst the tells that the hello shows together with earlier ones,
// and remembers the hello. It keeps nothing of o.
//
//	frozen-order    Chromium permutes its extensions for each connection
//	frozen-grease   BoringSSL draws GREASE values for each connection
//
// A repeated order is a tell at its second hello: 12 extensions, the least that are
// compared, have 479 million orders. Repeated GREASE values are a tell at the third
// hello: there are a million, so a busy browser repeats some by chance.
//
// A retransmitted hello, and the one after a HelloRetryRequest, count as one with the
// first: they have the same random.
func (t *Tracker) AppendTells(dst []Tell, o *Observation) []Tell {
	now := rememberedHelloOf(o)
	if !now.isComparable() {
		return dst
	}
	orders, values := t.compare(now)
	return appendFrozen(dst, o.Hello, orders, values)
}

// rememberedHelloOf returns what a [Tracker] remembers of a hello: the first of a
// connection over TCP, with GREASE where BoringSSL has it. Whether a browser has sent
// the like is asked only once there is something to tell, as it takes longer.
func rememberedHelloOf(o *Observation) (r rememberedHello) {
	h := o.Hello
	if h == nil || h.SSLv2 || h.Transport != parser.TLS || o.Index > 1 || len(h.Random) < 8 ||
		len(h.CipherSuites) == 0 || !parser.IsGREASE(h.CipherSuites[0]) {
		return r
	}
	r.random = binary.BigEndian.Uint32(h.Random) ^ binary.BigEndian.Uint32(h.Random[4:])
	r.order, r.grease = readExtensions(h)
	return r
}

// isComparable reports whether there is anything that other hellos may repeat.
func (r rememberedHello) isComparable() bool { return r.order != 0 || r.grease != 0 }

// compare returns how many of the remembered hellos have the same order of extensions
// as now, and how many the same values of GREASE, and remembers now. It returns 0 for
// a hello that is remembered.
func (t *Tracker) compare(now rememberedHello) (orders, values int) {
	for i := range t.seen[:min(t.n, maxRemembered)] {
		s := &t.seen[i]
		if s.random == now.random {
			return 0, 0
		}
		if now.order != 0 && s.order == now.order {
			orders++
		}
		if now.grease != 0 && s.grease == now.grease {
			values++
		}
	}
	t.seen[t.n%maxRemembered] = now
	t.n++
	return orders, values
}

// appendFrozen appends the tells of a hello that repeats the order of some earlier
// ones, and the GREASE values of some.
func appendFrozen(dst []Tell, h *parser.ClientHello, orders, values int) []Tell {
	if orders == 0 && values < 2 || isSecond(h) {
		return dst
	}
	b := browserShapeOf(h)
	if b != chromium && b != safari {
		return dst
	}
	if orders > 0 && b == chromium && (hasALPS(h) || h.HasExtension(parser.ExtEncryptedClientHello)) && !isCanonical(h) {
		dst = append(dst, Tell{Name: "frozen-order", Field: "extensions", Offset: h.Extensions[0].Offset,
			Found:    fmt.Sprintf("%d extensions in the order of an earlier connection", len(h.Extensions)),
			Expected: "a random order in each connection, since version 110"})
	}
	if values > 1 {
		dst = append(dst, Tell{Name: "frozen-grease", Field: "cipher_suites", Offset: suiteOffset(h, 0),
			Found:    fmt.Sprintf("the GREASE values of %d earlier connections, the first %04x", values, uint16(h.CipherSuites[0])),
			Expected: "random GREASE values in each connection"})
	}
	return dst
}

// minOrdered is the number of extensions from which their order is compared.
const minOrdered = 12

// readExtensions returns a hash of the order of a hello's extensions, without transient
// ones and GREASE, whose place is fixed, and the values of GREASE. The order is 0 if
// there are fewer extensions than minOrdered. The values are 0 if a place lacks GREASE
// where BoringSSL has it: the first cipher suite, group and version, and two extensions.
func readExtensions(h *parser.ClientHello) (order uint64, values uint32) {
	n, greased := 0, 0
	order, values = 1, 1 // before the first bit, as values may be 0000
	for i := range limit(h.Extensions) {
		t := h.Extensions[i].Type
		switch {
		case t < 64 && transientExtensions>>t&1 != 0:
		case parser.IsGREASE(t):
			if greased++; greased <= 2 {
				values = values<<4 | uint32(t>>12)
			}
		default:
			order = (order ^ uint64(t)) * 0x9e3779b97f4a7c15
			order ^= order >> 32
			n++
		}
	}
	if n < minOrdered {
		order = 0
	}
	if greased < 2 || len(h.SupportedGroups) == 0 || len(h.SupportedVersions) == 0 ||
		!parser.IsGREASE(h.SupportedGroups[0]) || !parser.IsGREASE(h.SupportedVersions[0]) {
		return order, 0
	}
	values = values<<4 | uint32(h.CipherSuites[0]>>12)
	values = values<<4 | uint32(h.SupportedGroups[0]>>12)
	return order, values<<4 | uint32(h.SupportedVersions[0]>>12)
}

// transientExtensions has a bit for each type below 64 that
// [fingerprint.IsTransient] reports. There are no others.
var transientExtensions = transientBits()

func transientBits() (bits uint64) {
	for t := range parser.ExtensionType(64) {
		if fingerprint.IsTransient(t) {
			bits |= 1 << t
		}
	}
	return bits
}

// canonical is the order of Chromium's extensions where permutation is off. Other
// extensions may stand between them.
var canonical = [...]parser.ExtensionType{
	parser.ExtExtendedMasterSecret, parser.ExtRenegotiationInfo, parser.ExtSupportedGroups,
	parser.ExtECPointFormats, parser.ExtSessionTicket, parser.ExtALPN, parser.ExtStatusRequest,
	parser.ExtSignatureAlgorithms, parser.ExtSignedCertificateTimestamp, parser.ExtKeyShare,
	parser.ExtPSKKeyExchangeModes, parser.ExtSupportedVersions, parser.ExtCompressCertificate,
}

func isCanonical(h *parser.ClientHello) bool {
	last := -1
	for i := range h.Extensions {
		at := slices.Index(canonical[:], h.Extensions[i].Type)
		if at < 0 {
			continue
		}
		if at < last {
			return false
		}
		last = at
	}
	return true
}
