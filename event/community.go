package event

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
)

// communityID returns Corelight's Community ID, version 1 with seed 0, of a flow
// over TCP, UDP or SCTP: the same in both directions. It is empty if an address is not
// known. Source: github.com/corelight/community-id-spec.
func communityID(protocol uint8, src, dst netip.AddrPort) string {
	a, b := src.Addr().Unmap(), dst.Addr().Unmap()
	if !a.IsValid() || !b.IsValid() || a.Is4() != b.Is4() {
		return ""
	}
	from, to := a.AsSlice(), b.AsSlice()
	fromPort, toPort := src.Port(), dst.Port()
	if c := bytes.Compare(from, to); c > 0 || c == 0 && fromPort > toPort {
		from, to, fromPort, toPort = to, from, toPort, fromPort
	}
	var buf [2 + 16 + 16 + 2 + 2 + 2]byte
	in := append(buf[:0], 0, 0) // the seed
	in = append(append(in, from...), to...)
	in = append(in, protocol, 0)
	in = binary.BigEndian.AppendUint16(in, fromPort)
	in = binary.BigEndian.AppendUint16(in, toPort)
	sum := sha1.Sum(in)
	return "1:" + base64.StdEncoding.EncodeToString(sum[:])
}
