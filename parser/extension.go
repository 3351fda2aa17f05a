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

// decode reads the body of an extension of type t from r into h. It has a case
// for each extension that fills fields of h, and for those that are in most
// hellos; [Dissect] reads all others. Of both, the error is the first thing
// that is wrong. A list that is cut is left empty.
func (h *ClientHello) decode(t ExtensionType, r *reader) *Error {
	var v reader
	switch t {
	case ExtServerName: // RFC 6066, section 3
		return h.decodeServerName(r)

	case ExtStatusRequest: // RFC 6066, section 8
		if string(r.String) == "\x01\x00\x00\x00\x00" { // ocsp, and two empty lists: all but everybody
			return nil
		}
		return h.check(t, r)

	case ExtSupportedGroups: // RFC 8446, section 4.2.7
		if !r.vector16(&v) {
			return r.truncated("named_group_list")
		}
		return decodeUint16s(r, &v, "named_group_list", &h.SupportedGroups)

	case ExtECPointFormats: // RFC 8422, section 5.1.2
		return decodeBytes(r, "ec_point_format_list", &h.ECPointFormats)

	case ExtSignatureAlgorithms: // RFC 8446, section 4.2.3
		if !r.vector16(&v) {
			return r.truncated("supported_signature_algorithms")
		}
		return decodeUint16s(r, &v, "supported_signature_algorithms", &h.SignatureAlgorithms)

	case ExtSignatureAlgorithmsCert: // RFC 8446, section 4.2.3
		if !r.vector16(&v) {
			return r.truncated("supported_signature_algorithms")
		}
		return decodeUint16s(r, &v, "supported_signature_algorithms", &h.SignatureAlgorithmsCert)

	case ExtDelegatedCredential: // RFC 9345, section 4.1.1
		if !r.vector16(&v) {
			return r.truncated("supported_signature_algorithms")
		}
		return decodeUint16s(r, &v, "supported_signature_algorithms", &h.DelegatedCredentials)

	case ExtALPN: // RFC 7301, section 3.1
		return decodeProtocols(r, "protocol_name_list", &h.ALPNProtocols)

	case ExtApplicationSettings, ExtApplicationSettingsOld: // draft-vvv-tls-alps, section 4
		return decodeProtocols(r, "supported_protocols", &h.ApplicationSettings)

	case ExtSignedCertificateTimestamp, ExtExtendedMasterSecret, ExtEncryptThenMAC: // empty
		return r.trailing()

	case ExtSupportedVersions: // RFC 8446, section 4.2.1
		if !r.vector8(&v) {
			return r.truncated("versions")
		}
		return decodeUint16s(r, &v, "versions", &h.SupportedVersions)

	case ExtPSKKeyExchangeModes: // RFC 8446, section 4.2.9
		return decodeBytes(r, "ke_modes", &h.PSKKeyExchangeModes)

	case ExtKeyShare: // RFC 8446, section 4.2.8
		return h.decodeKeyShare(r)

	case ExtCompressCertificate: // RFC 8879, section 3
		if !r.vector8(&v) {
			return r.truncated("algorithms")
		}
		return decodeUint16s(r, &v, "algorithms", &h.CertificateCompressionAlgorithms)

	case ExtRecordSizeLimit: // RFC 8449, section 4
		if !r.ReadUint16(&h.RecordSizeLimit) {
			return r.truncated("record_size_limit")
		}
		return r.trailing()

	case ExtSessionTicket: // RFC 5077, section 3.2: the ticket has no length of its own
		h.SessionTicket = r.String
		return nil

	case ExtPreSharedKey: // RFC 8446, section 4.2.11
		return h.decodePreSharedKey(r)

	case ExtTrustAnchors: // draft-ietf-tls-trust-anchor-ids, section 4.1
		return decodeTrustAnchors(r)

	case ExtEncryptedClientHello: // RFC 9849, section 5
		return h.decodeECH(r)

	case ExtQUICTransportParameters, ExtQUICTransportParametersDraft: // RFC 9000, section 18
		return h.decodeTransportParameters(r)

	case ExtRenegotiationInfo: // RFC 5746, section 3.2
		if !r.vector8(&v) {
			return r.truncated("renegotiated_connection")
		}
		return r.trailing()
	}
	if IsGREASE(t) {
		return nil
	}
	return h.check(t, r)
}

// decodeUint16s reads v, which is a list of two-byte values, and the only thing
// in r.
func decodeUint16s[T ~uint16](r, v *reader, name string, list *[]T) *Error {
	switch {
	case len(v.String) < 2:
		return v.tooShort(name)
	case len(v.String)%2 != 0:
		return v.truncated(name)
	}
	*list = appendUint16s(*list, v.String)
	return r.trailing()
}

// decodeBytes reads a list of one-byte values, which is the only thing in r.
func decodeBytes(r *reader, name string, list *[]byte) *Error {
	var v reader
	switch {
	case !r.vector8(&v):
		return r.truncated(name)
	case len(v.String) == 0:
		return v.tooShort(name)
	}
	*list = v.String
	return r.trailing()
}

// decodeProtocols reads a list of ProtocolName, which is the only thing in r.
func decodeProtocols(r *reader, name string, list *[][]byte) (err *Error) {
	var v, protocol reader
	switch {
	case !r.vector16(&v):
		return r.truncated(name)
	case len(v.String) < 2:
		err = v.tooShort(name)
	}
	for !v.Empty() {
		if !v.vector8(&protocol) {
			*list = (*list)[:0]
			return first(err, v.truncated("protocol_name"))
		}
		if len(protocol.String) == 0 {
			err = first(err, protocol.tooShort("protocol_name"))
		}
		*list = append(*list, protocol.String)
	}
	if err != nil {
		return err
	}
	return r.trailing()
}

// first returns the first error of two.
func first(err, next *Error) *Error {
	if err != nil {
		return err
	}
	return next
}

func (h *ClientHello) decodeServerName(r *reader) (err *Error) {
	var list, name reader
	switch {
	case !r.vector16(&list):
		return r.truncated("server_name_list")
	case len(list.String) == 0:
		return list.tooShort("server_name_list")
	}
	for !list.Empty() {
		var typ uint8
		list.ReadUint8(&typ)
		if !list.vector16(&name) {
			return first(err, list.truncated("host_name"))
		}
		if len(name.String) == 0 {
			err = first(err, name.tooShort("host_name"))
		}
		if typ == 0 && h.ServerName == nil {
			h.ServerName = name.String
		}
	}
	if err != nil {
		return err
	}
	return r.trailing()
}

func (h *ClientHello) decodeKeyShare(r *reader) (err *Error) {
	var list, key reader
	if !r.vector16(&list) {
		return r.truncated("client_shares")
	}
	for !list.Empty() {
		var group NamedGroup
		if !list.ReadUint16((*uint16)(&group)) {
			h.KeyShares = h.KeyShares[:0]
			return first(err, list.truncated("group"))
		}
		if !list.vector16(&key) {
			h.KeyShares = h.KeyShares[:0]
			return first(err, list.truncated("key_exchange"))
		}
		if len(key.String) == 0 {
			err = first(err, key.tooShort("key_exchange"))
		}
		h.KeyShares = append(h.KeyShares, KeyShare{group, key.String})
	}
	if err != nil {
		return err
	}
	return r.trailing()
}

func (h *ClientHello) decodePreSharedKey(r *reader) (err *Error) {
	var list, v reader
	if !r.vector16(&list) {
		return r.truncated("identities")
	}
	if len(list.String) < 7 {
		err = list.tooShort("identities")
	}
	for !list.Empty() {
		if !list.vector16(&v) {
			h.PSKIdentities = h.PSKIdentities[:0]
			return first(err, list.truncated("identity"))
		}
		if len(v.String) == 0 {
			err = first(err, v.tooShort("identity"))
		}
		var age uint32
		if !list.ReadUint32(&age) {
			h.PSKIdentities = h.PSKIdentities[:0]
			return first(err, list.truncated("obfuscated_ticket_age"))
		}
		h.PSKIdentities = append(h.PSKIdentities, PSKIdentity{v.String, age})
	}
	switch {
	case !r.vector16(&list):
		return first(err, r.truncated("binders"))
	case len(list.String) < 33:
		err = first(err, list.tooShort("binders"))
	}
	for !list.Empty() {
		if !list.vector8(&v) {
			h.PSKBinders = h.PSKBinders[:0]
			return first(err, list.truncated("psk_binder_entry"))
		}
		if len(v.String) < 32 {
			err = first(err, v.tooShort("psk_binder_entry"))
		}
		h.PSKBinders = append(h.PSKBinders, v.String)
	}
	if err != nil {
		return err
	}
	return r.trailing()
}

// decodeTrustAnchors only looks whether the list is well formed.
func decodeTrustAnchors(r *reader) (err *Error) {
	var list reader
	if !r.vector16(&list) {
		return r.truncated("trust_anchors")
	}
	for s := list.String; len(s) > 0; {
		n := 1 + int(s[0])
		switch {
		case len(s) < n:
			return first(err, list.truncated("trust_anchor_identifier"))
		case n == 1 && err == nil:
			err = &Error{Offset: list.end - len(s) + 1, Field: "trust_anchor_identifier", Err: ErrTooShort}
		}
		s = s[n:]
	}
	if err != nil {
		return err
	}
	return r.trailing()
}

func (h *ClientHello) decodeECH(r *reader) *Error {
	var e EncryptedClientHello
	var enc, payload reader
	switch {
	case !r.ReadUint8(&e.Type):
		return r.truncated("type")
	case e.Type == 1: // inner: the type alone
		h.ECH.Type = e.Type
		return r.trailing()
	case e.Type != 0: // not defined: what follows has no known form
		h.ECH.Type = e.Type
		return nil
	case !r.ReadUint16(&e.KDF):
		return r.truncated("kdf_id")
	case !r.ReadUint16(&e.AEAD):
		return r.truncated("aead_id")
	case !r.ReadUint8(&e.ConfigID):
		return r.truncated("config_id")
	case !r.vector16(&enc):
		return r.truncated("enc")
	case !r.vector16(&payload):
		return r.truncated("payload")
	}
	e.Enc, e.Payload = enc.String, payload.String
	h.ECH = e
	if len(e.Payload) == 0 {
		return payload.tooShort("payload")
	}
	return r.trailing()
}

func (h *ClientHello) decodeTransportParameters(r *reader) *Error {
	for !r.Empty() {
		var p TransportParameter
		var length uint64
		var err *Error
		switch {
		case !r.varint(&p.ID):
			err = r.truncated("transport_parameter_id")
		case !r.varint(&length):
			err = r.truncated("transport_parameter_length")
		case length > uint64(len(r.String)):
			err = r.truncated("transport_parameter_value")
		}
		if err != nil {
			h.TransportParameters = h.TransportParameters[:0]
			return err
		}
		p.Value, r.String = r.String[:length], r.String[length:]
		h.TransportParameters = append(h.TransportParameters, p)
	}
	return nil
}
