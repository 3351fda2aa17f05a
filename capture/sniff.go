package capture

// A verdict is what the first bytes of a stream say.
type verdict int

const (
	noHello   verdict = iota
	undecided         // the bytes are those of a hello, but too few
	isHello
)

const (
	recordHandshake        = 22
	recordApplicationData  = 23
	recordChangeCipherSpec = 20
	recordHeader           = 5
	messageHeader          = 4
	handshakeClientHello   = 1
	maxRecord              = 16384 + 2048 // as crypto/tls has it
	maxMessage             = 65536
)

// sniff says whether b begins with a ClientHello in TLS records. It reads up to
// the compression methods, and takes nothing for a hello of which the lengths do
// not fit into each other: of 2^32 places in random bytes, less than one.
func sniff(b []byte) verdict {
	switch {
	case len(b) == 0:
		return undecided
	case b[0] != recordHandshake || len(b) > 1 && b[1] > 0x0f: // crypto/tls takes versions up to 0x0fff
		return noHello
	case len(b) < recordHeader:
		return undecided
	}
	n := int(b[3])<<8 | int(b[4])
	if n == 0 || n > maxRecord {
		return noHello
	}
	if n >= messageHeader+2+32+1+maxSessionID+2 {
		return sniffMessage(b[recordHeader:min(recordHeader+n, len(b))])
	}
	// A short record: the fields may go on in the next. An empty one there is
	// never, and so this ends after a few hundred bytes.
	var message [messageHeader + 2 + 32 + 1 + 255 + 2]byte
	m := message[:0]
	for len(m) < cap(m) && len(b) > 0 {
		if b[0] != recordHandshake || len(b) > 1 && b[1] > 0x0f {
			return noHello
		}
		if len(b) < recordHeader {
			break
		}
		n := int(b[3])<<8 | int(b[4])
		if n == 0 || n > maxRecord {
			return noHello
		}
		body := b[recordHeader:min(recordHeader+n, len(b))]
		m = append(m, body[:min(len(body), cap(m)-len(m))]...)
		if v := sniffMessage(m); v != undecided {
			return v
		}
		b = b[recordHeader+len(body):]
	}
	return undecided
}

// maxSessionID is the length of the longest session id that a server takes.
const maxSessionID = 32

// sniffMessage says whether m is the beginning of a ClientHello (RFC 8446,
// section 4.1.2).
func sniffMessage(m []byte) verdict {
	const shortest = 2 + 32 + 1 + 2 + 1
	if len(m) > 0 && m[0] != handshakeClientHello {
		return noHello
	}
	if len(m) < messageHeader {
		return undecided
	}
	end := messageHeader + int(m[1])<<16 + int(m[2])<<8 + int(m[3])
	if end < messageHeader+shortest || end > messageHeader+maxMessage || len(m) > 4 && m[4] != 3 {
		return noHello
	}
	const sessionID = messageHeader + 2 + 32
	if len(m) <= sessionID {
		return undecided
	}
	ciphers := sessionID + 1 + int(m[sessionID])
	if ciphers+3 > end {
		return noHello
	}
	if len(m) < ciphers+2 {
		return undecided
	}
	if ciphers+2+int(m[ciphers])<<8+int(m[ciphers+1])+1 > end {
		return noHello
	}
	return isHello
}

// wholeHello returns the ClientHello that b, which begins as one, has in one
// record. The length is 0 if it is cut over several, else that of the record's
// part up to the end of the message, which may be longer than b.
func wholeHello(b []byte) (message []byte, length int) {
	if len(b) < recordHeader+messageHeader {
		return nil, 0
	}
	n := int(b[6])<<16 | int(b[7])<<8 | int(b[8])
	record := int(b[3])<<8 | int(b[4])
	if n += messageHeader; n > record {
		return nil, 0
	}
	n += recordHeader
	if n > len(b) {
		return nil, n
	}
	return b[recordHeader:n], n
}

// sslv2Hello returns the hello in SSLv2 format, with its record header, that b
// begins with (RFC 5246, appendix E.2): nil unless it is whole, and its lengths
// are just those of the record.
func sslv2Hello(b []byte) []byte {
	const fields = 11 // up to the cipher specs
	if len(b) < fields || b[0]&0x80 == 0 || b[2] != handshakeClientHello {
		return nil
	}
	if version := int(b[3])<<8 | int(b[4]); version != 2 && version>>2 != 0x300>>2 {
		return nil
	}
	n := 2 + int(b[0]&0x7f)<<8 + int(b[1])
	specs, session, challenge := int(b[5])<<8+int(b[6]), int(b[7])<<8+int(b[8]), int(b[9])<<8+int(b[10])
	if n > len(b) || specs == 0 || specs%3 != 0 || challenge < 16 || challenge > 32 || fields+specs+session+challenge != n {
		return nil
	}
	return b[:n]
}
