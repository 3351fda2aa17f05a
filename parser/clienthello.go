package parser

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// A Transport is what carried the hello. JA4 begins with it.
type Transport uint8

// The carriers of a ClientHello.
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

// handshakeClientHello is HandshakeType client_hello (RFC 8446, section 4).
const handshakeClientHello = 1

// headerLen is the length of the handshake header: msg_type and length.
const headerLen = 4

// maxBody is the longest body of a ClientHello, as in crypto/tls.
const maxBody = 65536

// A ClientHello is the first message of a TLS client (RFC 8446, section 4.1.2),
// or its like in DTLS, QUIC and SSLv2 format. Nothing is dropped or reordered:
// GREASE, unknown and duplicate values are all there.
//
// All byte slices alias the message it was read from; see [ClientHello.Clone].
type ClientHello struct {
	// Transport is not in the message: whoever carried it sets it, before
	// Unmarshal, which reads a cookie only for DTLS and leaves it as it is.
	Transport Transport

	Raw                      []byte // the whole message, its 4-byte header included
	LegacyVersion            Version
	Random                   []byte // 32 bytes
	LegacySessionID          []byte
	Cookie                   []byte // DTLS only (RFC 6347, section 4.2.1)
	CipherSuites             []CipherSuite
	LegacyCompressionMethods []byte
	HasExtensions            bool        // whether there is an extension block, even an empty one
	Extensions               []Extension // in wire order
	Trailing                 []byte      // what follows the extension block, which should be nothing

	// SSLv2 says that the hello is in SSLv2 format (RFC 5246, appendix E.2).
	// Then Random is its challenge, of 16 to 32 bytes, LegacySessionID its
	// session_id, CipherSpecs its cipher_specs, and the rest is empty.
	SSLv2       bool
	CipherSpecs []CipherSpec

	// The rest is read from the bodies of extensions, of the first of a kind
	// where one comes twice. A list that is cut is left empty. Use
	// [ClientHello.HasExtension] to tell absent from empty, and the Err of
	// [ClientHello.Extension] to tell empty from malformed.

	ServerName                       []byte // the first host_name
	SupportedGroups                  []NamedGroup
	ECPointFormats                   []byte
	SignatureAlgorithms              []SignatureScheme
	SignatureAlgorithmsCert          []SignatureScheme
	DelegatedCredentials             []SignatureScheme // of delegated_credential
	ALPNProtocols                    [][]byte
	ApplicationSettings              [][]byte // ALPS, at either code point
	SupportedVersions                []Version
	PSKKeyExchangeModes              []byte
	KeyShares                        []KeyShare
	CertificateCompressionAlgorithms []CertificateCompressionAlgorithm
	RecordSizeLimit                  uint16
	SessionTicket                    []byte
	PSKIdentities                    []PSKIdentity
	PSKBinders                       [][]byte
	ECH                              EncryptedClientHello
	TransportParameters              []TransportParameter // QUIC, in wire order

	checker *dissector // memory of check
}

// An Extension is one extension as it was sent. The bodies of registered
// extensions are checked; those of tls_lts, password_salt, TLMSP and
// sequence_number_encryption_algorithms, of GREASE and of unknown ones may be
// anything.
type Extension struct {
	Type   ExtensionType
	Offset int    // in Raw, of its type; Data begins 4 bytes later
	Data   []byte // extension_data
	Err    *Error // the first thing that is wrong with Data, if something is
}

// A KeyShare is a KeyShareEntry (RFC 8446, section 4.2.8).
type KeyShare struct {
	Group       NamedGroup
	KeyExchange []byte
}

// A PSKIdentity is a PskIdentity (RFC 8446, section 4.2.11).
type PSKIdentity struct {
	Identity            []byte
	ObfuscatedTicketAge uint32 // milliseconds, plus ticket_age_add
}

// An EncryptedClientHello is the body of encrypted_client_hello (RFC 9849,
// section 5). The fields after Type are those of an outer hello.
type EncryptedClientHello struct {
	Type     uint8 // 0 outer, 1 inner
	KDF      uint16
	AEAD     uint16
	ConfigID uint8
	Enc      []byte
	Payload  []byte
}

// A TransportParameter is a QUIC transport parameter (RFC 9000, section 18).
type TransportParameter struct {
	ID    uint64
	Value []byte
}

// Parse reads a ClientHello carried by TLS or QUIC from its handshake message,
// which it aliases. Errors are as those of [ClientHello.Unmarshal], which also
// reads what DTLS carried, and shows what came before an error.
func Parse(msg []byte) (*ClientHello, error) {
	h := new(ClientHello)
	if err := h.Unmarshal(msg); err != nil {
		return nil, err
	}
	return h, nil
}

// Unmarshal reads msg, a whole handshake message with its header, into h,
// whose memory it uses again. What h holds afterwards aliases msg. The error,
// if any, is an [*Error], and h then holds what came before it.
//
// A DTLS message is expected with the 4-byte header, as DTLS 1.3 hashes it
// (RFC 9147, section 5.2), which is what [DTLSAssembler] returns.
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

// reset empties h, but keeps its memory and its transport. It costs half of
// what an assignment of a whole ClientHello does.
func (h *ClientHello) reset(msg []byte) {
	h.Raw = msg
	h.LegacyVersion = 0
	h.Random = nil
	h.LegacySessionID = nil
	h.Cookie = nil
	h.CipherSuites = h.CipherSuites[:0]
	h.LegacyCompressionMethods = nil
	h.HasExtensions = false
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
	h.ECH.Type, h.ECH.KDF, h.ECH.AEAD, h.ECH.ConfigID = 0, 0, 0, 0
	h.ECH.Enc, h.ECH.Payload = nil, nil
	h.TransportParameters = h.TransportParameters[:0]
}

func (h *ClientHello) unmarshal(msg []byte) *Error {
	switch {
	case len(msg) == 0:
		return &Error{Offset: 0, Field: "msg_type", Err: ErrTruncated}
	case msg[0] != handshakeClientHello:
		return &Error{Offset: 0, Field: "msg_type", Err: ErrNotHello}
	case len(msg) < headerLen:
		return &Error{Offset: len(msg), Field: "length", Err: ErrTruncated}
	case len(msg) > messageLen(msg):
		return &Error{Offset: messageLen(msg), Field: "length", Err: ErrTrailing}
	}
	// A message that was cut is read as far as it goes: the field that the
	// cut went through says more than the length.
	if err := h.unmarshalBody(msg); err != nil {
		return err
	}
	if len(msg) < messageLen(msg) {
		return &Error{Offset: len(msg), Field: "length", Err: ErrTruncated}
	}
	return nil
}

// unmarshalBody reads what follows the message's header. As no field but a
// list has an end of its own, whatever is cut is cut at the end of msg.
func (h *ClientHello) unmarshalBody(msg []byte) *Error {
	cut := func(field string) *Error { return &Error{Offset: len(msg), Field: field, Err: ErrTruncated} }
	b := msg[headerLen:]
	if len(b) < 2 {
		return cut("legacy_version")
	}
	h.LegacyVersion = Version(b[0])<<8 | Version(b[1])
	if len(b) < 2+32 {
		return cut("random")
	}
	h.Random = b[2 : 2+32]
	if h.LegacySessionID, b = vector8(b[2+32:]); h.LegacySessionID == nil {
		return cut("legacy_session_id")
	}
	if h.Transport == DTLS {
		if h.Cookie, b = vector8(b); h.Cookie == nil {
			return cut("cookie")
		}
	}
	suites, b := vector16(b)
	if suites == nil {
		return cut("cipher_suites")
	}
	if !decodeUint16s(&h.CipherSuites, suites) && len(suites) > 0 {
		return &Error{Offset: len(msg) - len(b), Field: "cipher_suites", Err: ErrTruncated}
	}
	if h.LegacyCompressionMethods, b = vector8(b); h.LegacyCompressionMethods == nil {
		return cut("legacy_compression_methods")
	}
	if len(b) == 0 {
		return nil // SSL 3.0 to TLS 1.2 allow it: RFC 5246, section 7.4.1.2
	}
	extensions, trailing := vector16(b)
	if extensions == nil {
		return cut("extensions")
	}
	h.HasExtensions = true
	if len(trailing) > 0 {
		h.Trailing = trailing
	}
	return h.unmarshalExtensions(extensions, len(msg)-len(trailing)-len(extensions))
}

// unmarshalExtensions reads the extension block b, which stands at start in
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
		// Filled in place: to append an Extension that lies elsewhere costs
		// three times as much.
		if len(list) == cap(list) {
			list = slices.Grow(list, 1)
		}
		list = list[:len(list)+1]
		e := &list[len(list)-1]
		typ, data := ExtensionType(head>>16), b[4:n]
		e.Type, e.Offset, e.Data, e.Err = typ, end-len(b), data, nil
		b = b[n:]
		bit := extensionBit(typ)
		if seen&bit != 0 || !h.decode(typ, data) { // the first one's values stay
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

// Extension returns the first extension of type t, or nil if none was sent.
func (h *ClientHello) Extension(t ExtensionType) *Extension {
	for i := range h.Extensions {
		if h.Extensions[i].Type == t {
			return &h.Extensions[i]
		}
	}
	return nil
}

// Clone returns a copy of h that aliases neither h nor its message.
func (h *ClientHello) Clone() *ClientHello {
	c := &ClientHello{Transport: h.Transport}
	// An error was an error before: c stops where h did.
	_ = c.Unmarshal(slices.Clone(h.Raw))
	return c
}

// Equal reports whether h and o are the same message from the same carrier.
func (h *ClientHello) Equal(o *ClientHello) bool {
	return h.Transport == o.Transport && bytes.Equal(h.Raw, o.Raw)
}
