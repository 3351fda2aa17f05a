package parser

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/tlspeek/tlspeek/internal/tlsrecord"
)

// A Transport is the protocol that carried a hello.
type Transport uint8

// The transports of a ClientHello.
const (
	TLS Transport = iota
	QUIC
	DTLS
)

// String returns "tls", "quic" or "dtls".
func (t Transport) String() string {
	switch t {
	case TLS:
		return "tls"
	case QUIC:
		return "quic"
	case DTLS:
		return "dtls"
	}
	return "unknown"
}

// ParseTransport returns the transport whose String is s, and whether there is
// one. It returns TLS if there is none.
func ParseTransport(s string) (Transport, bool) {
	for _, t := range [...]Transport{TLS, QUIC, DTLS} {
		if t.String() == s {
			return t, true
		}
	}
	return TLS, false
}

// headerLen is the length of the header of a handshake message.
const headerLen = tlsrecord.MessageHeaderLen

// A ClientHello is the first message of a TLS client (RFC 8446, section 4.1.2),
// or its counterpart in DTLS, QUIC and SSLv2 format. Nothing is dropped or
// reordered: GREASE, unknown and duplicate values are all kept.
//
// All byte slices alias the message that was unmarshalled; [ClientHello.Clone]
// makes an independent copy. Methods that only read may be called by several
// goroutines at once.
type ClientHello struct {
	// Transport is not part of the message: the caller sets it before Unmarshal,
	// which reads a cookie only for DTLS and never changes it.
	Transport Transport

	// Raw is the whole handshake message, its 4-byte header included.
	Raw []byte

	// LegacyVersion is legacy_version (RFC 8446, section 4.1.2): 0303 for TLS
	// 1.2 and 1.3, fefd for DTLS 1.2 and 1.3.
	LegacyVersion            Version
	Random                   []byte        // 32 bytes
	LegacySessionID          []byte        // 0 to 255 bytes, where the RFC allows 32
	Cookie                   []byte        // DTLS only (RFC 6347, section 4.2.1); nil for other transports
	CipherSuites             []CipherSuite // in wire order
	LegacyCompressionMethods []byte        // one byte a method

	// ExtensionsPresent says that there is an extension block, even an empty one.
	ExtensionsPresent bool
	Extensions        []Extension // in wire order
	Trailing          []byte      // bytes after the extension block; nil in a valid message

	// SSLv2 says that the hello is in SSLv2 format (RFC 5246, appendix E.2).
	// Then Random is its challenge, of 16 to 32 bytes, LegacySessionID its
	// session_id, CipherSpecs its cipher_specs, and all other fields are empty.
	SSLv2       bool
	CipherSpecs []CipherSpec // in wire order

	// The fields below are decoded from the bodies of extensions. Where an
	// extension comes twice, they have the first one's values. A truncated list
	// is left empty. Use [ClientHello.HasExtension] to tell an absent extension
	// from an empty one, and [Extension.Err] to tell an empty one from a
	// malformed one.

	ServerName              []byte            // server_name: the first host_name (RFC 6066, section 3)
	SupportedGroups         []NamedGroup      // supported_groups (RFC 8446, section 4.2.7)
	ECPointFormats          []byte            // ec_point_formats, one byte a format (RFC 8422, section 5.1.2)
	SignatureAlgorithms     []SignatureScheme // signature_algorithms (RFC 8446, section 4.2.3)
	SignatureAlgorithmsCert []SignatureScheme // signature_algorithms_cert (RFC 8446, section 4.2.3)
	DelegatedCredentials    []SignatureScheme // delegated_credential (RFC 9345, section 4.1.1)
	ALPNProtocols           [][]byte          // application_layer_protocol_negotiation (RFC 7301, section 3.1)
	ApplicationSettings     [][]byte          // application_settings at either code point (draft-vvv-tls-alps, section 4)
	SupportedVersions       []Version         // supported_versions (RFC 8446, section 4.2.1)
	PSKKeyExchangeModes     []byte            // psk_key_exchange_modes, one byte a mode (RFC 8446, section 4.2.9)
	KeyShares               []KeyShare        // key_share (RFC 8446, section 4.2.8)

	// CertificateCompressionAlgorithms are those of compress_certificate (RFC
	// 8879, section 3).
	CertificateCompressionAlgorithms []CertificateCompressionAlgorithm

	RecordSizeLimit     uint16                // record_size_limit in bytes (RFC 8449, section 4); 0 if absent
	SessionTicket       []byte                // session_ticket (RFC 5077, section 3.2)
	PSKIdentities       []PSKIdentity         // identities of pre_shared_key (RFC 8446, section 4.2.11)
	PSKBinders          [][]byte              // binders of pre_shared_key
	ECH                 *EncryptedClientHello // encrypted_client_hello (RFC 9849, section 5); nil if absent or malformed
	TransportParameters []TransportParameter  // quic_transport_parameters in wire order (RFC 9000, section 18)

	ech     EncryptedClientHello // memory of ECH
	scratch *dissector           // memory of check
}

// An Extension is one extension as it was sent. The bodies of registered
// extensions are checked. Those of tls_lts, password_salt, TLMSP,
// sequence_number_encryption_algorithms, of GREASE and of unregistered
// extensions may be anything.
type Extension struct {
	Type   ExtensionType // also one that is GREASE or not registered
	Offset int           // in Raw, of the type; Data begins 4 bytes later
	Data   []byte        // extension_data
	Err    *Error        // the first error in Data, or nil
}

// A KeyShare is a KeyShareEntry of key_share (RFC 8446, section 4.2.8).
type KeyShare struct {
	Group       NamedGroup // also GREASE
	KeyExchange []byte     // aliases the message
}

// A PSKIdentity is a PskIdentity of pre_shared_key (RFC 8446, section 4.2.11).
type PSKIdentity struct {
	Identity            []byte // aliases the message
	ObfuscatedTicketAge uint32 // milliseconds, plus ticket_age_add
}

// An EncryptedClientHello is the body of encrypted_client_hello (RFC 9849,
// section 5). The fields after Type are those of an outer hello, and zero in
// any other. KDF and AEAD are identifiers of HPKE (RFC 9180, section 7).
type EncryptedClientHello struct {
	Type     uint8  // 0 outer, 1 inner
	KDF      uint16 // of cipher_suite
	AEAD     uint16 // of cipher_suite
	ConfigID uint8  // config_id
	Enc      []byte // aliases the message
	Payload  []byte // aliases the message
}

// ECHClientHelloType (RFC 9849, section 5).
const (
	echOuter = 0
	echInner = 1
)

// A TransportParameter is a QUIC transport parameter (RFC 9000, section 18).
type TransportParameter struct {
	ID    uint64 // also a reserved or unregistered one
	Value []byte // aliases the message
}

// Parse reads a ClientHello that TLS carried, from its handshake message, which
// it aliases. Errors are those of [ClientHello.Unmarshal], which also keeps the
// fields before an error.
func Parse(msg []byte) (*ClientHello, error) { return parse(TLS, msg) }

// ParseQUIC is [Parse] for a ClientHello that QUIC carried.
func ParseQUIC(msg []byte) (*ClientHello, error) { return parse(QUIC, msg) }

// ParseDTLS is [Parse] for a ClientHello that DTLS carried, with the 4-byte
// header that [DTLSAssembler] returns.
func ParseDTLS(msg []byte) (*ClientHello, error) { return parse(DTLS, msg) }

func parse(t Transport, msg []byte) (*ClientHello, error) {
	h := &ClientHello{Transport: t}
	if err := h.Unmarshal(msg); err != nil {
		return nil, err
	}
	return h, nil
}

// Unmarshal reads msg, a complete handshake message with its header, into h, and
// reuses the memory of h. Afterwards h aliases msg. The error, if any, is an
// [*Error], and h then has the fields before it.
//
// A DTLS message has the 4-byte header of msg_type and length, as DTLS 1.3
// hashes it (RFC 9147, section 5.2), which is what [DTLSAssembler] returns.
func (h *ClientHello) Unmarshal(msg []byte) error {
	h.reset(msg)
	var err *Error
	if len(msg) > 0 && msg[0]&0x80 != 0 {
		err = h.unmarshalSSLv2(msg)
	} else {
		err = h.unmarshal(msg)
	}
	if err != nil {
		return err
	}
	return nil
}

// reset empties h, but keeps its memory and its transport. It costs half as much
// as the assignment of a whole ClientHello.
func (h *ClientHello) reset(msg []byte) {
	h.Raw = msg
	h.LegacyVersion = 0
	h.Random = nil
	h.LegacySessionID = nil
	h.Cookie = nil
	h.CipherSuites = h.CipherSuites[:0]
	h.LegacyCompressionMethods = nil
	h.ExtensionsPresent = false
	h.Extensions = h.Extensions[:0]
	h.Trailing = nil
	h.SSLv2 = false
	h.CipherSpecs = h.CipherSpecs[:0]
	h.ServerName = nil
	h.SupportedGroups = h.SupportedGroups[:0]
	h.ECPointFormats = nil
	h.SignatureAlgorithms = h.SignatureAlgorithms[:0]
	h.SignatureAlgorithmsCert = h.SignatureAlgorithmsCert[:0]
	h.DelegatedCredentials = h.DelegatedCredentials[:0]
	h.ALPNProtocols = h.ALPNProtocols[:0]
	h.ApplicationSettings = h.ApplicationSettings[:0]
	h.SupportedVersions = h.SupportedVersions[:0]
	h.PSKKeyExchangeModes = nil
	h.KeyShares = h.KeyShares[:0]
	h.CertificateCompressionAlgorithms = h.CertificateCompressionAlgorithms[:0]
	h.RecordSizeLimit = 0
	h.SessionTicket = nil
	h.PSKIdentities = h.PSKIdentities[:0]
	h.PSKBinders = h.PSKBinders[:0]
	h.ECH = nil
	h.TransportParameters = h.TransportParameters[:0]
}

func (h *ClientHello) unmarshal(msg []byte) *Error {
	switch {
	case len(msg) == 0:
		return &Error{Offset: 0, Field: "msg_type", Err: ErrTruncated}
	case msg[0] != tlsrecord.ClientHello:
		return &Error{Offset: 0, Field: "msg_type", Err: ErrNotHello}
	case len(msg) < headerLen:
		return &Error{Offset: len(msg), Field: "length", Err: ErrTruncated}
	case len(msg) > tlsrecord.MessageLen(msg):
		return &Error{Offset: tlsrecord.MessageLen(msg), Field: "length", Err: ErrTrailing}
	}
	// A truncated message is read as far as it goes: the name of the truncated
	// field says more than the length.
	if err := h.unmarshalBody(msg); err != nil {
		return err
	}
	if len(msg) < tlsrecord.MessageLen(msg) {
		return &Error{Offset: len(msg), Field: "length", Err: ErrTruncated}
	}
	return nil
}

// unmarshalBody reads what follows the message's header. No field but a list has
// an end of its own, so whatever is truncated ends at the end of msg.
func (h *ClientHello) unmarshalBody(msg []byte) *Error {
	r := reader{msg[headerLen:], len(msg)}
	var suites, extensions []byte
	switch {
	case !r.ReadUint16((*uint16)(&h.LegacyVersion)):
		return r.truncated("legacy_version")
	case !r.ReadBytes(&h.Random, 32):
		return r.truncated("random")
	case !r.vector8(&h.LegacySessionID):
		return r.truncated("legacy_session_id")
	case h.Transport == DTLS && !r.vector8(&h.Cookie):
		return r.truncated("cookie")
	case !r.vector16(&suites):
		return r.truncated("cipher_suites")
	case !appendUint16s(&h.CipherSuites, suites) && len(suites) > 0:
		return r.fail("cipher_suites", ErrTruncated)
	case !r.vector8(&h.LegacyCompressionMethods):
		return r.truncated("legacy_compression_methods")
	case r.Empty():
		return nil // SSL 3.0 to TLS 1.2 allow it: RFC 5246, section 7.4.1.2
	case !r.vector16(&extensions):
		return r.truncated("extensions")
	}
	h.ExtensionsPresent = true
	if !r.Empty() {
		h.Trailing = r.String
	}
	return h.unmarshalExtensions(extensions, r.offset()-len(extensions))
}

// unmarshalExtensions reads the extension block b, which begins at byte start of
// the message.
func (h *ClientHello) unmarshalExtensions(b []byte, start int) *Error {
	var seen uint64 // bits of extensionBit
	list, end := h.Extensions, start+len(b)
	for len(b) >= 4 {
		head := binary.BigEndian.Uint32(b)
		n := 4 + int(head&0xffff)
		if n > len(b) {
			break
		}
		// Filled in place: appending an Extension costs three times as much.
		if len(list) == cap(list) {
			list = slices.Grow(list, 1)
		}
		list = list[:len(list)+1]
		e := &list[len(list)-1]
		typ, data := ExtensionType(head>>16), b[4:n]
		e.Type, e.Offset, e.Data, e.Err = typ, end-len(b), data, nil
		b = b[n:]
		bit := extensionBit(typ)
		if seen&bit != 0 || !h.decode(typ, data) { // of two, the first one's values stay
			e.Err = h.check(e)
		}
		seen |= bit
	}
	h.Extensions = list
	switch len(b) {
	case 0:
		return nil
	case 1:
		return &Error{Offset: end, Field: "extension_type", Err: ErrTruncated}
	}
	return &Error{Offset: end, Field: "extension_data", Err: ErrTruncated}
}

// HasExtension reports whether an extension of type t was sent.
func (h *ClientHello) HasExtension(t ExtensionType) bool {
	for i := range h.Extensions {
		if h.Extensions[i].Type == t {
			return true
		}
	}
	return false
}

// Extension returns the first extension of type t, and whether one was sent.
func (h *ClientHello) Extension(t ExtensionType) (Extension, bool) {
	for i := range h.Extensions {
		if h.Extensions[i].Type == t {
			return h.Extensions[i], true
		}
	}
	return Extension{}, false
}

// Clone returns a copy of h that aliases neither h nor its message.
func (h *ClientHello) Clone() *ClientHello {
	c := &ClientHello{Transport: h.Transport}
	// h may hold a message that failed to decode; the copy fails at the same place.
	_ = c.Unmarshal(slices.Clone(h.Raw))
	return c
}

// Equal reports whether h and o are the same message over the same transport.
func (h *ClientHello) Equal(o *ClientHello) bool {
	return h.Transport == o.Transport && bytes.Equal(h.Raw, o.Raw)
}
