package event

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// A class is what is remembered of hellos that differ only in what no text, no
// candidate and no tell depends on. Nearly every hello of a capture is of the
// class of one before it.
//
// There are classes of an order of extensions, and for clients that permute
// theirs, classes of any order, which have no JA3.
type class struct {
	key []byte

	version string // empty before the texts are known
	alpn    []string
	values  fingerprint.Values // of a compact Event

	named   bool         // whether what follows is known
	clients *clientsJSON // nil for none
	tells   bool         // whether there are tells, whose evidence says more than the class

	// Of a compact Event in JSON, what is between the server's name and JA3, and
	// between JA3 and the tells.
	before, after []byte
}

// filled reports whether the texts are known.
func (c *class) filled() bool { return c != nil && c.version != "" }

// fill sets the texts of the class to those of e, in memory of their own: those
// of an Event share a string with the server's name.
func (c *class) fill(e *Event) {
	c.version = strings.Clone(e.Version)
	for i := range fingerprint.Methods {
		if !fingerprint.Methods[i].Full {
			c.values[i] = strings.Clone(e.Fingerprints[i])
		}
	}
	for _, name := range e.ALPN {
		c.alpn = append(c.alpn, strings.Clone(name))
	}
}

// forgetOrder removes what depends on the order of extensions.
func (c *class) forgetOrder() {
	for i := range fingerprint.Methods {
		if fingerprint.Methods[i].Ordered {
			c.values[i] = ""
		}
	}
}

// name sets the clients and tells of the class to those of e.
func (c *class) name(e *Event) {
	c.named, c.tells, c.clients = true, len(e.Tells) > 0, e.clients
	if c.clients == nil && len(e.Client) > 0 {
		c.clients = newClientsJSON(e.Client)
	}
}

// classes remembers the last classes. Where the place of a class is taken, its
// first hello leaves only a hash: hellos that come but once drive out nothing that
// is of use.
type classes struct {
	seed  maphash.Seed
	list  []class
	heard []uint64 // hashes, in the places of list
}

// numClasses is how many classes are remembered, at most.
const numClasses = 1024

// find returns the class of a key, or nil. If it is new, it has a key, and the
// rest is for the caller to fill.
func (c *classes) find(key []byte) *class {
	if c.list == nil {
		c.seed = maphash.MakeSeed()
		c.list, c.heard = make([]class, numClasses), make([]uint64, numClasses)
	}
	hash := maphash.Bytes(c.seed, key)
	i := hash % numClasses
	found := &c.list[i]
	switch {
	case len(found.key) > 0 && bytes.Equal(found.key, key):
		return found
	case len(found.key) > 0 && c.heard[i] != hash:
		c.heard[i] = hash
		return nil
	}
	*found = class{key: append(found.key[:0], key...), alpn: found.alpn[:0]}
	return found
}

// A classifier finds the classes of hellos.
type classifier struct {
	ordered, anyOrder classes
	key, keyAny       []byte
	types             []uint16
}

// maxClassKey is the longest key that is remembered, and maxClassHello the
// longest hello of which one is made, in bytes. Without them the keys of hostile
// hellos, of 64 KiB, would take 128 MiB.
const (
	maxClassKey   = 1024
	maxClassHello = 8192
)

// maxTypes is how many extensions a hello of a class of any order may have. Of more,
// known.AppendTells looks only at some.
const maxTypes = 64

// A kin is the class of a hello, and its class of any order, which is looked up
// only if the first is not filled. Either may be nil.
type kin struct{ ordered, anyOrder *class }

// filled returns the class that has the texts of the hello, or nil.
func (k kin) filled() *class {
	switch {
	case k.ordered.filled():
		return k.ordered
	case k.anyOrder.filled():
		return k.anyOrder
	}
	return nil
}

// named returns the class that has the clients of the hello, or nil.
func (k kin) named() *class {
	switch {
	case k.ordered != nil && k.ordered.named:
		return k.ordered
	case k.anyOrder != nil && k.anyOrder.named:
		return k.anyOrder
	}
	return nil
}

// find returns the classes of o. There are none for a hello with a malformed
// extension.
func (c *classifier) find(o *Observation) (k kin) {
	h := o.Hello
	if len(h.Raw) > maxClassHello || slices.ContainsFunc(h.Extensions, func(e parser.Extension) bool { return e.Err != nil }) {
		return kin{}
	}
	c.key = appendCommon(c.key[:0], o)
	common := len(c.key)
	if c.key = appendOrder(c.key, h); len(c.key) > maxClassKey {
		return kin{}
	}
	if k.ordered = c.ordered.find(c.key); !k.ordered.filled() && len(h.Extensions) <= maxTypes {
		c.keyAny = c.appendTypes(append(c.keyAny[:0], c.key[:common]...), h)
		k.anyOrder = c.anyOrder.find(c.keyAny)
	}
	return k
}

// appendCommon appends to key what the texts, candidates and tells of o depend on,
// but for the order of extensions, so that two observations of which they differ
// have different keys, and none is the beginning of another.
//
// Of a hello's fields, these are left out: the random, the content of session id,
// cookies, tickets, keys, and of what else is drawn for a connection, where at the
// most the length counts; the server's name; and which GREASE values were drawn,
// where it counts only which are the same.
func appendCommon(key []byte, o *Observation) []byte {
	h := o.Hello
	key = append(key, byte(h.Transport), byte(min(o.Index, 2)), byte(o.RecordVersion>>8), byte(o.RecordVersion),
		byte(h.LegacyVersion>>8), byte(h.LegacyVersion), byte(len(h.LegacySessionID)), lengthClass(h),
		byte(h.RecordSizeLimit>>8), byte(h.RecordSizeLimit), flag(len(h.SessionTicket) > 0))
	key = appendClassBytes(key, o.HTTP2)
	key = appendClassBytes(key, h.LegacyCompressionMethods)
	key = appendClassBytes(key, h.ECPointFormats)
	key = appendClassBytes(key, h.PSKKeyExchangeModes)
	key = appendClassList(key, h.CipherSuites, new(greases))
	key = appendClassList(key, h.SignatureAlgorithms, new(greases))
	key = appendClassList(key, h.SignatureAlgorithmsCert, new(greases))
	key = appendClassList(key, h.DelegatedCredentials, new(greases))
	key = appendClassList(key, h.SupportedVersions, new(greases))
	key = appendLength(key, len(h.CertificateCompressionAlgorithms)) // no client is known to send GREASE there
	for _, v := range h.CertificateCompressionAlgorithms {
		key = append(key, byte(v>>8), byte(v))
	}
	var groups greases // those of key_share are the same, or not
	key = appendClassList(key, h.SupportedGroups, &groups)
	key = appendLength(key, len(h.KeyShares))
	for i := range h.KeyShares {
		k := &h.KeyShares[i]
		key = groups.append(key, uint16(k.Group))
		if parser.IsGREASE(k.Group) {
			key = appendClassBytes(key, k.KeyExchange)
		}
	}
	for _, names := range [...][][]byte{h.ALPNProtocols, h.ApplicationSettings} {
		key = appendLength(key, len(names))
		for _, name := range names {
			key = appendClassBytes(key, name)
		}
	}
	if e := h.ECH; e != nil {
		key = append(key, 1, e.Type, byte(e.AEAD>>8), byte(e.AEAD))
		key = appendLength(key, len(e.Payload))
	} else {
		key = append(key, 0)
	}
	key = appendLength(key, len(h.TransportParameters))
	for i := range h.TransportParameters {
		id := h.TransportParameters[i].ID
		if parser.IsGREASETransportParameter(id) {
			id = greaseParameter
		}
		key = binary.BigEndian.AppendUint64(key, id)
	}

	return appendFrame(key, h)
}

// appendFrame appends what a tell reads of the bodies of GREASE extensions and of
// padding, and of where GREASE extensions stand: BoringSSL has the first before
// all others, and the second behind all but padding and pre_shared_key.
func appendFrame(key []byte, h *parser.ClientHello) []byte {
	last := len(h.Extensions) - 1
	for last > 0 && (h.Extensions[last].Type == parser.ExtPadding || h.Extensions[last].Type == parser.ExtPreSharedKey) {
		last--
	}
	var types greases
	for i := range h.Extensions {
		e := &h.Extensions[i]
		switch {
		case e.Type == parser.ExtPadding:
			zeros := !slices.ContainsFunc(e.Data, func(c byte) bool { return c != 0 })
			key = append(key, 1, flag(len(e.Data) > 1), flag(zeros))
		case parser.IsGREASE(e.Type):
			key = append(key, 2, flag(i == 0), flag(i == last))
			key = types.append(key, uint16(e.Type))
			key = appendClassBytes(key, e.Data)
		}
	}
	return append(key, 0)
}

// appendOrder appends the types of the extensions as they stand.
func appendOrder(key []byte, h *parser.ClientHello) []byte {
	key = appendLength(key, len(h.Extensions))
	var types greases
	for i := range h.Extensions {
		key = types.append(key, uint16(h.Extensions[i].Type))
	}
	return key
}

// appendTypes appends the types sorted, without GREASE, and whether they stood in
// that order, of which there is a tell.
func (c *classifier) appendTypes(key []byte, h *parser.ClientHello) []byte {
	c.types = c.types[:0]
	ascending, last := true, parser.ExtensionType(0)
	for i := range h.Extensions {
		t := h.Extensions[i].Type
		if parser.IsGREASE(t) {
			continue
		}
		c.types = append(c.types, uint16(t))
		if t != parser.ExtPadding && t != parser.ExtPreSharedKey {
			ascending, last = ascending && t >= last, t
		}
	}
	slices.Sort(c.types)
	key = append(key, flag(ascending))
	key = appendLength(key, len(c.types))
	for _, t := range c.types {
		key = append(key, byte(t>>8), byte(t))
	}
	return key
}

// greaseParameter is the first of the reserved ids (RFC 9000, section 18.1).
const greaseParameter = 27

// lengthClass says of the length of the message what counts for the padding: if
// it is 512 bytes or nearly, and if it would be 256 to 511 without.
func lengthClass(h *parser.ClientHello) byte {
	n := len(h.Raw)
	bare := n
	if e, ok := h.Extension(parser.ExtPadding); ok {
		bare -= 4 + len(e.Data)
	}
	class := flag(bare < 256) | flag(bare < 512)<<1
	for i, limit := range [...]int{256, 512, 513, 518} {
		class |= flag(n < limit) << (2 + i)
	}
	return class
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func appendLength(key []byte, n int) []byte { return append(key, byte(n>>8), byte(n)) }

func appendClassBytes[T ~string | ~[]byte](key []byte, b T) []byte {
	return append(appendLength(key, len(b)), b...)
}

func appendClassList[T ~uint16](key []byte, list []T, g *greases) []byte {
	key = appendLength(key, len(list))
	for _, v := range list {
		if parser.IsGREASE(v) {
			v = T(g.number(uint16(v)))
		}
		key = append(key, byte(v>>8), byte(v))
	}
	return key
}

// greases numbers the GREASE values of a hello as they come, so that other
// values in the same places give the same numbers.
type greases struct {
	numbers [16]uint8 // from 1, by the first digit of the value
	n       uint8
}

// number returns the GREASE value that stands for v, which is one.
func (g *greases) number(v uint16) uint16 {
	n := &g.numbers[v>>12]
	if *n == 0 {
		g.n++
		*n = g.n
	}
	return 0x0a0a + uint16(*n-1)*0x1010
}

// append appends v, or what stands for it.
func (g *greases) append(key []byte, v uint16) []byte {
	if parser.IsGREASE(v) {
		v = g.number(v)
	}
	return append(key, byte(v>>8), byte(v))
}
