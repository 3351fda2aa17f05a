package known

import (
	"bytes"
	"fmt"

	"github.com/tlspeek/tlspeek/parser"
)

// maxAnchors is how many ids are looked at. Chromium 156 sends 28.
const maxAnchors = 64

// freshAnchors is the list of Chromium 156 with a new profile, so that most hellos need no
// more than a comparison.
const freshAnchors = "" +
	"\x05\x82\xdf\x13\x02\x01\x05\x82\xdf\x13\x02\x06\x05\x82\xdf\x13\x02\x0d\x05\x82\xdf\x13\x02\x0e" +
	"\x05\x82\xdf\x13\x02\x0f\x05\x82\xdf\x13\x02\x12\x05\x82\xdf\x13\x02\x13\x05\x82\xdf\x13\x02\x14" +
	"\x08\x83\x9a\x64\x8c\x9b\x2d\x01\x07\x08\x83\x9a\x64\x8c\x9b\x2d\x01\x08\x08\x83\x9a\x64\x8c\x9b\x2d\x01\x09" +
	"\x08\x83\x9a\x64\x8c\x9b\x2d\x01\x0a\x08\x83\x9a\x64\x8c\x9b\x2d\x01\x0b\x08\x83\x9a\x64\x8c\x9b\x2d\x01\x0c" +
	"\x08\x83\x9a\x64\x8c\x9b\x2d\x01\x0d\x08\x83\x9a\x64\x8c\x9b\x2d\x01\x12\x08\x83\x9a\x64\x8c\x9b\x2d\x01\x13" +
	"\x04\xd6\x79\x09\x01\x04\xd6\x79\x09\x04\x04\xd6\x79\x09\x05\x04\xd6\x79\x09\x06\x04\xd6\x79\x09\x07" +
	"\x04\xd6\x79\x09\x08\x04\xd6\x79\x09\x0a\x04\xd6\x79\x09\x0b\x04\xd6\x79\x09\x0c\x04\xd6\x79\x09\x0d\x04\xd6\x79\x09\x0f"

// tellTrustAnchors finds ids in trust_anchors that Chromium's root store cannot have: one
// that is no relative object identifier, or one twice. Which ids there are shows no
// version, as the component updater brings new lists to old ones.
func tellTrustAnchors(dst []Tell, v view) []Tell {
	if !v.has(parser.ExtTrustAnchors) {
		return dst
	}
	e, _ := v.Hello.Extension(parser.ExtTrustAnchors)
	if e.Err != nil || len(e.Data) < 2 {
		return dst // malformed-extension
	}
	list := e.Data[2:]
	if string(list) == freshAnchors {
		return dst
	}
	var seen uint64 // a bit for each id, by a hash
	for at, n := 0, 0; at < len(list) && n < maxAnchors; n++ {
		next := at + 1 + int(list[at])
		id := list[at+1 : next]
		bit := anchorBit(id)
		repeated := seen&bit != 0 && hasAnchor(list[:at], id)
		if repeated || !isRelativeOID(id) {
			found := fmt.Sprintf("%x, which is no relative object identifier", id)
			if repeated {
				found = fmt.Sprintf("%x twice", id)
			}
			return append(dst, Tell{Field: "trust_anchors", Offset: e.Offset + 4 + 2 + at,
				Found: found, Expected: "the ids of a root store, each once"})
		}
		seen |= bit
		at = next
	}
	return dst
}

// anchorBit returns one of 64 bits by a hash of the end of an id, where ids differ.
func anchorBit(id []byte) uint64 {
	hash := uint32(len(id))
	for _, c := range id[max(0, len(id)-4):] {
		hash = hash<<8 ^ uint32(c)
	}
	return 1 << (hash * 0x9e3779b1 >> 26)
}

// isRelativeOID reports whether b has the contents of a relative object identifier in DER:
// numbers in base 128, without leading zeros, the last byte of each below 80 (ITU-T
// X.690, section 8.20).
func isRelativeOID(b []byte) bool {
	begins := true
	for _, c := range b {
		if begins && c == 0x80 {
			return false
		}
		begins = c < 0x80
	}
	return begins && len(b) > 0
}

// hasAnchor reports whether a list of ids with their lengths has id.
func hasAnchor(list, id []byte) bool {
	for at := 0; at < len(list); at += 1 + int(list[at]) {
		if bytes.Equal(list[at+1:at+1+int(list[at])], id) {
			return true
		}
	}
	return false
}
