package fingerprint

import "github.com/tlspeek/tlspeek/parser"

// An Input is what the fingerprints of one client are computed from.
type Input struct {
	Hello *parser.ClientHello // not nil
	QUIC  *QUICInitial        // nil over other transports, and where the packet is not known
	HTTP2 string              // as [HTTP2.Fingerprint] returns it, or empty

	// HTTP3 and HTTP3Wire are as [AppendHTTP3] and [AppendHTTP3Wire] append them, or
	// empty.
	HTTP3, HTTP3Wire string
}

// A Method is one way to fingerprint a client. To add one, add its row to [Methods]:
// Events, their JSON and columns, the page, explain and diff read that table.
type Method struct {
	Key     string // names it in an Event's JSON form and among columns: "ja4_r"
	Title   string // names it in text: "JA4_r"
	Summary string // what sets it apart, in a few words
	About   string // one sentence: who defines it, and what it is made of

	Full    bool // a compact Event does not have this fingerprint
	Live    bool // no capture shows what it is made of
	Ordered bool // it depends on the order of the extensions

	// Lists says of a Full method that it depends on the lists of the hello and their
	// order alone, and not on other bytes, so that package event may remember it.
	Lists bool

	// Digest is the key of the method whose fingerprints are digests of these:
	// "ja4" for "ja4_r". It is empty for other methods.
	Digest string

	// Form is the key of the method whose fingerprints look like these, where
	// that is another: "ja3" for "ja3n".
	Form string

	// Append appends the fingerprint of in to dst, or nothing where the method
	// does not apply to it.
	Append func(dst []byte, in *Input) []byte

	// Variants are texts of other formats, which no Event has.
	Variants []Variant
}

// A Variant is another format of a method's fingerprints.
type Variant struct {
	Form string // as in Method, never empty

	// Append is as in Method.
	Append func(dst []byte, in *Input) []byte
}

// Methods are all methods, in the order of an Event's JSON form. It must not be
// changed.
var Methods = [...]Method{
	methodJA3,
	methodJA3Full,
	methodJA3N,
	methodJA3NFull,
	methodJA4,
	methodJA4R,
	methodJA4O,
	methodJA4RO,
	methodNPF,
	methodTLSFP,
	methodTLSFPNorm,
	methodQUICHeaderID,
	methodQUICParamsID,
	methodStable,
	methodHTTP2,
	methodHTTP3,
	methodHTTP3Wire,
}

// MethodsInOrder returns all methods: those with the given keys first, in their
// order, then the others in the order of [Methods]. It ignores unknown keys.
func MethodsInOrder(first ...string) []*Method {
	list := make([]*Method, 0, len(Methods))
	listed := [len(Methods)]bool{}
	for _, key := range first {
		if i := indexOf(key); i >= 0 && !listed[i] {
			list, listed[i] = append(list, &Methods[i]), true
		}
	}
	for i := range Methods {
		if !listed[i] {
			list = append(list, &Methods[i])
		}
	}
	return list
}

// indexOf returns the place of a method in Methods, or -1.
func indexOf(key string) int {
	for i := range Methods {
		if Methods[i].Key == key {
			return i
		}
	}
	return -1
}

// Of returns the fingerprint of in, or the empty string where m does not apply.
func (m *Method) Of(in *Input) string { return textOf(m.Append, in) }

// Of returns the fingerprint of in, or the empty string where v does not apply.
func (v *Variant) Of(in *Input) string { return textOf(v.Append, in) }

func textOf(appendTo func([]byte, *Input) []byte, in *Input) string {
	var buf [textLen]byte
	return string(appendTo(buf[:0], in))
}

// ofHello makes an Append of a function that needs the hello only.
func ofHello(f func([]byte, *parser.ClientHello) []byte) func([]byte, *Input) []byte {
	return func(dst []byte, in *Input) []byte { return f(dst, in.Hello) }
}
