package quichello

import (
	"encoding/hex"

	"golang.org/x/crypto/cryptobyte"

	"github.com/tlspeek/tlspeek/internal/varint"
)

// A ConnectionID is a QUIC connection id of 0 to 20 bytes. Two of them are
// equal, by ==, if their bytes are.
type ConnectionID struct {
	n     uint8
	bytes [20]byte
}

// Len returns the length in bytes.
func (id ConnectionID) Len() int { return int(id.n) }

// Bytes returns the bytes, in memory of their own.
func (id ConnectionID) Bytes() []byte { return id.bytes[:id.n] }

// String returns the bytes as hex.
func (id ConnectionID) String() string { return hex.EncodeToString(id.bytes[:id.n]) }

// An initial is one Initial packet, whose header is read and whose payload is
// still protected. Its bytes alias the datagram.
type initial struct {
	version  Version
	suite    suite
	dcid     ConnectionID
	scid     ConnectionID
	tokenLen int
	packet   []byte // from the first byte to the last that Length covers
	pnOffset int    // where the packet number begins in packet
	left     int    // bytes of the datagram from the first of packet on
}

// minDatagram is the least that a client's datagram with an Initial may have, in
// bytes (RFC 9000, section 14.1).
const minDatagram = 1200

// minProtected is the least that Length may be: a packet number and a payload
// that give, from the fourth byte on, a sample of 16 bytes (RFC 9001, section
// 5.4.2).
const minProtected = 4 + 16

// IsInitial reports whether a datagram holds an Initial that may come from a
// client: a long header of a version that can be opened, with connection ids,
// token and Length that fit into the datagram. It costs no cryptography and
// proves nothing: only [Assembler.Next] does.
//
// The fixed bit is not asked for, as RFC 9287 lets a client clear it; nor are
// 1200 bytes, as captures hold Initials of clients that do not pad.
func IsInitial(datagram []byte) bool {
	var in initial
	return nextInitial(&datagram, &in)
}

// nextInitial reads packets from a datagram until one is an Initial. Packets of
// other types are stepped over by their Length. What cannot be read, or has a
// short header, ends the datagram.
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
			!s.ReadUint8LengthPrefixed(&dcid) || len(dcid) > 20 ||
			!s.ReadUint8LengthPrefixed(&scid) || len(scid) > 20 {
			return false
		}
		suite := Version(version).suite()
		if suite == noSuite {
			return false
		}
		kind := first >> 4 & 3
		if kind == suite.retryType() {
			return false
		}
		if kind == suite.initialType() && (!varint.Read(&s, &token) || token > uint64(len(s)) || !s.Skip(int(token))) {
			return false
		}
		if !varint.Read(&s, &length) || length < minProtected || length > uint64(len(s)) {
			return false
		}
		pnOffset := len(packet) - len(s)
		end := pnOffset + int(length)
		// Some clients fill a datagram up with zero bytes behind its packets, and
		// a capture may show the datagrams of one large send as one.
		*datagram = trimPadding(packet[end:])
		if kind != suite.initialType() {
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
		in.dcid.n = uint8(copy(in.dcid.bytes[:], dcid))
		in.scid.n = uint8(copy(in.scid.bytes[:], scid))
		return true
	}
	return false
}

// fullNumber returns the packet number of which the wire shows the low n bytes,
// given the largest that was opened before it, or -1 (RFC 9000, appendix A.3).
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
