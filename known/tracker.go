package known

import (
	"encoding/binary"
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
// The zero value is ready and its size is fixed at 328 bytes. A Tracker is not
// safe for concurrent use.
type Tracker struct {
	runs greaseRuns
	next uint8 // where the next one goes, plus maxRemembered once all of seen is used
	seen [maxRemembered]rememberedHello
}

// A rememberedHello is what a Tracker remembers of a hello: hashes of what the client
// has drawn at random. They are 0 for what it has not sent, and for what is not random.
type rememberedHello struct {
	mixed   uint64 // the random, without its lower 26 bits; there are the values of GREASE
	order   uint64 // of the extensions
	session uint64 // the session ID, with TLS 1.3; odd if it is foreign, see isForeign
	share   uint64 // the last key share
	ech     uint64 // the public key of ECH
}

// greaseMask has the bits of mixed with the values of GREASE and a bit that they are there.
const greaseMask = 1<<26 - 1

func (r *rememberedHello) random() uint64 { return r.mixed &^ greaseMask }
func (r *rememberedHello) grease() uint32 { return uint32(r.mixed & greaseMask) }

// AppendTells appends to dst the tells that the hello shows together with earlier ones,
// and remembers the hello. It keeps nothing of o.
//
//	frozen-order         Chromium permutes its extensions for each connection
//	frozen-grease        BoringSSL draws GREASE values for each connection
//	narrow-grease        and each of them by itself
//	repeated-random      browsers draw a random for each connection
//	repeated-session-id  and a session ID, but for a session of TLS 1.2; it may be a lead
//	nss-session-id       Firefox makes the session ID of the random, likewise; a lead
//	repeated-key-share   and key shares
//	repeated-ech         and a public key for ECH, also for GREASE
//
// A repeated order is a tell at its second hello: 12 extensions, over QUIC often 11,
// have 479 million orders. With fewer than 12 it is one at the third hello, as repeated
// GREASE values are: there are a million, so a busy browser repeats some by chance. The
// others have 32 random bytes.
//
// A retransmitted hello, and the one after a HelloRetryRequest, count as one with the
// first: they have the same random.
func (t *Tracker) AppendTells(dst []Tell, o *Observation) []Tell {
	now := rememberedHelloOf(o)
	if !now.isComparable() {
		return dst
	}
	r := t.compare(&now)
	return appendRepeats(dst, o.Hello, &r)
}

// rememberedHelloOf returns what a [Tracker] remembers of a hello: the first of a
// connection, with GREASE where BoringSSL has it, with the suites of NSS, or over QUIC
// with application_settings. Whether a browser has sent the like is asked only once
// there is something to tell, as it takes longer.
func rememberedHelloOf(o *Observation) (r rememberedHello) {
	h := o.Hello
	if h == nil || h.SSLv2 || o.Index > 1 || len(h.CipherSuites) == 0 {
		return r
	}
	var grease uint32
	foreign := uint64(0)
	switch {
	case h.Transport == parser.TLS && parser.IsGREASE(h.CipherSuites[0]):
		r.order, grease = readExtensions(h)
	case h.Transport == parser.QUIC && len(h.ApplicationSettings) > 0:
		r.order, _ = readExtensions(h)
		r.order ^= r.order >> 1 // unlike that over TCP
	case h.Transport == parser.TLS && isNSS13(h):
		if isForeign(h) { // Firefox has neither order nor GREASE over TCP
			foreign = 1
		}
	default:
		return r
	}
	r.mixed = hashDrawn(h.Random)&^greaseMask | uint64(grease)
	if len(h.LegacySessionID) > 0 && offers13(h) {
		if s := hashDrawn(h.LegacySessionID); s != 0 {
			r.session = max(s&^1, 2) | foreign
		}
	}
	if n := len(h.KeyShares); n > 0 && !parser.IsGREASE(h.KeyShares[n-1].Group) {
		r.share = hashDrawn(h.KeyShares[n-1].KeyExchange)
	}
	if h.ECH != nil {
		r.ech = hashDrawn(h.ECH.Enc)
	}
	return r
}

// isForeign reports whether a hello with the suites of NSS has a session ID that NSS has
// not made. With TLS 1.3 that follows from the random, unless a session of TLS 1.2 is
// resumed.
func isForeign(h *parser.ClientHello) bool {
	if len(h.LegacySessionID) != 32 || len(h.Random) != 32 || len(h.SessionTicket) > 0 {
		return false
	}
	sum := byte(0x5a)
	for i, b := range h.Random {
		if sum += b; h.LegacySessionID[i] != sum {
			return true
		}
	}
	return false
}

// hashDrawn returns a hash of what a client draws at random. It returns 0 for what
// nobody has drawn: fewer than 32 bytes, or a pattern, as in captures that were made
// anonymous.
func hashDrawn(b []byte) uint64 {
	if len(b) < 32 {
		return 0
	}
	h, first, repeats := uint64(len(b)), binary.BigEndian.Uint64(b), 0
	for ; len(b) >= 8; b = b[8:] {
		v := binary.BigEndian.Uint64(b)
		if v == first {
			repeats++
		}
		h = (h ^ v) * 0x9e3779b97f4a7c15
		h ^= h >> 32
	}
	if repeats > 2 {
		return 0
	}
	return max(h, 1)
}

// isComparable reports whether there is anything that other hellos may repeat.
func (r *rememberedHello) isComparable() bool {
	return r.order != 0 || r.grease() != 0 || r.session != 0 || r.share != 0 || r.ech != 0
}

// repeats says what a hello repeats of those that a Tracker remembers.
type repeats struct {
	orders, values int // how many have the same order of extensions, and the same GREASE
	run            greaseRun
	random         bool // one has the random, and nothing else that is drawn
	session        bool
	foreign        bool // one has another foreign session ID
	share          bool
	ech            bool
}

// compare compares a hello with those that are remembered, and remembers it. A hello
// that was sent again repeats nothing.
func (t *Tracker) compare(now *rememberedHello) (r repeats) {
	for i := range t.seen[:min(t.next, maxRemembered)] {
		s := &t.seen[i]
		if s.random() == now.random() {
			if now.random() == 0 || !s.differsInAll(now) {
				return repeats{}
			}
			r.random = true
		}
		if now.order != 0 && s.order == now.order {
			r.orders++
		}
		if now.grease() != 0 && s.grease() == now.grease() {
			r.values++
		}
		r.session = r.session || now.session != 0 && s.session|1 == now.session|1
		r.foreign = r.foreign || now.session&s.session&1 != 0 && s.session != now.session
		r.share = r.share || now.share != 0 && s.share == now.share
		r.ech = r.ech || now.ech != 0 && s.ech == now.ech
	}
	if v := now.grease(); v != 0 {
		r.run = t.runs.add(v)
	}
	t.seen[t.next%maxRemembered] = *now
	if t.next++; t.next == 2*maxRemembered {
		t.next = maxRemembered
	}
	return r
}

// reset forgets all hellos.
func (t *Tracker) reset() { t.runs, t.next = greaseRuns{}, 0 }

// differsInAll reports whether two hellos with the same random have other session IDs
// and other key shares. After a HelloRetryRequest the session ID stays the same.
func (r *rememberedHello) differsInAll(other *rememberedHello) bool {
	return min(r.session, other.session, r.share, other.share) != 0 &&
		r.session|1 != other.session|1 && r.share != other.share
}

// minCompared is the number of extensions from which their order is compared, and
// minOrdered that from which none comes twice by chance.
const (
	minCompared = 10
	minOrdered  = 12
)

// readExtensions returns a hash of the order of a hello's extensions, without transient
// ones and GREASE, whose place is fixed, and the values of GREASE. The order is 0 if
// there are fewer extensions than minCompared. The values are 0 if a place lacks GREASE
// where BoringSSL has it: the first cipher suite, group and version, and two extensions.
// The last 5 bits are 0 if the first signature scheme is not GREASE, as before Chromium 153.
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
	if n < minCompared {
		order = 0
	}
	if greased < 2 || len(h.SupportedGroups) == 0 || len(h.SupportedVersions) == 0 ||
		!parser.IsGREASE(h.SupportedGroups[0]) || !parser.IsGREASE(h.SupportedVersions[0]) {
		return order, 0
	}
	values = values<<4 | uint32(h.CipherSuites[0]>>12)
	values = values<<4 | uint32(h.SupportedGroups[0]>>12)
	values = (values<<4 | uint32(h.SupportedVersions[0]>>12)) << 5
	if len(h.SignatureAlgorithms) > 0 && parser.IsGREASE(h.SignatureAlgorithms[0]) {
		values |= 1<<4 | uint32(h.SignatureAlgorithms[0]>>12)
	}
	return order, values
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
