package parser

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

// decode reads the body of an extension of type t from r into h. A list that
// is malformed is left empty.
func (h *ClientHello) decode(t ExtensionType, r *reader) *Error {
	var list reader
	var ok bool
	switch t {
	case ExtServerName: // RFC 6066, section 3
		return h.decodeServerName(r)

	case ExtSupportedGroups: // RFC 8446, section 4.2.7
		if !r.vector16(&list) {
			return r.truncated("named_group_list")
		}
		if h.SupportedGroups, ok = uint16s(&list, h.SupportedGroups); !ok {
			h.SupportedGroups = h.SupportedGroups[:0]
			return list.truncated("named_group_list")
		}

	case ExtECPointFormats: // RFC 8422, section 5.1.2
		if !r.vector8(&list) {
			return r.truncated("ec_point_format_list")
		}
		h.ECPointFormats = list.String

	case ExtSignatureAlgorithms: // RFC 8446, section 4.2.3
		if !r.vector16(&list) {
			return r.truncated("supported_signature_algorithms")
		}
		if h.SignatureAlgorithms, ok = uint16s(&list, h.SignatureAlgorithms); !ok {
			h.SignatureAlgorithms = h.SignatureAlgorithms[:0]
			return list.truncated("supported_signature_algorithms")
		}

	case ExtSignatureAlgorithmsCert: // RFC 8446, section 4.2.3
		if !r.vector16(&list) {
			return r.truncated("supported_signature_algorithms")
		}
		if h.SignatureAlgorithmsCert, ok = uint16s(&list, h.SignatureAlgorithmsCert); !ok {
			h.SignatureAlgorithmsCert = h.SignatureAlgorithmsCert[:0]
			return list.truncated("supported_signature_algorithms")
		}

	case ExtDelegatedCredential: // RFC 9345, section 4.1.1
		if !r.vector16(&list) {
			return r.truncated("supported_signature_algorithms")
		}
		if h.DelegatedCredentials, ok = uint16s(&list, h.DelegatedCredentials); !ok {
			h.DelegatedCredentials = h.DelegatedCredentials[:0]
			return list.truncated("supported_signature_algorithms")
		}

	case ExtALPN: // RFC 7301, section 3.1
		if !r.vector16(&list) {
			return r.truncated("protocol_name_list")
		}
		if h.ALPNProtocols, ok = strings8(&list, h.ALPNProtocols); !ok {
			h.ALPNProtocols = h.ALPNProtocols[:0]
			return list.truncated("protocol_name_list")
		}

	case ExtApplicationSettings, ExtApplicationSettingsOld: // draft-vvv-tls-alps, section 4
		if !r.vector16(&list) {
			return r.truncated("supported_protocols")
		}
		if h.ApplicationSettings, ok = strings8(&list, h.ApplicationSettings); !ok {
			h.ApplicationSettings = h.ApplicationSettings[:0]
			return list.truncated("supported_protocols")
		}

	case ExtSupportedVersions: // RFC 8446, section 4.2.1
		if !r.vector8(&list) {
			return r.truncated("versions")
		}
		if h.SupportedVersions, ok = uint16s(&list, h.SupportedVersions); !ok {
			h.SupportedVersions = h.SupportedVersions[:0]
			return list.truncated("versions")
		}

	case ExtPSKKeyExchangeModes: // RFC 8446, section 4.2.9
		if !r.vector8(&list) {
			return r.truncated("ke_modes")
		}
		h.PSKKeyExchangeModes = list.String

	case ExtKeyShare: // RFC 8446, section 4.2.8
		return h.decodeKeyShare(r)

	case ExtCompressCertificate: // RFC 8879, section 3
		if !r.vector8(&list) {
			return r.truncated("algorithms")
		}
		if h.CertificateCompressionAlgorithms, ok = uint16s(&list, h.CertificateCompressionAlgorithms); !ok {
			h.CertificateCompressionAlgorithms = h.CertificateCompressionAlgorithms[:0]
			return list.truncated("algorithms")
		}

	case ExtRecordSizeLimit: // RFC 8449, section 4
		if !r.ReadUint16(&h.RecordSizeLimit) {
			return r.truncated("record_size_limit")
		}

	case ExtSessionTicket: // RFC 5077, section 3.2: the ticket has no length of its own
		h.SessionTicket, r.String = r.String, nil

	case ExtPreSharedKey: // RFC 8446, section 4.2.11
		return h.decodePreSharedKey(r)

	case ExtEncryptedClientHello: // RFC 9849, section 5
		return h.decodeECH(r)

	case ExtQUICTransportParameters, ExtQUICTransportParametersDraft: // RFC 9000, section 18
		return h.decodeTransportParameters(r)

	default:
		return nil
	}
	if !r.Empty() {
		return r.fail("extension_data", ErrTrailing)
	}
	return nil
}

func (h *ClientHello) decodeServerName(r *reader) *Error {
	var list, name reader
	if !r.vector16(&list) {
		return r.truncated("server_name_list")
	}
	for !list.Empty() {
		var typ uint8
		if !list.ReadUint8(&typ) || !list.vector16(&name) {
			return list.truncated("server_name_list")
		}
		if typ == 0 && h.ServerName == nil {
			h.ServerName = name.String
		}
	}
	if !r.Empty() {
		return r.fail("extension_data", ErrTrailing)
	}
	return nil
}

func (h *ClientHello) decodeKeyShare(r *reader) *Error {
	var list, key reader
	if !r.vector16(&list) {
		return r.truncated("client_shares")
	}
	for !list.Empty() {
		var s KeyShare
		if !list.ReadUint16((*uint16)(&s.Group)) || !list.vector16(&key) {
			h.KeyShares = h.KeyShares[:0]
			return list.truncated("client_shares")
		}
		s.KeyExchange = key.String
		h.KeyShares = append(h.KeyShares, s)
	}
	if !r.Empty() {
		return r.fail("extension_data", ErrTrailing)
	}
	return nil
}

func (h *ClientHello) decodePreSharedKey(r *reader) *Error {
	var list, identity reader
	if !r.vector16(&list) {
		return r.truncated("identities")
	}
	for !list.Empty() {
		var id PSKIdentity
		if !list.vector16(&identity) || !list.ReadUint32(&id.ObfuscatedTicketAge) {
			h.PSKIdentities = h.PSKIdentities[:0]
			return list.truncated("identities")
		}
		id.Identity = identity.String
		h.PSKIdentities = append(h.PSKIdentities, id)
	}
	if !r.vector16(&list) {
		return r.truncated("binders")
	}
	var ok bool
	if h.PSKBinders, ok = strings8(&list, h.PSKBinders); !ok {
		h.PSKBinders = h.PSKBinders[:0]
		return list.truncated("binders")
	}
	if !r.Empty() {
		return r.fail("extension_data", ErrTrailing)
	}
	return nil
}

func (h *ClientHello) decodeECH(r *reader) *Error {
	var enc, payload reader
	e := &h.ECH
	switch {
	case !r.ReadUint8(&e.Type):
		return r.truncated("type")
	case e.Type == 1:
		// an inner hello's extension is its type alone
	case e.Type != 0:
		return nil // not defined: what follows has no known form
	case !r.ReadUint16(&e.KDF) || !r.ReadUint16(&e.AEAD):
		return r.truncated("cipher_suite")
	case !r.ReadUint8(&e.ConfigID):
		return r.truncated("config_id")
	case !r.vector16(&enc):
		return r.truncated("enc")
	case !r.vector16(&payload):
		return r.truncated("payload")
	}
	e.Enc, e.Payload = enc.String, payload.String
	if !r.Empty() {
		return r.fail("extension_data", ErrTrailing)
	}
	return nil
}

func (h *ClientHello) decodeTransportParameters(r *reader) *Error {
	for !r.Empty() {
		var p TransportParameter
		var length uint64
		if !r.varint(&p.ID) || !r.varint(&length) || length > uint64(len(r.String)) {
			h.TransportParameters = h.TransportParameters[:0]
			return r.truncated("transport_parameters")
		}
		r.ReadBytes(&p.Value, int(length))
		h.TransportParameters = append(h.TransportParameters, p)
	}
	return nil
}

// varint reads a variable-length integer (RFC 9000, section 16).
func (r *reader) varint(v *uint64) bool {
	if len(r.String) == 0 {
		return false
	}
	n := 1 << (r.String[0] >> 6)
	if len(r.String) < n {
		return false
	}
	*v = uint64(r.String[0] & 0x3f)
	for _, b := range r.String[1:n] {
		*v = *v<<8 | uint64(b)
	}
	r.String = r.String[n:]
	return true
}
