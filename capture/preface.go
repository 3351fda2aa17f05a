package capture

import (
	"bytes"
	"encoding/binary"
)

// A connection whose SYN is not in the capture is searched from the first segment on
// that starts a hello, has a hello after a known preface, or starts a transfer. Other
// segments of unknown connections, which most packets of a capture are, must be told
// from these by few bytes.

// Classes of the first byte of a segment.
const (
	startsNothing = iota
	startsRecord  // a record in which a hello may start, or a warning alert
	startsText    // a line of text, or a word that a preface starts with
	startsBinary  // another preface, or a capture
)

// startClasses has the class of each first byte.
var startClasses = newStartClasses()

func newStartClasses() (classes [256]uint8) {
	const text = "*.<12356789ABCDEFGHIJKLNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	const binary = "\x00\x03\x04\x05\n\r 04M\xa1\xd4\xff"
	for i := range len(text) {
		classes[text[i]] = startsText
	}
	for i := range len(binary) {
		classes[binary[i]] = startsBinary
	}
	for b := range classes {
		if mayBeRecord(byte(b)) {
			classes[b] = startsRecord
		}
	}
	return classes
}

// mayAdopt reports whether p, the payload of a segment of an unknown connection, may be
// the first of it to be searched.
func mayAdopt(p []byte) bool {
	switch startClasses[p[0]] {
	case startsNothing:
		return false
	case startsRecord:
		return startsHello(p) || isTinyStart(p)
	case startsText:
		if len(p) < minPreface {
			break
		}
		// What is encrypted or compressed often starts with a letter, and most text is HTTP.
		const http = 'H'<<24 | 'T'<<16 | 'T'<<8 | 'P'
		first := binary.BigEndian.Uint64(p)
		if first&notASCII != 0 || first>>32 == http {
			return false
		}
	}
	at, transfer := afterPrefaces(p)
	return transfer || at > 0
}

// notASCII has the bits that are not set in eight bytes of ASCII.
const notASCII = 0x8080_8080_8080_8080

// adopts is mayAdopt for a segment that startsNewHello is false for. A hello that has
// been emitted is not searched for again.
func (s *scanner) adopts(sequence uint32, p []byte) bool {
	switch startClasses[p[0]] {
	case startsNothing:
		return false
	case startsRecord:
		return isTinyStart(p)
	}
	at, transfer := afterPrefaces(p)
	s.examined += max(at, minPreface)
	if transfer || at == 0 {
		return transfer
	}
	hello := p[at:]
	return s.sniff(hello) != noHello &&
		!s.streams.hellos.has(s.helloKey(sequence+uint32(at), hello[min(recordHeader, len(hello)):]))
}

// isTinyStart reports whether p has fewer bytes than startsHello asks for, which may be
// the first ones of a hello.
func isTinyStart(p []byte) bool {
	return len(p) < minStart && p[0] == recordHandshake && sniff(p) != noHello
}

const (
	minPreface  = 8   // length of the shortest preface, but for lines
	maxPrefaces = 4   // how many of them may follow each other in a segment
	longestLine = 64  // length of the longest line that is not known by its first word
	maxStanza   = 512 // length of the longest preface whose length is unknown
)

// afterPrefaces returns the offset in p of a record that comes after known prefaces, or
// 0 if none does. It is len(p) if the last preface is certain to go on in the next
// segment. transfer reports whether a capture or a message with a body comes instead.
func afterPrefaces(p []byte) (at int, transfer bool) {
	for range maxPrefaces {
		n, body := prefaceLen(p[at:])
		switch {
		case body:
			return at, true
		case at+n == len(p), n == 0 && !isCutCommand(p[at:]):
			return 0, false
		case at+n > len(p), n == 0:
			return len(p), false
		}
		at += n
		if p[at] == recordHandshake && (at+1 == len(p) || p[at+1] <= maxRecordMajor) {
			return at, false
		}
	}
	return 0, false
}

// prefaceLen returns the length of the preface or line at the start of p, or 0. It is
// more than that of p if p is certain to have only a part of it.
func prefaceLen(p []byte) (n int, transfer bool) {
	if len(p) < minPreface {
		for _, short := range shortPrefaces {
			if bytes.HasPrefix(p, []byte(short)) {
				return len(short), false
			}
		}
		return lineLen(p, len(p)), false
	}
	const (
		postgresRequest = 0x00000008
		postgresTLS     = 0x04d2162f // SSLRequest
		postgresGSS     = 0x04d21630 // GSSENCRequest
		mysqlRequest    = 0x20000001 // SSLRequest: 32 bytes with sequence number 1
		mysqlOldRequest = 0x05000001
		nbdFlags        = 0x00000003 // of the client, all that there are
		pcepStartTLS    = 0x200d0004 // RFC 8253, section 3.3
	)
	second := binary.BigEndian.Uint32(p[4:])
	switch binary.BigEndian.Uint32(p) {
	case postgresRequest:
		if second == postgresTLS || second == postgresGSS {
			return 8, false
		}
		return 0, false
	case nbdFlags, nbdFlags &^ 1, nbdFlags &^ 2, nbdFlags &^ 3: // NBD_OPT_STARTTLS follows, without data
		if second == 'I'<<24|'H'<<16|'A'<<8|'V' {
			return 4 + 16, false
		}
		return 0, false
	case pcepStartTLS:
		return 4, false
	case mysqlRequest:
		return 4 + 32, false
	case mysqlOldRequest:
		return 4 + 5, false
	case 'A'<<24 | 'M'<<16 | 'Q'<<8 | 'P': // the header that asks for TLS in AMQP 1.0
		if second == 0x02010000 {
			return 8, false
		}
		return 0, false
	case 'R'<<24 | 'F'<<16 | 'B'<<8 | ' ', // VeNCrypt
		'I'<<24 | 'H'<<16 | 'A'<<8 | 'V',    // NBD_OPT_STARTTLS
		'<'<<24 | 's'<<16 | 't'<<8 | 'a',    // XMPP
		'<'<<24 | 's'<<16 | 't'<<8 | 'r',    //
		'<'<<24 | '?'<<16 | 'x'<<8 | 'm',    //
		0xff<<24 | 0xfa<<16 | '.'<<8 | 1,    // START_TLS of Telnet
		0xff<<24 | 0xfb<<16 | '.'<<8 | 0xff, //
		'C'<<24 | 'A'<<16 | 'P'<<8 | ' ',    // IRC
		'N'<<24 | 'I'<<16 | 'C'<<8 | 'K':    //
		return stanzaLen(p), false
	case 'E'<<24 | 'H'<<16 | 'L'<<8 | 'O', // SMTP
		'e'<<24 | 'h'<<16 | 'l'<<8 | 'o', //
		'L'<<24 | 'H'<<16 | 'L'<<8 | 'O': //
		if n = stanzaLen(p); n == 0 && p[4] == ' ' && len(p) < maxStanza && p[len(p)-1] != '\n' {
			n = len(p) + 1
		}
		return n, false
	case 'C'<<24 | 'O'<<16 | 'N'<<8 | 'N':
		return connectLen(p), false
	case 'P'<<24 | 'R'<<16 | 'O'<<8 | 'X', '\r'<<24 | '\n'<<16 | '\r'<<8 | '\n':
		if n = proxyHeaderLen(p); n == 0 && startsProxyHeader(p) {
			n = len(p) + 1
		}
		return n, false
	case 'G'<<24 | 'E'<<16 | 'T'<<8 | ' ', 'H'<<24 | 'E'<<16 | 'A'<<8 | 'D', 'O'<<24 | 'P'<<16 | 'T'<<8 | 'I':
		if bytes.HasSuffix(p, endOfHead) { // as nearly all do
			return 0, false
		}
		n, body := messageLengths(p)
		return n, body != 0
	case 'P'<<24 | 'O'<<16 | 'S'<<8 | 'T', 'P'<<24 | 'U'<<16 | 'T'<<8 | ' ', 'P'<<24 | 'A'<<16 | 'T'<<8 | 'C':
		n, body := messageLengths(p)
		return n, body != 0
	case 0xa1b2c3d4, 0xa1b23c4d, 0xa1b2cd34, 0xd4c3b2a1, 0x4d3cb2a1, 0x34cdb2a1:
		return 0, isPcapHeader(p, 0)
	case 0x0a0d0d0a:
		return 0, isPcapngHeader(p, 0)
	}
	switch p[0] {
	case 0, ' ', 0xa1, 0xd4, 0xff:
		return 0, false
	case 1: // user name and password of SOCKS 5 (RFC 1929)
		if n = 2 + int(p[1]); n < len(p) {
			if n += 1 + int(p[n]); n < len(p) {
				return n, false
			}
		}
		return 0, false
	case 3: // connection request of RDP
		if p[1] == 0 && p[2] == 0 && p[5] == 0xe0 {
			return int(p[3]), false
		}
		return 0, false
	case 4:
		return socks4Len(p), false
	case 5:
		return socks5Len(p), false
	case '0': // StartTLS of LDAP (RFC 4511, section 4.14)
		if p[2] == 2 && p[1] < 0x80 && p[3] <= 4 && p[min(4+int(p[3]), len(p)-1)] == 0x77 {
			return 2 + int(p[1]), false
		}
	}
	if binary.BigEndian.Uint64(p)&notASCII != 0 {
		return 0, false
	}
	return lineLen(p, min(len(p), longestLine)), false
}

// shortPrefaces are shorter than minPreface: those of PCEP and Telnet.
var shortPrefaces = []string{"\x20\x0d\x00\x04", "\xff\xfa.\x01\xff\xf0"}

// isCutCommand reports whether p is the beginning of a command after which TLS starts.
func isCutCommand(p []byte) bool {
	const shortest = 5
	for _, line := range []string{"STARTTLS\r\n", "starttls\r\n", "STLS\r\n", "AUTH TLS\r\n"} {
		if shortest <= len(p) && len(p) < len(line) && string(p) == line[:len(p)] {
			return true
		}
	}
	return false
}

// lineLen returns the length of the line at the start of p, which is at most limit.
func lineLen(p []byte, limit int) int { return bytes.IndexByte(p[:limit], '\n') + 1 }

// stanzaLen returns the length of what precedes a handshake record in the first bytes
// of p, or 0.
func stanzaLen(p []byte) int {
	return max(bytes.IndexByte(p[:min(len(p), maxStanza)], recordHandshake), 0)
}

// endOfHead ends the head of a message of HTTP/1.
var endOfHead = []byte("\r\n\r\n")

// connectLen returns the length of the head of a CONNECT request.
func connectLen(p []byte) int {
	const connect, longest = "CONNECT ", 8 * maxStanza
	if i := bytes.Index(p[:min(len(p), longest)], endOfHead); i >= 0 {
		return i + len(endOfHead)
	}
	if len(p) < longest && string(p[:len(connect)]) == connect {
		return len(p) + 1
	}
	return 0
}

// socks4Len returns the length of a request of SOCKS 4 or 4a.
func socks4Len(p []byte) int {
	const user = 8
	if p[1] != 1 || len(p) <= user {
		return 0
	}
	rest := p[:min(len(p), maxStanza)]
	n := bytes.IndexByte(rest[user:], 0) + user + 1
	if n > user && p[4]|p[5]|p[6] == 0 && p[7] != 0 { // a name follows
		name := bytes.IndexByte(rest[n:], 0) + 1
		if name == 0 {
			return 0
		}
		n += name
	}
	if n == user {
		return 0
	}
	return n
}

// socks5Len returns the length of a greeting or request of SOCKS 5 (RFC 1928).
func socks5Len(p []byte) int {
	const request, ipv4, name, ipv6 = 4, 1, 3, 4
	if p[1] == 1 && p[2] == 0 {
		switch p[3] {
		case ipv4:
			return request + 4 + 2
		case name:
			return request + 1 + int(p[4]) + 2
		case ipv6:
			return request + 16 + 2
		}
	}
	if p[1] == 0 || p[1] > 16 {
		return 0
	}
	return 2 + int(p[1])
}
