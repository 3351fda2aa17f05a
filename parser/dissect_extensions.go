package parser

// extensionBody reads the body of an extension of type t.
func (d *dissector) extensionBody(t ExtensionType) {
	switch t {
	case ExtServerName: // RFC 6066, section 3
		d.vectorOf("server_name_list", 2, 1, func(d *dissector) {
			d.group("server_name", func(d *dissector) {
				d.number("name_type", 1, nameTypeName)
				d.string("host_name", 2, 1)
			})
		})
	case ExtMaxFragmentLength: // RFC 6066, section 4
		d.number("max_fragment_length", 1, maxFragmentLengthName)
	case extTrustedCAKeys: // RFC 6066, section 6
		d.vectorOf("trusted_authorities_list", 2, 0, func(d *dissector) { d.group("trusted_authority", (*dissector).trustedAuthority) })
	case ExtStatusRequest: // RFC 6066, section 8
		d.statusRequest()
	case extUserMapping: // RFC 4681, section 2
		d.numbers("user_mapping_types", 1, 1, "user_mapping_type", 1, nil)
	case extClientAuthz, extServerAuthz: // RFC 5878, section 2.3
		d.numbers("authz_format_list", 1, 1, "authz_format", 1, authzFormatName)
	case extCertType: // RFC 6091, section 3.1
		d.numbers("certificate_types", 1, 1, "certificate_type", 1, certificateTypeName)
	case ExtSupportedGroups: // RFC 8446, section 4.2.7
		d.numbers("named_group_list", 2, 2, "named_group", 2, groupName)
	case ExtECPointFormats: // RFC 8422, section 5.1.2
		d.numbers("ec_point_format_list", 1, 1, "ec_point_format", 1, pointFormatName)
	case ExtSRP: // RFC 5054, section 2.8.1
		d.string("srp_I", 1, 1)
	case ExtSignatureAlgorithms, ExtSignatureAlgorithmsCert, // RFC 8446, section 4.2.3
		ExtDelegatedCredential: // RFC 9345, section 4.1.1
		d.numbers("supported_signature_algorithms", 2, 2, "signature_scheme", 2, schemeName)
	case ExtUseSRTP: // RFC 5764, section 4.1.1
		d.numbers("srtp_protection_profiles", 2, 2, "srtp_protection_profile", 2, srtpProfileName)
		d.opaque("srtp_mki", 1, 0)
	case ExtHeartbeat: // RFC 6520, section 2
		d.number("mode", 1, heartbeatModeName)
	case ExtALPN: // RFC 7301, section 3.1
		d.protocols("protocol_name_list")
	case ExtStatusRequestV2: // RFC 6961, section 2.2
		d.vectorOf("certificate_status_req_list", 2, 1, func(d *dissector) {
			d.group("certificate_status_request_item", (*dissector).statusRequestV2)
		})
	case ExtClientCertificateType: // RFC 7250, section 3
		d.numbers("client_certificate_types", 1, 1, "certificate_type", 1, certificateTypeName)
	case ExtServerCertificateType: // RFC 7250, section 3
		d.numbers("server_certificate_types", 1, 1, "certificate_type", 1, certificateTypeName)
	case ExtPadding: // RFC 7685, section 3
		d.padding()
	case ExtTokenBinding: // RFC 8472, section 2
		d.group("token_binding_version", func(d *dissector) {
			d.number("major", 1, nil)
			d.number("minor", 1, nil)
		})
		d.numbers("key_parameters_list", 1, 1, "token_binding_key_parameters", 1, keyParametersName)
	case ExtCachedInfo: // RFC 7924, section 3
		d.vectorOf("cached_info", 2, 1, func(d *dissector) {
			d.group("cached_object", func(d *dissector) {
				d.number("type", 1, cachedInfoName)
				d.opaque("hash_value", 1, 1)
			})
		})
	case ExtCompressCertificate: // RFC 8879, section 3
		d.numbers("algorithms", 1, 2, "algorithm", 2, compressionAlgorithmName)
	case ExtRecordSizeLimit: // RFC 8449, section 4
		d.number("record_size_limit", 2, nil)
	case extPWDProtect: // RFC 8492, section 4: a name that is encrypted
		d.opaque("pwd_name", 1, 1)
	case extPWDClear: // RFC 8492, section 4
		d.string("pwd_name", 1, 1)
	case extTicketPinning: // RFC 8672, section 3
		if d.more() { // there is none on the first connection
			d.opaque("ticket", 2, 0)
		}
	case ExtSessionTicket: // RFC 5077, section 3.2
		d.remainder("ticket", "")
	case extSupportedEKTCiphers: // RFC 8870, section 5.2.1
		d.numbers("supported_ciphers", 1, 1, "ekt_cipher_type", 1, ektCipherName)
	case ExtPreSharedKey: // RFC 8446, section 4.2.11
		d.vectorOf("identities", 2, 7, func(d *dissector) {
			d.group("psk_identity", func(d *dissector) {
				d.opaque("identity", 2, 1)
				d.number("obfuscated_ticket_age", 4, nil)
			})
		})
		d.vectorOf("binders", 2, 33, func(d *dissector) { d.opaque("psk_binder_entry", 1, 32) })
	case ExtSupportedVersions: // RFC 8446, section 4.2.1
		d.numbers("versions", 1, 2, "protocol_version", 2, versionName)
	case ExtCookie: // RFC 8446, section 4.2.2
		d.opaque("cookie", 2, 1)
	case ExtPSKKeyExchangeModes: // RFC 8446, section 4.2.9
		d.numbers("ke_modes", 1, 1, "psk_key_exchange_mode", 1, pskModeName)
	case ExtCertificateAuthorities: // RFC 8446, section 4.2.4
		d.vectorOf("authorities", 2, 3, func(d *dissector) { d.opaque("distinguished_name", 2, 1) })
	case ExtOIDFilters: // RFC 8446, section 4.2.5
		d.vectorOf("filters", 2, 0, func(d *dissector) {
			d.group("oid_filter", func(d *dissector) {
				d.opaque("certificate_extension_oid", 1, 1)
				d.opaque("certificate_extension_values", 2, 0)
			})
		})
	case ExtKeyShare: // RFC 8446, section 4.2.8
		d.vectorOf("client_shares", 2, 0, func(d *dissector) { d.group("key_share_entry", (*dissector).keyShareEntry) })
	case ExtConnectionID, ExtConnectionIDDeprecated: // RFC 9146, section 3
		d.opaque("cid", 1, 0)
	case ExtExternalIDHash: // RFC 8844, section 3.2
		d.opaque("binding_hash", 1, 0)
	case ExtExternalSessionID: // RFC 8844, section 4.3
		d.opaque("session_id", 1, 20)
	case ExtQUICTransportParameters, ExtQUICTransportParametersDraft: // RFC 9000, section 18
		d.transportParameters()
	case ExtTicketRequest: // RFC 9149, section 3
		d.number("new_session_count", 1, nil)
		d.number("resumption_count", 1, nil)
	case ExtDNSSECChain: // RFC 9102, section 2.2
		d.number("port_number", 2, nil)
	case ExtTLSFlags: // draft-ietf-tls-tlsflags, section 2
		d.opaque("flags", 1, 1)
	case ExtServerPadding: // BoringSSL; no document describes it
		d.number("padding_length", 2, nil)
	case ExtPAKE: // PAKEClientHello of draft-bmw-tls-pake13
		d.opaque("client_identity", 2, 0)
		d.opaque("server_identity", 2, 0)
		d.vectorOf("client_shares", 2, 0, func(d *dissector) {
			d.group("pake_share", func(d *dissector) {
				d.number("named_pake", 2, pakeName)
				d.opaque("pake_message", 2, 1)
			})
		})
	case ExtApplicationSettings, ExtApplicationSettingsOld: // draft-vvv-tls-alps, section 4
		d.protocols("supported_protocols")
	case ExtTrustAnchors: // draft-ietf-tls-trust-anchor-ids-06, section 5.1
		d.vectorOf("trust_anchors", 2, 0, (*dissector).trustAnchor)
	case ExtECHOuterExtensions: // RFC 9849, section 5.1
		d.numbers("outer_extensions", 1, 2, "extension_type", 2, extensionName)
	case ExtEncryptedClientHello: // RFC 9849, section 5
		d.ech()
	case ExtRenegotiationInfo: // RFC 5746, section 3.2
		d.opaque("renegotiated_connection", 1, 0)
	case ExtEncryptedServerName: // draft-ietf-tls-esni-02, section 5
		d.number("suite", 2, suiteName)
		d.group("key_share_entry", (*dissector).keyShareEntry)
		d.opaque("record_digest", 2, 0)
		d.opaque("encrypted_sni", 2, 0)
	case extClientCertificateURL, extTruncatedHMAC, // RFC 6066, sections 5 and 7
		ExtSignedCertificateTimestamp, // RFC 6962, section 3.3.1
		ExtEncryptThenMAC,             // RFC 7366, section 2
		ExtExtendedMasterSecret,       // RFC 7627, section 5.1
		extCertWithExternPSK,          // RFC 8773, section 5
		ExtEarlyData,                  // RFC 8446, section 4.2.10
		ExtPostHandshakeAuth,          // RFC 8446, section 4.2.6
		ExtTransparencyInfo,           // RFC 9162, section 6.5
		extRRC,                        // RFC 9853, section 3
		ExtNextProtocolNegotiation,    // draft-agl-tls-nextprotoneg, section 3
		ExtChannelID, ExtChannelIDOld: // draft-balfanz-tls-channelid, section 3
		// nothing but its presence
	default:
		d.remainder("opaque", "")
	}
	if d.more() {
		d.addError(d.fail("extension_data", ErrTrailing))
		d.remainder("trailing", "")
	}
}

// trustedAuthority reads a TrustedAuthority (RFC 6066, section 6).
func (d *dissector) trustedAuthority() {
	switch d.number("identifier_type", 1, identifierTypeName) {
	case 0:
	case 1:
		d.bytes("key_sha1_hash", 20)
	case 2:
		d.opaque("x509_name", 2, 1)
	case 3:
		d.bytes("cert_sha1_hash", 20)
	default: // not defined: where it ends cannot be known
		d.remainder("opaque", "")
	}
}

// statusRequest reads a CertificateStatusRequest (RFC 6066, section 8).
func (d *dissector) statusRequest() {
	if d.number("status_type", 1, statusTypeName) != 1 {
		d.remainder("opaque", "")
		return
	}
	d.ocspStatusRequest()
}

func (d *dissector) ocspStatusRequest() {
	d.vectorOf("responder_id_list", 2, 0, func(d *dissector) { d.opaque("responder_id", 2, 1) })
	d.opaque("request_extensions", 2, 0)
}

// statusRequestV2 reads a CertificateStatusRequestItemV2 (RFC 6961, section
// 2.2).
func (d *dissector) statusRequestV2() {
	typ := d.number("status_type", 1, statusTypeName)
	d.vector("request", 2, 0, func(d *dissector) {
		if typ != 1 && typ != 2 {
			d.remainder("opaque", "")
			return
		}
		d.ocspStatusRequest()
	})
}

func (d *dissector) protocols(name string) {
	d.vectorOf(name, 2, 2, func(d *dissector) {
		f := d.vector("protocol_name", 1, 1, func(d *dissector) { d.text("opaque", len(d.String)) })
		if f != nil && len(f.Children) == 2 && IsGREASEALPN(f.Children[1].Bytes) {
			f.Note = grease
		}
	})
}

func (d *dissector) padding() {
	if n := len(d.String); n > 0 {
		note := ""
		for _, b := range d.String {
			if b != 0 {
				note = "not all zero"
			}
		}
		d.remainder("padding", note)
	}
}

// keyShareEntry reads a KeyShareEntry (RFC 8446, section 4.2.8).
func (d *dissector) keyShareEntry() {
	d.number("group", 2, groupName)
	d.opaque("key_exchange", 2, 1)
}

// trustAnchor reads a TrustAnchorID, which is a relative OID.
func (d *dissector) trustAnchor() {
	f := d.vector("trust_anchor_identifier", 1, 1, func(d *dissector) { d.remainder("opaque", "") })
	if f != nil && len(f.Children) == 2 {
		if oid := relativeOID(f.Children[1].Bytes); oid != "" {
			f.Children[1].Value = oid
		}
	}
}

// ech reads an ECHClientHello (RFC 9849, section 5).
func (d *dissector) ech() {
	switch d.number("type", 1, echTypeName) {
	case 0:
		d.group("cipher_suite", func(d *dissector) {
			d.number("kdf_id", 2, kdfName)
			d.number("aead_id", 2, aeadName)
		})
		d.number("config_id", 1, nil)
		d.opaque("enc", 2, 0)
		d.opaque("payload", 2, 1)
	case 1:
	default:
		d.remainder("opaque", "")
	}
}

// transportParameters reads QUIC transport parameters (RFC 9000, section 18).
func (d *dissector) transportParameters() {
	d.list("transport_parameters", func(d *dissector) {
		var id uint64
		f := d.group("transport_parameter", func(d *dissector) {
			id = d.varint("transport_parameter_id", parameterName)
			n := d.varint("transport_parameter_length", nil)
			switch {
			case d.stop:
			case n > uint64(len(d.String)):
				d.stopAt(d.truncated("transport_parameter_value"))
			default:
				d.transportParameter(id, int(n))
			}
		})
		if f != nil && !d.stop && IsGREASETransportParameter(id) {
			f.Note = grease
		}
	})
}

// transportParameter reads a value of n bytes. One that is not what its id
// says is noted, and no more, since its length was right.
func (d *dissector) transportParameter(id uint64, n int) {
	const name = "transport_parameter_value"
	if d.checkOnly || n == 0 {
		d.leaf(name, n)
		return
	}
	switch id {
	case 0x01, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0e, // RFC 9000, section 18.2
		0x20,                           // RFC 9221, section 3
		0x3127,                         // initial_rtt, in microseconds
		0xde1a, 0xff04de1a, 0xff04de1b: // draft-ietf-quic-ack-frequency, section 3
		v := d.String[:n]
		f := d.leaf(name, n)
		var x uint64
		if varint(&v, &x) && v.Empty() {
			f.Value = x
		} else {
			f.Note = "not a variable-length integer"
		}
	case 0x11, 0xff73db: // RFC 9368, section 3
		if n%4 != 0 {
			d.leaf(name, n).Note = "not a list of versions"
			return
		}
		d.group(name, func(d *dissector) {
			d.number("chosen_version", 4, quicVersionName)
			d.group("available_versions", func(d *dissector) {
				for i := 4; i < n; i += 4 {
					d.number("version", 4, quicVersionName)
				}
			})
			d.fields[len(d.fields)-1].List = true
		})
	case 0x4752: // google_version
		if f := d.leaf(name, n); n == 4 {
			d.value(f, uint64(f.Bytes[0])<<24|uint64(f.Bytes[1])<<16|uint64(f.Bytes[2])<<8|uint64(f.Bytes[3]), quicVersionName)
		}
	case 0x3128, 0x3129: // google_connection_options, of four letters each, and user_agent_id
		d.text(name, n)
	default:
		d.leaf(name, n)
	}
}
