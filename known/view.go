package known

import "github.com/tlspeek/tlspeek/parser"

// A view is an observation with what several tells need of its hello, which is computed
// once. It is passed by value, and allocates nothing.
type view struct {
	*Observation
	browser    browser // whose shape the hello has
	extensions extensionSet
}

// has reports whether the hello has an extension of type t.
func (v view) has(t parser.ExtensionType) bool {
	if bit := highBit(t); t < 64 || bit != 0 {
		return v.extensions.low>>t&1 != 0 || v.extensions.high&bit != 0
	}
	return v.Hello.HasExtension(t)
}

// isSecond reports whether the hello answers a HelloRetryRequest.
func (v view) isSecond() bool { return v.Index > 1 || v.has(parser.ExtCookie) }

// mayBeSecond is [Observation.mayBeSecond].
func (v view) mayBeSecond() bool { return v.isSecond() || v.looksSecond() }

// An extensionSet is the set of the types of extensions of a hello.
type extensionSet struct {
	low  uint64 // bit t for types below 64
	high uint8  // see highBit

	mayRepeat bool // a type may come twice
	malformed bool // a body is malformed
}

// highBit returns the bit in an extensionSet for a type from 64 on, or 0 for types
// without one.
func highBit(t parser.ExtensionType) uint8 {
	switch t {
	case parser.ExtApplicationSettings:
		return 1 << 0
	case parser.ExtApplicationSettingsOld:
		return 1 << 1
	case parser.ExtEncryptedClientHello:
		return 1 << 2
	case parser.ExtRenegotiationInfo:
		return 1 << 3
	case parser.ExtTrustAnchors:
		return 1 << 4
	}
	return 0
}

func extensionsOf(h *parser.ClientHello) (s extensionSet) {
	var hashed uint64 // of types from 64 on, by a hash of 6 bits
	for i := range h.Extensions {
		e := &h.Extensions[i]
		bits := &s.low
		at := uint32(e.Type)
		if e.Type >= 64 {
			bits = &hashed
			at = at * 0x9e3779b1 >> 26
			s.high |= highBit(e.Type)
		}
		bit := uint64(1) << at
		s.mayRepeat = s.mayRepeat || *bits&bit != 0
		*bits |= bit
		s.malformed = s.malformed || e.Err != nil
	}
	return s
}

// bitsOf returns the set of some types.
func bitsOf(types ...parser.ExtensionType) (s extensionSet) {
	for _, t := range types {
		if t < 64 {
			s.low |= 1 << t
		}
		s.high |= highBit(t)
	}
	return s
}

// hasAny reports whether one of the types in other is in s.
func (s extensionSet) hasAny(other extensionSet) bool {
	return s.low&other.low != 0 || s.high&other.high != 0
}

// hasAll reports whether all types in other are in s.
func (s extensionSet) hasAll(other extensionSet) bool {
	return other.low&^s.low == 0 && other.high&^s.high == 0
}
