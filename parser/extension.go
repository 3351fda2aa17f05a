package parser

import (
	"encoding/binary"
	"slices"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tlspeek/tlspeek/internal/varint"
)

// extensionBit returns the bit by which unmarshalExtensions remembers that an
// extension was read. Two code points of one extension share a bit; a type
// without fields has none.
func extensionBit(t ExtensionType) uint64 {
	switch {
	case t < 62:
		return 1 << t
	case t == ExtApplicationSettings, t == ExtApplicationSettingsOld:
		return 1 << 62
	case t == ExtEncryptedClientHello:
		return 1 << 63
	case t == ExtQUICTransportParametersDraft:
		return 1 << ExtQUICTransportParameters
	}
	return 0
}

// decode fills the fields of h that are read from b, the body of an extension
// of type t, and reports whether b is well formed. It is the fast path for
// well-formed extensions of the types it knows: for all others it returns
// false, and [ClientHello.check] finds the error, if there is one. A truncated
// list is left empty.
func (h *ClientHello) decode(t ExtensionType, b []byte) bool {
	var v cryptobyte.String
	var ok bool
	rest := cryptobyte.String(b)
	switch t {
	case ExtServerName: // RFC 6066, section 3
		rest, ok = h.decodeServerName(rest)

	case ExtStatusRequest: // RFC 6066, section 8
		return string(b) == "\x01\x00\x00\x00\x00" // ocsp and two empty lists, as nearly all clients send it

	case ExtSupportedGroups: // RFC 8446, section 4.2.7
		v, rest, ok = vector16(rest)
		ok = ok && appendUint16s(&h.SupportedGroups, v)

	case ExtECPointFormats: // RFC 8422, section 5.1.2
		v, rest, ok = vector8(rest)
		h.ECPointFormats = v
		ok = ok && len(v) > 0

	case ExtSignatureAlgorithms: // RFC 8446, section 4.2.3
		v, rest, ok = vector16(rest)
		ok = ok && appendUint16s(&h.SignatureAlgorithms, v)

	case ExtSignatureAlgorithmsCert: // RFC 8446, section 4.2.3
		v, rest, ok = vector16(rest)
		ok = ok && appendUint16s(&h.SignatureAlgorithmsCert, v)

	case ExtDelegatedCredential: // RFC 9345, section 4.1.1
		v, rest, ok = vector16(rest)
		ok = ok && appendUint16s(&h.DelegatedCredentials, v)

	case ExtALPN: // RFC 7301, section 3.1
		rest, ok = decodeProtocols(rest, &h.ALPNProtocols)

	case ExtApplicationSettings, ExtApplicationSettingsOld: // draft-vvv-tls-alps, section 4
		rest, ok = decodeProtocols(rest, &h.ApplicationSettings)

	case ExtSignedCertificateTimestamp, // RFC 6962, section 3.3.1
		ExtEncryptThenMAC,       // RFC 7366, section 2
		ExtExtendedMasterSecret, // RFC 7627, section 5.1
		ExtEarlyData,            // RFC 8446, section 4.2.10
		ExtPostHandshakeAuth:    // RFC 8446, section 4.2.6
		ok = true

	case ExtPadding: // RFC 7685, section 3
		return true

	case ExtSupportedVersions: // RFC 8446, section 4.2.1
		v, rest, ok = vector8(rest)
		ok = ok && appendUint16s(&h.SupportedVersions, v)

	case ExtPSKKeyExchangeModes: // RFC 8446, section 4.2.9
		v, rest, ok = vector8(rest)
		h.PSKKeyExchangeModes = v
		ok = ok && len(v) > 0

	case ExtKeyShare: // RFC 8446, section 4.2.8
		rest, ok = h.decodeKeyShare(rest)

	case ExtCompressCertificate: // RFC 8879, section 3
		v, rest, ok = vector8(rest)
		ok = ok && appendUint16s(&h.CertificateCompressionAlgorithms, v)

	case ExtRecordSizeLimit: // RFC 8449, section 4
		rest, ok = h.decodeRecordSizeLimit(rest)

	case ExtSessionTicket: // RFC 5077, section 3.2: the ticket has no length of its own
		h.SessionTicket = b
		return true

	case ExtPreSharedKey: // RFC 8446, section 4.2.11
		rest, ok = h.decodePreSharedKey(rest)

	case ExtServerPadding: // BoringSSL; no document describes it
		return len(b) == 2

	case ExtTrustAnchors: // draft-ietf-tls-trust-anchor-ids-06, section 5.1
		rest, ok = skipVectors8(rest)

	case ExtEncryptedClientHello: // RFC 9849, section 5
		rest, ok = h.decodeECH(rest)

	case ExtQUICTransportParameters, ExtQUICTransportParametersDraft: // RFC 9000, section 18
		rest, ok = h.decodeTransportParameters(rest)

	case ExtRenegotiationInfo: // RFC 5746, section 3.2
		_, rest, ok = vector8(rest)

	default:
		return IsGREASE(t)
	}
	return ok && rest.Empty()
}

// The functions below read from s and return what follows.

// appendUint16s appends v to list, two bytes a value. It fails, and appends
// nothing, if v is empty or a byte is missing.
func appendUint16s[T ~uint16](list *[]T, v []byte) bool {
	n := len(v) / 2
	if n == 0 || len(v)%2 != 0 {
		return false
	}
	values := slices.Grow(*list, n)
	values = values[:len(values)+n]
	*list = values
	values = values[len(values)-n:]
	for len(v) >= 8 && len(values) >= 4 {
		x := binary.BigEndian.Uint64(v)
		values[0], values[1], values[2], values[3] = T(x>>48), T(x>>32), T(x>>16), T(x)
		v, values = v[8:], values[4:]
	}
	for i := range values {
		values[i] = T(binary.BigEndian.Uint16(v[2*i:]))
	}
	return true
}

// skipVectors8 reads a vector of vectors with a length of 1 byte, none of them
// empty. The inner loop steps over a run of equal lengths without waiting for
// each load.
func skipVectors8(s cryptobyte.String) (rest cryptobyte.String, ok bool) {
	v, rest, ok := vector16(s)
	i := 0
	for i < len(v) {
		n := v[i]
		if n == 0 {
			return rest, false
		}
		for i < len(v) && v[i] == n {
			i += 1 + int(n)
		}
	}
	return rest, ok && i == len(v)
}

func decodeProtocols(s cryptobyte.String, list *[][]byte) (rest cryptobyte.String, ok bool) {
	v, rest, ok := vector16(s)
	ok = ok && len(v) > 0
	names := *list
	for len(v) > 0 {
		name, after, whole := vector8(v)
		if !whole {
			return rest, false
		}
		names = append(names, name)
		ok = ok && len(name) > 0
		v = after
	}
	*list = names
	return rest, ok
}

func (h *ClientHello) decodeServerName(s cryptobyte.String) (rest cryptobyte.String, ok bool) {
	v, rest, ok := vector16(s)
	ok = ok && len(v) > 0
	for len(v) > 0 {
		name, after, whole := vector16(v[1:])
		if !whole {
			return rest, false
		}
		if v[0] == 0 && h.ServerName == nil {
			h.ServerName = name
		}
		ok = ok && len(name) > 0
		v = after
	}
	return rest, ok
}

func (h *ClientHello) decodeKeyShare(s cryptobyte.String) (rest cryptobyte.String, ok bool) {
	v, rest, ok := vector16(s)
	shares := h.KeyShares
	for len(v) > 0 {
		if len(v) < 2 {
			return rest, false
		}
		key, after, whole := vector16(v[2:])
		if !whole {
			return rest, false
		}
		shares = append(shares, KeyShare{NamedGroup(v[0])<<8 | NamedGroup(v[1]), key})
		ok = ok && len(key) > 0
		v = after
	}
	h.KeyShares = shares
	return rest, ok
}

func (h *ClientHello) decodePreSharedKey(s cryptobyte.String) (rest cryptobyte.String, ok bool) {
	v, rest, ok := vector16(s)
	ok = ok && len(v) >= 7
	identities := h.PSKIdentities
	for len(v) > 0 {
		identity, after, whole := vector16(v)
		var age uint32
		if !whole || !after.ReadUint32(&age) {
			return rest, false
		}
		identities = append(identities, PSKIdentity{identity, age})
		ok = ok && len(identity) > 0
		v = after
	}
	h.PSKIdentities = identities
	v, rest, whole := vector16(rest)
	ok = ok && whole && len(v) >= 33
	binders := h.PSKBinders
	for len(v) > 0 {
		binder, after, whole := vector8(v)
		if !whole {
			return rest, false
		}
		binders = append(binders, binder)
		ok = ok && len(binder) >= 32
		v = after
	}
	h.PSKBinders = binders
	return rest, ok
}

func (h *ClientHello) decodeRecordSizeLimit(s cryptobyte.String) (rest cryptobyte.String, ok bool) {
	ok = s.ReadUint16(&h.RecordSizeLimit)
	return s, ok
}

func (h *ClientHello) decodeECH(s cryptobyte.String) (rest cryptobyte.String, ok bool) {
	if len(s) == 0 {
		return nil, false
	}
	e := &h.ech
	if typ := s[0]; typ != echOuter {
		*e = EncryptedClientHello{Type: typ}
		h.ECH = e
		if typ != echInner { // not defined: what follows has no known form
			return nil, true
		}
		return s[1:], true // the type alone
	}
	if len(s) < 6 {
		return nil, false
	}
	enc, rest, ok := vector16(s[6:])
	payload, rest, whole := vector16(rest)
	if !ok || !whole {
		return nil, false
	}
	e.Type, e.ConfigID = echOuter, s[5]
	e.KDF, e.AEAD = uint16(s[1])<<8|uint16(s[2]), uint16(s[3])<<8|uint16(s[4])
	e.Enc, e.Payload = enc, payload
	h.ECH = e
	return rest, len(payload) > 0
}

func (h *ClientHello) decodeTransportParameters(s cryptobyte.String) (rest cryptobyte.String, ok bool) {
	list := h.TransportParameters
	for len(s) > 0 {
		id, n := varint.Parse(s)
		size, m := varint.Parse(s[n:])
		s = s[n+m:]
		if n == 0 || m == 0 || size > uint64(len(s)) {
			return s, false
		}
		list = append(list, TransportParameter{id, s[:size]})
		s = s[size:]
	}
	h.TransportParameters = list
	return s, true
}
