package quichello

import (
	"encoding/hex"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tlspeek/tlspeek/internal/varint"
)

// MaxConnectionIDLen is the length of the longest connection ID in bytes (RFC 9000,
// section 17.2).
const MaxConnectionIDLen = 20

// A ConnectionID is a QUIC connection ID of 0 to 20 bytes. Two are equal with
// == if their bytes are.
type ConnectionID struct {
	n     uint8
	bytes [MaxConnectionIDLen]byte
}

// ConnectionIDFrom returns the connection ID with the given bytes. It returns false if
// there are more than [MaxConnectionIDLen].
func ConnectionIDFrom(b []byte) (id ConnectionID, ok bool) {
	if len(b) > MaxConnectionIDLen {
		return ConnectionID{}, false
	}
	id.n = uint8(copy(id.bytes[:], b))
	return id, true
}

// Len returns the length of id in bytes.
func (id ConnectionID) Len() int { return int(id.n) }

// Bytes returns a copy of the bytes of id.
func (id ConnectionID) Bytes() []byte { return id.bytes[:id.n] }

// String returns the bytes of id in hex.
func (id ConnectionID) String() string { return hex.EncodeToString(id.bytes[:id.n]) }

// ConnectionIDs returns the connection IDs of the first packet of a datagram, if that has
// a long header (RFC 8999, section 5.1, or that of draft 21) and is no Version Negotiation
// packet.
func ConnectionIDs(datagram []byte) (dst, src ConnectionID, ok bool) {
	var (
		s                = cryptobyte.String(datagram)
		first            uint8
		version          uint32
		dstBytes, srcAll cryptobyte.String
	)
	if !s.ReadUint8(&first) || first&0x80 == 0 || !s.ReadUint32(&version) || version == 0 ||
		Version(version) == draft21 && !readDraft21IDs(&s, &dstBytes, &srcAll) ||
		Version(version) != draft21 && (!s.ReadUint8LengthPrefixed(&dstBytes) || !s.ReadUint8LengthPrefixed(&srcAll)) {
		return ConnectionID{}, ConnectionID{}, false
	}
	dst, ok = ConnectionIDFrom(dstBytes)
	if !ok {
		return ConnectionID{}, ConnectionID{}, false
	}
	src, ok = ConnectionIDFrom(srcAll)
	return dst, src, ok
}

// readDraft21IDs reads the connection IDs of a long header of draft 21.
func readDraft21IDs(s, dst, src *cryptobyte.String) bool {
	var lengths uint8
	idLen := func(n uint8) int { // 0, or 4 to 18
		if n == 0 {
			return 0
		}
		return int(n) + 3
	}
	return s.ReadUint8(&lengths) && s.ReadBytes((*[]byte)(dst), idLen(lengths>>4)) && s.ReadBytes((*[]byte)(src), idLen(lengths&15))
}

// An initial is one Initial packet whose payload is still protected. Its bytes
// alias the datagram.
type initial struct {
	version  Version
	suite    suite
	dcid     ConnectionID
	scid     ConnectionID
	tokenLen int
	packet   []byte // up to the last byte that Length covers
	pnOffset int    // of the packet number in packet
	left     int    // bytes of the datagram from the start of packet
}

// minDatagram is the minimum size of a client's datagram with an Initial (RFC
// 9000, section 14.1).
const minDatagram = 1200

// minProtected is the minimum of Length: a packet number and a payload that
// have a sample of 16 bytes after the fourth byte (RFC 9001, section 5.4.2).
const minProtected = 4 + 16

// IsInitial reports whether a datagram has an Initial by its form: a long
// header of a version that can be opened, with connection IDs, token and Length
// that fit into the datagram. It uses no cryptography and proves nothing: only
// [Assembler.Next] does.
//
// It does not require the fixed bit, which RFC 9287 lets a client clear, nor
// the 1200 bytes of RFC 9000, because some clients do not pad.
func IsInitial(datagram []byte) bool {
	var in initial
	return nextInitial(&datagram, &in)
}

// InitialTokenLen returns the length of the token in the first Initial of a datagram,
// and false for a datagram that has none by [IsInitial].
func InitialTokenLen(datagram []byte) (n int, ok bool) {
	var in initial
	ok = nextInitial(&datagram, &in)
	return in.tokenLen, ok
}

// nextInitial reads packets from a datagram up to the next Initial. It skips
// packets of other types by their Length. A packet that it cannot read, or that
// has a short header, ends the datagram.
func nextInitial(datagram *[]byte, in *initial) bool {
	for len(*datagram) > 0 {
		var (
			packet        = *datagram
			s             = cryptobyte.String(packet)
			first         uint8
			version       uint32
			dcid, scid    cryptobyte.String
			token, length uint64
		)
		// RFC 9000, section 17.2.
		if !s.ReadUint8(&first) || first&0x80 == 0 ||
			!s.ReadUint32(&version) ||
			Version(version) == draft21 && !readDraft21IDs(&s, &dcid, &scid) ||
			Version(version) != draft21 && (!s.ReadUint8LengthPrefixed(&dcid) || !s.ReadUint8LengthPrefixed(&scid)) ||
			len(dcid) > MaxConnectionIDLen || len(scid) > MaxConnectionIDLen {
			return false
		}
		suite := Version(version).suite()
		if suite == noSuite {
			return false
		}
		typ := first >> 4 & 3
		if typ == suite.retryType() {
			return false
		}
		if typ == suite.initialType() && (!varint.Read(&s, &token) || token > uint64(len(s)) || !s.Skip(int(token))) {
			return false
		}
		if !varint.Read(&s, &length) || length < minProtected || length > uint64(len(s)) {
			return false
		}
		pnOffset := len(packet) - len(s)
		end := pnOffset + int(length)
		// Some clients pad a datagram with zero bytes after its packets, and a
		// capture may show the datagrams of one large send as one.
		*datagram = trimPadding(packet[end:])
		if typ != suite.initialType() {
			continue
		}
		*in = initial{
			version:  Version(version),
			suite:    suite,
			tokenLen: int(token),
			packet:   packet[:end:end],
			pnOffset: pnOffset,
			left:     len(packet),
		}
		in.dcid, _ = ConnectionIDFrom(dcid)
		in.scid, _ = ConnectionIDFrom(scid)
		return true
	}
	return false
}

// fullNumber returns the packet number whose low n bytes are truncated. largest
// is the largest packet number that was opened before, or -1 (RFC 9000,
// appendix A.3).
func fullNumber(largest int64, truncated uint32, n int) int64 {
	window := int64(1) << (8 * n)
	expected := largest + 1
	number := expected&^(window-1) | int64(truncated)
	switch {
	case number <= expected-window/2 && number < 1<<62-window:
		return number + window
	case number > expected+window/2 && number >= window:
		return number - window
	}
	return number
}
