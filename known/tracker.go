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
// last 8 hellos.
//
// The zero value is ready and its size is fixed at 200 bytes. A Tracker is not
// safe for concurrent use.
type Tracker struct {
	seen [maxRemembered]rememberedHello
	n    int
}

// A rememberedHello is what a Tracker remembers of a hello.
type rememberedHello struct {
	random uint64
	order  uint64 // of the extensions
	grease uint64 // the values of GREASE
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
	if !o.isTracked() {
		return dst
	}
	h := o.Hello
	b := browserShapeOf(h)
	now := rememberedHello{random: binary.BigEndian.Uint64(h.Random)}
	if b == chromium && (hasALPS(h) || h.HasExtension(parser.ExtEncryptedClientHello)) && !isCanonical(h) {
		now.order = orderOf(h)
	}
	now.grease = greaseOf(h)
	orders, values := 0, 0
	for i := range t.seen[:min(t.n, maxRemembered)] {
		s := &t.seen[i]
		if s.random == now.random {
			return dst
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
	if orders > 0 {
		dst = append(dst, Tell{"frozen-order", "extensions", h.Extensions[0].Offset,
			fmt.Sprintf("%d extensions in the order of an earlier connection", len(h.Extensions)),
			"a random order in each connection, since version 110"})
	}
	if values > 1 {
		dst = append(dst, Tell{"frozen-grease", "cipher_suites", suiteOffset(h, 0),
			fmt.Sprintf("the GREASE values of %d earlier connections, the first %04x", values, uint16(h.CipherSuites[0])),
			"random GREASE values in each connection"})
	}
	return dst
}

// isTracked reports whether a [Tracker] remembers the hello: the first of a connection
// over TCP, in the shape of Chromium's or Safari's.
func (o *Observation) isTracked() bool {
	h := o.Hello
	if h == nil || h.SSLv2 || o.isSecond() || len(h.Random) < 8 || h.Transport != parser.TLS {
		return false
	}
	b := browserShapeOf(h)
	return b == chromium || b == safari
}

// orderOf hashes the order of a hello's extensions, without transient ones and
// GREASE, whose place is fixed. It is 0 if there are fewer than 12.
func orderOf(h *parser.ClientHello) uint64 {
	x, n := uint64(1), 0
	for i := range limit(h.Extensions) {
		if t := h.Extensions[i].Type; !fingerprint.IsTransient(t) && !parser.IsGREASE(t) {
			x = mix(x ^ uint64(t))
			n++
		}
	}
	if n < 12 {
		return 0
	}
	return x
}

// greaseOf hashes the GREASE values of cipher suites, groups, extensions and
// versions, of which there are 16 to the power of five. It is 0 if the hello has
// fewer than five.
func greaseOf(h *parser.ClientHello) uint64 {
	x, n := uint64(1), 0
	add := func(v uint16) {
		if parser.IsGREASE(v) {
			x = mix(x ^ uint64(v))
			n++
		}
	}
	for _, v := range limit(h.CipherSuites) {
		add(uint16(v))
	}
	for _, v := range limit(h.SupportedGroups) {
		add(uint16(v))
	}
	for _, v := range limit(h.SupportedVersions) {
		add(uint16(v))
	}
	for i := range limit(h.Extensions) {
		add(uint16(h.Extensions[i].Type))
	}
	if n < 5 {
		return 0
	}
	return x
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
