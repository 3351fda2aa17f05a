package parser

import "github.com/tlspeek/tlspeek/internal/tlsrecord"

// unmarshalSSLv2 reads a hello in SSLv2 format (RFC 5246, appendix E.2). msg
// includes the record header.
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
	case typ != tlsrecord.ClientHello:
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
	case len(msg) != tlsrecord.SSLv2MessageLen(msg):
		return &Error{Offset: len(msg), Field: "msg_length", Err: ErrTruncated}
	}
	return nil
}
