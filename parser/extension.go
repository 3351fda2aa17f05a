package parser

import (
	"encoding/binary"
	"slices"
)

// extensionBit returns the bit by which unmarshalExtensions knows that the
// fields of an extension were filled. Two code points of one extension share a
// bit; a type without fields has none.
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
// of type t. It reports whether b is well formed. If it is not, or if decode
// does not know the type, [ClientHello.check] tells what is wrong, if anything
// is: this is the short way through a hello as it should be. A list that is
// cut is left empty.
func (h *ClientHello) decode(t ExtensionType, b []byte) bool {
	switch t {
	case ExtServerName: // RFC 6066, section 3
		return h.decodeServerName(b)

	case ExtStatusRequest: // RFC 6066, section 8
		return string(b) == "\x01\x00\x00\x00\x00" // ocsp and two empty lists, as nearly all send it

	case ExtSupportedGroups: // RFC 8446, section 4.2.7
		v, rest := vector16(b)
		return decodeUint16s(&h.SupportedGroups, v) && len(rest) == 0

	case ExtECPointFormats: // RFC 8422, section 5.1.2
		v, rest := vector8(b)
		h.ECPointFormats = v
		return len(v) > 0 && len(rest) == 0

	case ExtSignatureAlgorithms: // RFC 8446, section 4.2.3
		v, rest := vector16(b)
		return decodeUint16s(&h.SignatureAlgorithms, v) && len(rest) == 0

	case ExtSignatureAlgorithmsCert: // RFC 8446, section 4.2.3
		v, rest := vector16(b)
		return decodeUint16s(&h.SignatureAlgorithmsCert, v) && len(rest) == 0

	case ExtDelegatedCredential: // RFC 9345, section 4.1.1
		v, rest := vector16(b)
		return decodeUint16s(&h.DelegatedCredentials, v) && len(rest) == 0

	case ExtALPN: // RFC 7301, section 3.1
		return decodeProtocols(&h.ALPNProtocols, b)

	case ExtApplicationSettings, ExtApplicationSettingsOld: // draft-vvv-tls-alps, section 4
		return decodeProtocols(&h.ApplicationSettings, b)

	case ExtSignedCertificateTimestamp, // RFC 6962, section 3.3.1
		ExtEncryptThenMAC,       // RFC 7366, section 2
		ExtExtendedMasterSecret, // RFC 7627, section 5.1
		ExtEarlyData,            // RFC 8446, section 4.2.10
		ExtPostHandshakeAuth:    // RFC 8446, section 4.2.6
		return len(b) == 0

	case ExtPadding: // RFC 7685, section 3
		return true

	case ExtSupportedVersions: // RFC 8446, section 4.2.1
		v, rest := vector8(b)
		return decodeUint16s(&h.SupportedVersions, v) && len(rest) == 0

	case ExtPSKKeyExchangeModes: // RFC 8446, section 4.2.9
		v, rest := vector8(b)
		h.PSKKeyExchangeModes = v
		return len(v) > 0 && len(rest) == 0

	case ExtKeyShare: // RFC 8446, section 4.2.8
		return h.decodeKeyShare(b)

	case ExtCompressCertificate: // RFC 8879, section 3
		v, rest := vector8(b)
		return decodeUint16s(&h.CertificateCompressionAlgorithms, v) && len(rest) == 0

	case ExtRecordSizeLimit: // RFC 8449, section 4
		if len(b) >= 2 {
			h.RecordSizeLimit = uint16(b[0])<<8 | uint16(b[1])
		}
		return len(b) == 2

	case ExtSessionTicket: // RFC 5077, section 3.2: the ticket has no length of its own
		h.SessionTicket = b
		return true

	case ExtPreSharedKey: // RFC 8446, section 4.2.11
		return h.decodePreSharedKey(b)

	case ExtServerPadding: // BoringSSL; no document describes it
		return len(b) == 2

	case ExtTrustAnchors: // draft-ietf-tls-trust-anchor-ids-06, section 5.1
		v, rest := vector16(b)
		return v != nil && isListOfVectors8(v) && len(rest) == 0

	case ExtEncryptedClientHello: // RFC 9849, section 5
		return h.decodeECH(b)

	case ExtQUICTransportParameters, ExtQUICTransportParametersDraft: // RFC 9000, section 18
		return h.decodeTransportParameters(b)

	case ExtRenegotiationInfo: // RFC 5746, section 3.2
		v, rest := vector8(b)
		return v != nil && len(rest) == 0
	}
	return IsGREASE(t)
}

// vector8 and vector16 return the vector that b begins with, which has a length
// of 1 or 2 bytes (RFC 8446, section 3.4), and what follows it. The vector is
// nil, and not empty, if b is cut.
func vector8(b []byte) (v, rest []byte) {
	if len(b) < 1 || len(b) < 1+int(b[0]) {
		return nil, nil
	}
	n := 1 + int(b[0])
	return b[1:n], b[n:]
}

func vector16(b []byte) (v, rest []byte) {
	if len(b) < 2 || len(b) < 2+(int(b[0])<<8|int(b[1])) {
		return nil, nil
	}
	n := 2 + (int(b[0])<<8 | int(b[1]))
	return b[2:n], b[n:]
}

// decodeUint16s appends v to list, two bytes a value, unless a byte is missing.
func decodeUint16s[T ~uint16](list *[]T, v []byte) bool {
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

// isListOfVectors8 reports whether b is a list of vectors with a length of 1
// byte, none of them empty. The inner loop passes a run of equal lengths
// without waiting for each before it looks at the next.
func isListOfVectors8(b []byte) bool {
	i := 0
	for i < len(b) {
		n := b[i]
		if n == 0 {
			return false
		}
		for i < len(b) && b[i] == n {
			i += 1 + int(n)
		}
	}
	return i == len(b)
}

func decodeProtocols(list *[][]byte, b []byte) bool {
	v, rest := vector16(b)
	ok := len(v) >= 2 && len(rest) == 0
	names := *list
	for len(v) > 0 {
		n := 1 + int(v[0])
		if n > len(v) {
			return false
		}
		names = append(names, v[1:n])
		ok = ok && n > 1
		v = v[n:]
	}
	*list = names
	return ok
}

func (h *ClientHello) decodeServerName(b []byte) bool {
	v, rest := vector16(b)
	ok := len(v) > 0 && len(rest) == 0
	for len(v) > 0 {
		var name []byte
		typ := v[0]
		if name, v = vector16(v[1:]); name == nil {
			return false
		}
		if typ == 0 && h.ServerName == nil {
			h.ServerName = name
		}
		ok = ok && len(name) > 0
	}
	return ok
}

func (h *ClientHello) decodeKeyShare(b []byte) bool {
	v, rest := vector16(b)
	ok := v != nil && len(rest) == 0
	shares := h.KeyShares
	for len(v) >= 4 {
		head := binary.BigEndian.Uint32(v)
		n := 4 + int(head&0xffff)
		if n > len(v) {
			return false
		}
		shares = append(shares, KeyShare{NamedGroup(head >> 16), v[4:n]})
		ok = ok && n > 4
		v = v[n:]
	}
	if len(v) > 0 {
		return false
	}
	h.KeyShares = shares
	return ok
}

func (h *ClientHello) decodePreSharedKey(b []byte) bool {
	v, rest := vector16(b)
	ok := len(v) >= 7
	identities := h.PSKIdentities
	for len(v) > 0 {
		var id PSKIdentity
		if id.Identity, v = vector16(v); id.Identity == nil || len(v) < 4 {
			return false
		}
		id.ObfuscatedTicketAge = binary.BigEndian.Uint32(v)
		v = v[4:]
		identities = append(identities, id)
		ok = ok && len(id.Identity) > 0
	}
	h.PSKIdentities = identities
	v, rest = vector16(rest)
	ok = ok && len(v) >= 33 && len(rest) == 0
	binders := h.PSKBinders
	for len(v) > 0 {
		var binder []byte
		if binder, v = vector8(v); binder == nil {
			return false
		}
		binders = append(binders, binder)
		ok = ok && len(binder) >= 32
	}
	h.PSKBinders = binders
	return ok
}

func (h *ClientHello) decodeECH(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	switch typ := b[0]; {
	case typ == 1: // inner: the type alone
		h.ECH.Type = typ
		return len(b) == 1
	case typ != 0: // not defined: what follows has no known form
		h.ECH.Type = typ
		return true
	case len(b) < 6:
		return false
	}
	enc, rest := vector16(b[6:])
	payload, rest := vector16(rest)
	if enc == nil || payload == nil {
		return false
	}
	e := &h.ECH
	e.Type = b[0]
	e.KDF = uint16(b[1])<<8 | uint16(b[2])
	e.AEAD = uint16(b[3])<<8 | uint16(b[4])
	e.ConfigID, e.Enc, e.Payload = b[5], enc, payload
	return len(payload) > 0 && len(rest) == 0
}

func (h *ClientHello) decodeTransportParameters(b []byte) bool {
	r := reader{String: b}
	list := h.TransportParameters
	for len(r.String) > 0 {
		var p TransportParameter
		var length uint64
		if !r.varint(&p.ID) || !r.varint(&length) || length > uint64(len(r.String)) {
			return false
		}
		p.Value, r.String = r.String[:length], r.String[length:]
		list = append(list, p)
	}
	h.TransportParameters = list
	return true
}
