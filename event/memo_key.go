package event

import (
	"encoding/binary"
	"slices"

	"github.com/tlspeek/tlspeek/internal/grease"
	"github.com/tlspeek/tlspeek/internal/padding"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// A memoKeys has the keys of one hello.
type memoKeys struct {
	exact, permuted []byte
	common          int    // length of the part that both keys begin with
	clients         []byte // what both end with
	types           []uint16
}

// readExact makes the key of o with the order of its extensions, for candidates that
// include those of a database unless that is nil. It reports whether the hello is short
// enough to be remembered.
func (k *memoKeys) readExact(o *Observation, clients *known.Database) bool {
	h := o.Hello
	if len(h.Raw) > maxMemoHello {
		return false
	}
	k.exact = appendMemoKey(k.exact[:0], o)
	k.common = len(k.exact)
	n := len(k.exact)
	k.exact = slices.Grow(k.exact, 2*len(h.Extensions))[:n+2*len(h.Extensions)]
	for i := range h.Extensions {
		binary.BigEndian.PutUint16(k.exact[n+2*i:], grease.Normalize(h.Extensions[i].Type))
	}
	k.clients = k.clients[:0]
	if clients != nil {
		k.clients = clients.AppendKey(k.clients, h)
		k.exact = append(k.exact, k.clients...)
	}
	return len(k.exact) <= maxMemoKey
}

// readPermuted makes the key without the order of the extensions, after readExact
// of the same hello.
func (k *memoKeys) readPermuted(h *parser.ClientHello) {
	k.types = k.types[:0]
	for i := range h.Extensions {
		k.types = append(k.types, grease.Normalize(h.Extensions[i].Type))
	}
	slices.Sort(k.types)
	k.permuted = append(k.permuted[:0], k.exact[:k.common]...)
	k.permuted = appendValues(k.permuted, k.types)
	k.permuted = append(k.permuted, k.clients...)
}

// appendMemoKey appends what the values of a memoEntry depend on, but for the
// types of the extensions and the clients of a user. Two observations whose values
// differ have different keys, and no key is the beginning of another: the lengths of
// all lists come first.
//
// Of the session ID, the ticket, the padding and the message only the length
// counts, as far as a candidate depends on it. All GREASE values count as one.
func appendMemoKey(key []byte, o *Observation) []byte {
	h := o.Hello
	key = append16s(key, int(h.Transport)<<8|min(o.Index, 2), int(o.RecordVersion), int(h.LegacyVersion), int(h.RecordSizeLimit))
	key = append16s(key, len(h.LegacySessionID)<<8|min(len(h.SessionTicket), 1)<<4|paddingClass(h),
		len(h.LegacyCompressionMethods), len(h.ECPointFormats), len(h.PSKKeyExchangeModes))
	key = append16s(key, len(h.CipherSuites), len(h.SupportedGroups), len(h.SignatureAlgorithms), len(h.SignatureAlgorithmsCert))
	key = append16s(key, len(h.DelegatedCredentials), len(h.SupportedVersions), len(h.CertificateCompressionAlgorithms), len(h.KeyShares))
	key = append16s(key, len(h.ALPNProtocols), len(h.ApplicationSettings), len(h.TransportParameters), len(h.Extensions))
	key = append(key, h.LegacyCompressionMethods...)
	key = append(key, h.ECPointFormats...)
	key = append(key, h.PSKKeyExchangeModes...)
	key = appendValues(key, h.CipherSuites)
	key = appendValues(key, h.SupportedGroups)
	key = appendValues(key, h.SignatureAlgorithms)
	key = appendValues(key, h.SignatureAlgorithmsCert)
	key = appendValues(key, h.DelegatedCredentials)
	key = appendValues(key, h.SupportedVersions)
	for _, v := range h.CertificateCompressionAlgorithms { // GREASE counts here: no client sends it
		key = append(key, byte(v>>8), byte(v))
	}
	for i := range h.KeyShares {
		key = binary.BigEndian.AppendUint16(key, grease.Normalize(h.KeyShares[i].Group))
	}
	key = appendNames(key, h.ALPNProtocols)
	key = appendNames(key, h.ApplicationSettings)
	for i := range h.TransportParameters {
		id := h.TransportParameters[i].ID
		if parser.IsGREASETransportParameter(id) {
			id = grease.TransportParameter
		}
		key = binary.BigEndian.AppendUint64(key, id)
	}
	return key
}

// paddingClass returns 1 if the message without its padding has a length that
// clients pad, 0 if it is shorter, and 2 if it is longer.
func paddingClass(h *parser.ClientHello) int {
	n, _ := padding.LenWithout(h)
	switch {
	case n < padding.MinLen:
		return 0
	case padding.IsDue(n):
		return 1
	}
	return 2
}

// append16s appends four numbers of 16 bits.
func append16s(key []byte, a, b, c, d int) []byte {
	return binary.BigEndian.AppendUint64(key, uint64(uint16(a))<<48|uint64(uint16(b))<<32|uint64(uint16(c))<<16|uint64(uint16(d)))
}

// appendNames appends names, which have at most 255 bytes, each with its length.
func appendNames(key []byte, names [][]byte) []byte {
	for _, name := range names {
		key = append(append(key, byte(len(name))), name...)
	}
	return key
}

// appendValues appends values with all GREASE as one.
func appendValues[T ~uint16](key []byte, list []T) []byte {
	n := len(key)
	key = slices.Grow(key, 2*len(list))[:n+2*len(list)]
	out := key[n:]
	for _, v := range list {
		binary.BigEndian.PutUint16(out, grease.Normalize(v))
		out = out[2:]
	}
	return key
}
