package known

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tlspeek/tlspeek/parser"
)

// maxTracked is how many hellos a Tracker remembers.
const maxTracked = 8

// A Tracker finds what several connections of one client give away. Who is one
// client is the caller's to say: an address, a session, a cookie. The zero
// value is ready, and its size is fixed. It is not for use by several
// goroutines at once.
type Tracker struct {
	seen [maxTracked]tracked
	n    int
}

// A tracked is what is remembered of a hello.
type tracked struct {
	random uint64
	order  uint64 // of the extensions
	grease uint64 // the values of GREASE
}

// AppendTells appends to dst what the hello shows beside those before it, and
// remembers it:
//
//	frozen-order    Chromium permutes its extensions anew for each connection
//	frozen-grease   BoringSSL draws its GREASE values anew for each connection
//
// A hello that comes again, and the one after a HelloRetryRequest, count as one
// with the first: their random is the same.
func (t *Tracker) AppendTells(dst []Tell, o *Observation) []Tell {
	h := o.Hello
	if h == nil || h.SSLv2 || o.isSecond() || len(h.Random) < 8 || h.Transport != parser.TLS {
		return dst
	}
	b := worn(h)
	if b != chromium && b != safari {
		return dst
	}
	now := tracked{random: binary.BigEndian.Uint64(h.Random)}
	if b == chromium && h.HasExtension(parser.ExtEncryptedClientHello) && !isCanonical(h) {
		now.order = orderOf(h)
	}
	now.grease = greaseOf(h)
	var order, values bool
	for i := range t.seen[:min(t.n, maxTracked)] {
		s := &t.seen[i]
		if s.random == now.random {
			return dst
		}
		order = order || now.order != 0 && s.order == now.order
		values = values || now.grease != 0 && s.grease == now.grease
	}
	t.seen[t.n%maxTracked] = now
	t.n++
	if order {
		dst = append(dst, Tell{"frozen-order", "extensions", h.Extensions[0].Offset,
			fmt.Sprintf("%d extensions in the order of an earlier connection", len(h.Extensions)),
			"a random order in each connection, since version 110"})
	}
	if values {
		dst = append(dst, Tell{"frozen-grease", "cipher_suites", suiteOffset(h, 0),
			fmt.Sprintf("the GREASE values of an earlier connection, the first %04x", uint16(h.CipherSuites[0])),
			"random GREASE values in each connection"})
	}
	return dst
}

// orderOf hashes the order of a hello's extensions, but for those that come
// and go.
func orderOf(h *parser.ClientHello) uint64 {
	x := uint64(1)
	for i := range limit(h.Extensions) {
		if t := h.Extensions[i].Type; !isTransient(t) {
			x = mix(x ^ uint64(normal(t)))
		}
	}
	return x
}

// greaseOf hashes the GREASE values of cipher suites, groups, extensions and
// versions: 16 to the power of five are possible. It is 0 if there are fewer.
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

// canonical is the order that Chromium's extensions have where permutation is
// switched off, as far as it matters: these stand in it wherever they stand.
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
