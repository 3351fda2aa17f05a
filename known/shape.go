package known

import (
	"math/bits"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/internal/grease"
	"github.com/tlspeek/tlspeek/internal/padding"
	"github.com/tlspeek/tlspeek/parser"
)

// A field is one of the lists that a shape is made of.
type field int

const (
	suites field = iota
	extensions
	groups
	schemes
	versions
	protocols   // ALPN names, hashed
	shares      // groups of key_share
	smallFields // tagged hashes of the small fields

	numFields
)

// maxValues bounds how much of a list is compared. No client known sends more
// than 200 values; a hello of 64 KiB may have 32,000.
const maxValues = 256

// A shape is what stays the same in all hellos that a client sends with one
// configuration: lists in wire order with GREASE as one value, and nothing that
// depends on the server, on earlier connections or on chance.
type shape struct {
	transport parser.Transport
	optionals optional
	lists     [numFields][]uint16
}

// optional says whether a client sends a transient extension when it can. Where
// the hello does not show it, neither bit of a pair is set.
type optional uint8

const (
	ticket optional = 1 << iota // session_ticket is sent
	noTicket
	pads // the hello would have 256 to 511 bytes without padding
	noPads
)

// conflict reports whether one of a and b has the part and the other lacks it. yes
// is the first bit of the pair.
func conflict(a, b, yes optional) bool {
	no := yes << 1
	return a&yes != 0 && b&no != 0 || a&no != 0 && b&yes != 0
}

func optionalsOf(h *parser.ClientHello) (t optional) {
	t = noTicket
	if h.HasExtension(parser.ExtSessionTicket) {
		t = ticket
	}
	n, padded := padding.LenWithout(h)
	if h.Transport != parser.TLS || !padding.IsDue(n) {
		return t
	}
	if padded {
		return t | pads
	}
	return t | noPads
}

// answersServer removes from the shape of a second hello what depends on the
// HelloRetryRequest: the key shares, and whether it is padded.
func (s *shape) answersServer() {
	s.lists[shares] = s.lists[shares][:0]
	s.optionals &^= pads | noPads
}

// read sets s to the shape of h and reuses its memory.
func (s *shape) read(h *parser.ClientHello) {
	s.transport, s.optionals = h.Transport, optionalsOf(h)
	for f := range s.lists {
		s.lists[f] = s.lists[f][:0]
	}
	s.lists[suites] = appendValues(s.lists[suites], h.CipherSuites)
	next := uint16(grease.Value) // BoringSSL's two GREASE extensions are not one value: their order counts
	for i := range h.Extensions {
		t := h.Extensions[i].Type
		if fingerprint.IsTransient(t) || len(s.lists[extensions]) == maxValues {
			continue
		}
		if parser.IsGREASE(t) {
			t = parser.ExtensionType(next)
			next |= 0x1010
		}
		s.lists[extensions] = append(s.lists[extensions], uint16(t))
	}
	s.lists[groups] = appendValues(s.lists[groups], h.SupportedGroups)
	s.lists[schemes] = appendValues(s.lists[schemes], h.SignatureAlgorithms)
	s.lists[versions] = appendValues(s.lists[versions], h.SupportedVersions)
	for _, name := range limit(h.ALPNProtocols) {
		s.lists[protocols] = append(s.lists[protocols], tagged(tagALPN, name))
	}
	for _, k := range limit(h.KeyShares) {
		s.lists[shares] = append(s.lists[shares], grease.Normalize(k.Group))
	}
	s.lists[smallFields] = limit(appendSmallFields(s.lists[smallFields], h))
	if isSecond(h) {
		s.answersServer()
	}
}

// isSecond reports whether a hello answers a HelloRetryRequest with a cookie.
func isSecond(h *parser.ClientHello) bool { return h.HasExtension(parser.ExtCookie) }

// The tags of the values in smallFields.
const (
	tagALPN = iota
	tagLegacyVersion
	tagCompression
	tagPointFormats
	tagPSKModes
	tagCertificateCompression
	tagRecordSizeLimit
	tagApplicationSettings
	tagSchemeCert
	tagDelegated
	tagSessionID
	tagParameter
)

func appendSmallFields(dst []uint16, h *parser.ClientHello) []uint16 {
	dst = append(dst, tag16(tagLegacyVersion, uint16(h.LegacyVersion)),
		tagged(tagCompression, h.LegacyCompressionMethods))
	if len(h.ECPointFormats) > 0 {
		dst = append(dst, tagged(tagPointFormats, h.ECPointFormats))
	}
	if len(h.PSKKeyExchangeModes) > 0 {
		dst = append(dst, tagged(tagPSKModes, h.PSKKeyExchangeModes))
	}
	for _, v := range limit(h.CertificateCompressionAlgorithms) {
		dst = append(dst, tag16(tagCertificateCompression, uint16(v)))
	}
	if h.RecordSizeLimit != 0 {
		dst = append(dst, tag16(tagRecordSizeLimit, h.RecordSizeLimit))
	}
	for _, name := range limit(h.ApplicationSettings) {
		dst = append(dst, tagged(tagApplicationSettings, name))
	}
	for _, v := range limit(h.SignatureAlgorithmsCert) {
		dst = append(dst, tag16(tagSchemeCert, grease.Normalize(v)))
	}
	for _, v := range limit(h.DelegatedCredentials) {
		dst = append(dst, tag16(tagDelegated, grease.Normalize(v)))
	}
	// Before TLS 1.3 a session id is present only to resume a session.
	if len(h.SupportedVersions) > 0 {
		dst = append(dst, tag16(tagSessionID, uint16(len(h.LegacySessionID))))
	}
	for _, p := range limit(h.TransportParameters) {
		if !parser.IsGREASETransportParameter(p.ID) {
			dst = append(dst, tag16(tagParameter, uint16(p.ID)^uint16(p.ID>>16)))
		}
	}
	return dst
}

func limit[T any](list []T) []T { return list[:min(len(list), maxValues)] }

func appendValues[T ~uint16](dst []uint16, list []T) []uint16 {
	for _, v := range limit(list) {
		dst = append(dst, grease.Normalize(v))
	}
	return dst
}

// tag16 and tagged hash a value of a small field to one of 65,536, so that all
// small fields are one list. A collision costs a little accuracy.
func tag16(tag int, v uint16) uint16 {
	return uint16(mix(uint64(tag)<<16|uint64(v)) >> 48)
}

func tagged(tag int, b []byte) uint16 {
	x := uint64(tag)
	for _, c := range b {
		x = mix(x ^ uint64(c))
	}
	return uint16(mix(x) >> 48)
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable
// pseudorandom number generators, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// key hashes the shape without the key shares, and without the order of
// extensions and small fields. Only someone who knows the seed can make two shapes
// with the same key.
func (s *shape) key(seed uint64) uint64 {
	x := uint64(s.transport) + 1 ^ seed
	for f := suites; f < numFields; f++ {
		switch f {
		case shares:
		case extensions, smallFields:
			var sum uint64
			for _, v := range s.lists[f] {
				sum += mix(uint64(v) ^ seed)
			}
			x = mix(x ^ sum)
		default:
			for _, v := range s.lists[f] {
				hi, lo := bits.Mul64(x^uint64(v)^0xa0761d6478bd642f, 0xe7037ed1a0b428db)
				x = hi ^ lo
			}
			x = mix(x)
		}
	}
	return x
}

// appendAll appends the whole shape, in the order of its lists.
func (s *shape) appendAll(dst []uint16) []uint16 {
	dst = append(dst, uint16(s.transport)<<8|uint16(s.optionals))
	for _, list := range s.lists {
		dst = append(append(dst, uint16(len(list))), list...)
	}
	return dst
}
