package parser

// sslv2HeaderLen is the length of an SSLv2 record header: a set bit, then 15
// bits of length.
const sslv2HeaderLen = 2

// sslv2MinLen is the length of the fields before cipher_specs.
const sslv2MinLen = 11

// sslv2MessageLen returns the length of the message that begins with b, of 2
// bytes or more, with its header.
func sslv2MessageLen(b []byte) int {
	return sslv2HeaderLen + int(b[0]&0x7f)<<8 + int(b[1])
}

// unmarshalSSLv2 reads a hello in SSLv2 format (RFC 5246, appendix E.2), with
// its record header.
func (h *ClientHello) unmarshalSSLv2(msg []byte) *Error {
	h.SSLv2 = true
	r := reader{msg, len(msg)}
	var length, specLen, sessionLen, challengeLen uint16
	var typ uint8
	var specs reader
	switch {
	case !r.ReadUint16(&length):
		return r.truncated("msg_length")
	case !r.ReadUint8(&typ):
		return r.truncated("msg_type")
	case typ != handshakeClientHello:
		return &Error{Offset: 2, Field: "msg_type", Err: ErrNotHello}
	case !r.ReadUint16((*uint16)(&h.LegacyVersion)):
		return r.truncated("version")
	case !r.ReadUint16(&specLen):
		return r.truncated("cipher_spec_length")
	case !r.ReadUint16(&sessionLen):
		return r.truncated("session_id_length")
	case !r.ReadUint16(&challengeLen):
		return r.truncated("challenge_length")
	case !r.ReadBytes((*[]byte)(&specs.String), int(specLen)):
		return r.truncated("cipher_specs")
	case specLen%3 != 0:
		return r.fail("cipher_specs", ErrTruncated)
	}
	for s := specs.String; len(s) > 0; s = s[3:] {
		h.CipherSpecs = append(h.CipherSpecs, CipherSpec(s[0])<<16|CipherSpec(s[1])<<8|CipherSpec(s[2]))
	}
	switch {
	case !r.ReadBytes(&h.LegacySessionID, int(sessionLen)):
		return r.truncated("session_id")
	case !r.ReadBytes(&h.Random, int(challengeLen)):
		return r.truncated("challenge")
	case !r.Empty():
		return r.fail("msg_length", ErrTrailing)
	case len(msg) != sslv2MessageLen(msg):
		return &Error{Offset: len(msg), Field: "msg_length", Err: ErrTruncated}
	}
	return nil
}
