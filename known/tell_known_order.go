package known

import (
	"math/bits"

	"github.com/tlspeek/tlspeek/parser"
)

// A knownOrder is an order of extensions that an imitation of Chromium has in its code.
type knownOrder struct {
	name  string // of the imitation and its profiles
	types []parser.ExtensionType
}

// knownOrders are the orders of tls-client's profiles, which it sends unless it is told to
// permute them. Each was one connection's of a real Chromium. application_settings
// stands for both of its code points.
var knownOrders = [...]knownOrder{
	{"tls-client's Chrome 110", []parser.ExtensionType{
		0x0017, 0x001b, 0x0012, 0x0033, 0x44cd, 0x0000, 0x0010, 0x0023, 0x000b, 0x0005, 0xff01, 0x002b, 0x000d, 0x002d, 0x000a}},
	{"tls-client's Chrome 111", []parser.ExtensionType{
		0x001b, 0x000b, 0x44cd, 0x0005, 0x000a, 0x0012, 0x0017, 0x0000, 0x002d, 0x0033, 0x002b, 0x0023, 0xff01, 0x0010, 0x000d}},
	{"tls-client's Chrome 112", []parser.ExtensionType{
		0x002d, 0x0033, 0x44cd, 0x002b, 0x0000, 0x000b, 0x0005, 0x0017, 0x0010, 0x000a, 0xff01, 0x001b, 0x0012, 0x0023, 0x000d}},
	{"tls-client's Chrome 117", []parser.ExtensionType{
		0x002d, 0x0000, 0x0010, 0x000d, 0x002b, 0x44cd, 0x000a, 0x0017, 0x0023, 0x001b, 0x0012, 0x0005, 0x0033, 0xff01, 0x000b}},
	{"tls-client's Chrome 120", []parser.ExtensionType{
		0x0000, 0x002d, 0x002b, 0x0005, 0x0017, 0x0023, 0x000d, 0xff01, 0x0010, 0xfe0d, 0x0012, 0x0033, 0x000a, 0x000b, 0x44cd, 0x001b}},
	{"tls-client's Chrome 124", []parser.ExtensionType{
		0x001b, 0x0012, 0x0017, 0x44cd, 0x0010, 0x002b, 0x000d, 0x000b, 0x0000, 0x0023, 0x000a, 0xfe0d, 0x0005, 0xff01, 0x002d, 0x0033}},
	{"tls-client's Chrome 130 and 131", []parser.ExtensionType{
		0x000d, 0xfe0d, 0xff01, 0x0012, 0x001b, 0x0010, 0x0005, 0x000a, 0x44cd, 0x000b, 0x0033, 0x0023, 0x002b, 0x002d, 0x0000, 0x0017}},
	{"tls-client's Chrome 133", []parser.ExtensionType{
		0x0023, 0x000d, 0x44cd, 0x0033, 0x0012, 0x000b, 0x002b, 0x0005, 0x0010, 0x0000, 0xfe0d, 0x001b, 0x000a, 0x002d, 0x0017, 0xff01}},
	{"tls-client's Chrome 133 with a PSK", []parser.ExtensionType{
		0x0012, 0x0000, 0xfe0d, 0xff01, 0x0017, 0x0005, 0x000b, 0x0023, 0x44cd, 0x0033, 0x000d, 0x000a, 0x0010, 0x002b, 0x002d, 0x001b}},
	{"tls-client's Chrome 144", []parser.ExtensionType{
		0x0033, 0x0000, 0x44cd, 0xff01, 0x000a, 0x001b, 0x0023, 0x0005, 0x0017, 0x002b, 0x000d, 0x0012, 0x000b, 0xfe0d, 0x0010, 0x002d}},
	{"tls-client's Chrome 144 with a PSK, 146 and 150", []parser.ExtensionType{
		0x44cd, 0x002b, 0x0012, 0xfe0d, 0x0033, 0x000d, 0x000a, 0x001b, 0x0017, 0x0023, 0x0000, 0xff01, 0x002d, 0x000b, 0x0005, 0x0010}},
}

// minKnownOrder is how many extensions must be in a known order: 13 are so by chance in
// one of six billion hellos.
const minKnownOrder = 13

// numOrdered is the number of types in knownOrders, and one for all others.
const numOrdered = 17

// knownRanks has the place of each type in each known order, from 1 on, by its orderCode.
// ordersFrom has a bit for each order in which minKnownOrder extensions may follow the one
// with an orderCode, or that lacks it.
var knownRanks, ordersFrom = rankOrders()

func rankOrders() (ranks [len(knownOrders)][numOrdered]uint8, from [numOrdered]uint16) {
	for i := range knownOrders {
		types := knownOrders[i].types
		for at, t := range types {
			ranks[i][orderCode(t)] = uint8(at + 1)
		}
		for c := range from {
			if int(ranks[i][c]) <= len(types)-minKnownOrder+1 {
				from[c] |= 1 << i
			}
		}
	}
	return ranks, from
}

// lowOrderCodes has the orderCode of the types below 64.
var lowOrderCodes = [64]uint8{
	parser.ExtServerName:                 1,
	parser.ExtStatusRequest:              2,
	parser.ExtSupportedGroups:            3,
	parser.ExtECPointFormats:             4,
	parser.ExtSignatureAlgorithms:        5,
	parser.ExtALPN:                       6,
	parser.ExtSignedCertificateTimestamp: 7,
	parser.ExtExtendedMasterSecret:       8,
	parser.ExtCompressCertificate:        9,
	parser.ExtSessionTicket:              10,
	parser.ExtSupportedVersions:          11,
	parser.ExtPSKKeyExchangeModes:        12,
	parser.ExtKeyShare:                   13,
}

// orderCode returns a number below numOrdered for a type in knownOrders, and 0 for others.
func orderCode(t parser.ExtensionType) uint8 {
	if t < 64 {
		return lowOrderCodes[t]
	}
	switch t {
	case parser.ExtApplicationSettings, parser.ExtApplicationSettingsOld:
		return 14
	case parser.ExtEncryptedClientHello:
		return 15
	case parser.ExtRenegotiationInfo:
		return 16
	}
	return 0
}

// tellKnownOrder finds extensions in the order that an imitation has in its code.
func tellKnownOrder(dst []Tell, v view) []Tell {
	list := limit(v.Hello.Extensions)
	var buf [2 * numOrdered]uint8
	codes := buf[:0]
	for i := range list {
		if c := orderCode(list[i].Type); c != 0 {
			if len(codes) == len(buf) {
				return dst // some come twice, and so ascend in no order
			}
			codes = append(codes, c)
		}
	}
	if len(codes) < minKnownOrder {
		return dst
	}
	for orders := ordersFrom[codes[0]]; orders != 0; orders &= orders - 1 {
		i := bits.TrailingZeros16(orders)
		if followsRanks(codes, &knownRanks[i]) {
			return append(dst, Tell{Field: "extensions", Offset: list[0].Offset,
				Found: "the order of " + knownOrders[i].name, Expected: "a random order in each connection, since version 110"})
		}
	}
	return dst
}

// followsRanks reports whether minKnownOrder codes or more have a rank, and all that have
// one ascend.
func followsRanks(codes []uint8, ranks *[numOrdered]uint8) bool {
	n, last := 0, uint8(0)
	for _, c := range codes {
		rank := ranks[c]
		if rank == 0 {
			continue
		}
		if rank <= last {
			return false
		}
		last = rank
		n++
	}
	return n >= minKnownOrder
}
