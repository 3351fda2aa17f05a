package parser

import "github.com/tlspeek/tlspeek/internal/varint"

// extensionBody reads the body of an extension of type t.
func (d *dissector) extensionBody(t ExtensionType) {
	switch row := extensionRowOf(t); {
	case row == nil:
		d.remainder("opaque", "")
	case row.body != nil:
		row.body(d)
	}
	if d.more() {
		d.addError(d.fail("extension_data", ErrTrailing))
		d.remainder("trailing", "")
	}
}

// The functions below read one extension's body each.

func (d *dissector) serverName() {
	d.vectorOf("server_name_list", 2, 1, func(d *dissector) {
		d.group("server_name", func(d *dissector) {
			d.number("name_type", 1, nameTypeName)
			d.string("host_name", 2, 1)
		})
	})
}

func (d *dissector) trustedCAKeys() {
	d.vectorOf("trusted_authorities_list", 2, 0, func(d *dissector) {
		d.group("trusted_authority", (*dissector).trustedAuthority)
	})
}

func (d *dissector) trustedAuthority() {
	switch d.number("identifier_type", 1, identifierTypeName) {
	case 0:
	case 1:
		d.bytes("key_sha1_hash", 20)
	case 2:
		d.opaque("x509_name", 2, 1)
	case 3:
		d.bytes("cert_sha1_hash", 20)
	default: // not defined, so its end is unknown
		d.remainder("opaque", "")
	}
}

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

func (d *dissector) authz() {
	d.numbers("authz_format_list", 1, 1, "authz_format", 1, authzFormatName)
}

func (d *dissector) signatureAlgorithms() {
	d.numbers("supported_signature_algorithms", 2, 2, "signature_scheme", 2, schemeName)
}

func (d *dissector) useSRTP() {
	d.numbers("srtp_protection_profiles", 2, 2, "srtp_protection_profile", 2, srtpProfileName)
	d.opaque("srtp_mki", 1, 0)
}

func (d *dissector) protocols(name string) {
	d.vectorOf(name, 2, 2, func(d *dissector) {
		f := d.vector("protocol_name", 1, 1, func(d *dissector) { d.text("opaque", len(d.String)) })
		if f != nil && len(f.Children) == 2 && IsGREASEALPN(f.Children[1].Bytes) {
			f.Note = grease
		}
	})
}

func (d *dissector) statusRequestV2() {
	d.vectorOf("certificate_status_req_list", 2, 1, func(d *dissector) {
		d.group("certificate_status_request_item", func(d *dissector) {
			typ := d.number("status_type", 1, statusTypeName)
			d.vector("request", 2, 0, func(d *dissector) {
				if typ != 1 && typ != 2 {
					d.remainder("opaque", "")
					return
				}
				d.ocspStatusRequest()
			})
		})
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

func (d *dissector) tokenBinding() {
	d.group("token_binding_version", func(d *dissector) {
		d.number("major", 1, nil)
		d.number("minor", 1, nil)
	})
	d.numbers("key_parameters_list", 1, 1, "token_binding_key_parameters", 1, keyParametersName)
}

func (d *dissector) cachedInfo() {
	d.vectorOf("cached_info", 2, 1, func(d *dissector) {
		d.group("cached_object", func(d *dissector) {
			d.number("type", 1, cachedInfoName)
			d.opaque("hash_value", 1, 1)
		})
	})
}

// ticketPinning reads a ticket, which the first connection does not have.
func (d *dissector) ticketPinning() {
	if d.more() {
		d.opaque("ticket", 2, 0)
	}
}

func (d *dissector) preSharedKey() {
	d.vectorOf("identities", 2, 7, func(d *dissector) {
		d.group("psk_identity", func(d *dissector) {
			d.opaque("identity", 2, 1)
			d.number("obfuscated_ticket_age", 4, nil)
		})
	})
	d.vectorOf("binders", 2, 33, func(d *dissector) { d.opaque("psk_binder_entry", 1, 32) })
}

func (d *dissector) certificateAuthorities() {
	d.vectorOf("authorities", 2, 3, func(d *dissector) { d.opaque("distinguished_name", 2, 1) })
}

func (d *dissector) oidFilters() {
	d.vectorOf("filters", 2, 0, func(d *dissector) {
		d.group("oid_filter", func(d *dissector) {
			d.opaque("certificate_extension_oid", 1, 1)
			d.opaque("certificate_extension_values", 2, 0)
		})
	})
}

func (d *dissector) keyShare() {
	d.vectorOf("client_shares", 2, 0, func(d *dissector) { d.group("key_share_entry", (*dissector).keyShareEntry) })
}

func (d *dissector) keyShareEntry() {
	d.number("group", 2, groupName)
	d.opaque("key_exchange", 2, 1)
}

func (d *dissector) ticketRequest() {
	d.number("new_session_count", 1, nil)
	d.number("resumption_count", 1, nil)
}

// pake reads a PAKEClientHello.
func (d *dissector) pake() {
	d.opaque("client_identity", 2, 0)
	d.opaque("server_identity", 2, 0)
	d.vectorOf("client_shares", 2, 0, func(d *dissector) {
		d.group("pake_share", func(d *dissector) {
			d.number("named_pake", 2, pakeName)
			d.opaque("pake_message", 2, 1)
		})
	})
}

// trustAnchors reads the list of revision 06 of the draft. A TrustAnchorID is a
// relative object identifier.
func (d *dissector) trustAnchors() {
	d.vectorOf("trust_anchors", 2, 0, func(d *dissector) {
		f := d.vector("trust_anchor_identifier", 1, 1, func(d *dissector) { d.remainder("opaque", "") })
		if f != nil && len(f.Children) == 2 {
			if oid := relativeOID(f.Children[1].Bytes); oid != "" {
				f.Children[1].Value = oid
			}
		}
	})
}

// encryptedClientHello reads an ECHClientHello.
func (d *dissector) encryptedClientHello() {
	switch d.number("type", 1, echTypeName) {
	case echOuter:
		d.group("cipher_suite", func(d *dissector) {
			d.number("kdf_id", 2, kdfName)
			d.number("aead_id", 2, aeadName)
		})
		d.number("config_id", 1, nil)
		d.opaque("enc", 2, 0)
		d.opaque("payload", 2, 1)
	case echInner:
	default: // not defined
		d.remainder("opaque", "")
	}
}

func (d *dissector) encryptedServerName() {
	d.number("suite", 2, suiteName)
	d.group("key_share_entry", (*dissector).keyShareEntry)
	d.opaque("record_digest", 2, 0)
	d.opaque("encrypted_sni", 2, 0)
}

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

// transportParameter reads a value of n bytes. A value of a form other than its
// id demands gets a note and is no error, because its length was right.
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
		f := d.leaf(name, n)
		if v, length := varint.Parse(f.Bytes); length == n {
			f.Value = v
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
