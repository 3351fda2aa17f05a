package parser

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/tlsrecord"
)

// addHellos seeds f with the messages of testdata and of extensionBodies.
func addHellos(f *testing.F, add func(msg []byte, transport Transport)) {
	for _, h := range readHellos(f) {
		add(h.Raw, h.Transport)
	}
	for _, body := range extensionBodies {
		add(helloWith(body.typ, fromHex(body.hex)), TLS)
	}
	add(helloWith(ExtSupportedGroups, []byte{0, 3, 0, 23, 0}), TLS)
	add(sslv2Hello, TLS)
}

// requireTiles fails unless the leaves of f cover msg in order, each byte once.
// It calls testify only to fail, because it runs a million times.
func requireTiles(t testing.TB, f Field, msg []byte) {
	at := 0
	var walk func(Field)
	walk = func(f Field) {
		if f.Offset != at || f.Children != nil && f.Value != nil {
			require.Failf(t, "gap or overlap", "%s at byte %d, not %d", f.Name, f.Offset, at)
		}
		for _, c := range f.Children {
			walk(c)
		}
		if f.Children == nil {
			at += len(f.Bytes)
		}
		if at != f.Offset+len(f.Bytes) || !bytes.Equal(f.Bytes, msg[f.Offset:at]) {
			require.Failf(t, "wrong bytes", "%s at byte %d: %x", f.Name, f.Offset, f.Bytes)
		}
	}
	walk(f)
	require.Equal(t, len(msg), at)
}

// child returns the child of f by its name, or nil.
func child(f *Field, name string) *Field {
	i := slices.IndexFunc(f.Children, func(c Field) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &f.Children[i]
}

// requireSameErrors fails unless the tree and Unmarshal have the same error for
// each extension.
func requireSameErrors(t testing.TB, h *ClientHello, root Field) {
	var extensions []Field
	if f := child(&root, "extensions"); f != nil {
		extensions = f.Children[1:]
	}
	require.Len(t, extensions, len(h.Extensions))
	for i, e := range h.Extensions {
		require.EqualValues(t, e.Type, extensions[i].Children[0].Value)
		data := extensions[i].Children[1]
		if e.Err == nil {
			require.Empty(t, data.Note, "%s", e.Type)
			continue
		}
		require.Equal(t, "malformed: "+errorText(e.Err), data.Note, "%s", e.Type)
		require.GreaterOrEqual(t, e.Err.Offset, e.Offset+4)
		require.LessOrEqual(t, e.Err.Offset, e.Offset+4+len(e.Data))
	}
}

// FuzzDissect checks that the tree of any message covers each byte once, and
// has the same errors in extensions as Unmarshal.
func FuzzDissect(f *testing.F) {
	addHellos(f, func(msg []byte, transport Transport) { f.Add(msg, transport == DTLS) })
	f.Fuzz(func(t *testing.T, msg []byte, dtls bool) {
		var h ClientHello
		if dtls {
			h.Transport = DTLS
		}
		err := h.Unmarshal(msg)
		root := Dissect(&h)
		requireTiles(t, root, msg)
		require.True(t, json.Valid(root.AppendJSON(nil)))
		if err != nil {
			var e *Error
			require.True(t, errors.As(err, &e))
			require.LessOrEqual(t, e.Offset, len(msg))
			return
		}
		if !h.SSLv2 {
			requireSameErrors(t, &h, root)
		}
	})
}

// FuzzReuse checks that nothing remains of the hello that h held before.
func FuzzReuse(f *testing.F) {
	var before []byte
	addHellos(f, func(msg []byte, transport Transport) {
		f.Add(before, msg)
		before = msg
	})
	f.Fuzz(func(t *testing.T, before, msg []byte) {
		var h, fresh ClientHello
		_ = h.Unmarshal(before)
		require.Equal(t, fresh.Unmarshal(msg), h.Unmarshal(msg))
		require.Equal(t, normal(fresh), normal(h))
		require.Equal(t, normal(fresh), normal(*h.Clone()))
	})
}

// normal returns h with nil instead of empty slices.
func normal(h ClientHello) ClientHello {
	v := reflect.ValueOf(&h).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Slice && f.Len() == 0 && f.CanSet() {
			f.SetZero()
		}
	}
	h.ech, h.scratch = EncryptedClientHello{}, nil // memory
	return h
}

// FuzzCryptoTLS checks that each hello that crypto/tls accepts is accepted,
// with the same values.
func FuzzCryptoTLS(f *testing.F) {
	addHellos(f, func(msg []byte, _ Transport) { f.Add(msg) })
	f.Fuzz(func(t *testing.T, msg []byte) {
		if info, _ := serverView(records(msg, 16384)); info != nil {
			var a RecordAssembler
			first, _, err := a.Next(records(msg, 16384))
			require.NoError(t, err)
			h, err := Parse(first)
			require.NoError(t, err)
			requireSameAsCryptoTLS(t, info, h)
		}
	})
}

// requireSameAsCryptoTLS fails unless h has the values that crypto/tls read.
func requireSameAsCryptoTLS(t testing.TB, info *tls.ClientHelloInfo, h *ClientHello) {
	requireSameList(t, info.CipherSuites, h.CipherSuites)
	requireSameList(t, info.SupportedCurves, h.SupportedGroups)
	requireSameList(t, info.SupportedPoints, h.ECPointFormats)
	requireSameList(t, info.SignatureSchemes, h.SignatureAlgorithms)
	if h.HasExtension(ExtSupportedVersions) { // without it crypto/tls makes up a list
		requireSameList(t, info.SupportedVersions, h.SupportedVersions)
	}
	require.Equal(t, info.ServerName, string(h.ServerName))
	require.Len(t, h.ALPNProtocols, len(info.SupportedProtos))
	for i, p := range info.SupportedProtos {
		require.Equal(t, p, string(h.ALPNProtocols[i]))
	}
	var types []ExtensionType
	for _, e := range h.Extensions {
		types = append(types, e.Type)
	}
	requireSameList(t, info.Extensions, types)
}

// requireSameList fails unless want and got have the same numbers.
func requireSameList[T, U ~uint8 | ~uint16](t testing.TB, want []T, got []U) {
	require.Len(t, got, len(want))
	for i := range want {
		require.EqualValues(t, want[i], got[i])
	}
}

// FuzzRecordAssembler checks that a stream gives the same messages however it
// is split over calls of Next, and a message however it is split over records.
func FuzzRecordAssembler(f *testing.F) {
	addHellos(f, func(msg []byte, _ Transport) {
		f.Add(records(msg, 50), []byte{3, 0, 200})
		f.Add(msg, []byte{1})
	})
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		want := assemble(stream, nil)
		require.Equal(t, want, assemble(stream, cuts))

		if len(cuts) == 0 || len(stream) < headerLen || stream[0] != tlsrecord.ClientHello || len(stream) != tlsrecord.MessageLen(stream) {
			return
		}
		var cut []byte
		for rest, i := stream, 0; len(rest) > 0; i++ {
			n := min(len(rest), 1+int(cuts[i%len(cuts)]))
			cut = append(cut, records(rest[:n], n)...)
			rest = rest[n:]
		}
		got := assemble(cut, cuts)
		require.Equal(t, [][]byte{stream}, got.msgs)
		require.NoError(t, got.err)
	})
}

type assembled struct {
	msgs     [][]byte
	versions []Version
	records  []int
	used     int
	err      error
}

// assemble passes stream to a RecordAssembler, in calls of the sizes in cuts.
func assemble(stream, cuts []byte) (out assembled) {
	var a RecordAssembler
	for i := 0; len(stream) > 0; i++ {
		n := len(stream)
		if len(cuts) > 0 {
			n = min(n, 1+int(cuts[i%len(cuts)]))
		}
		msg, used, err := a.Next(stream[:n])
		stream = stream[used:]
		if err != nil {
			out.used, out.err = 0, err // how far it read before an error is not specified
			return out
		}
		out.used += used
		if msg != nil {
			out.msgs = append(out.msgs, slices.Clone(msg))
			out.versions = append(out.versions, a.RecordVersion())
			out.records = append(out.records, a.Records())
		}
	}
	return out
}

// FuzzDTLSAssembler checks that a message comes out once and complete, however
// it is split into fragments, with fragments in any order, repeated and
// overlapping.
func FuzzDTLSAssembler(f *testing.F) {
	addHellos(f, func(msg []byte, _ Transport) {
		f.Add(msg[headerLen:], []byte{100, 3, 255}, uint64(1))
	})
	f.Fuzz(func(t *testing.T, body, cuts []byte, seed uint64) {
		if len(body) > tlsrecord.MaxMessage || len(body)/(1+len(cuts)) > 2000 {
			return
		}
		n := len(body)
		msg := append([]byte{tlsrecord.ClientHello, byte(n >> 16), byte(n >> 8), byte(n)}, body...)
		rnd := rand.New(rand.NewPCG(seed, 0))
		var fragments [][]byte
		for from, i := 0, 0; from < n || i == 0; i++ {
			to := n
			if len(cuts) > 0 {
				to = min(n, from+1+int(cuts[i%len(cuts)]))
			}
			fragments = append(fragments, dtlsFragment(msg, 0, from, to))
			if before := rnd.IntN(1 + from); seed%2 == 1 {
				fragments = append(fragments, dtlsFragment(msg, 0, before, min(n, to+rnd.IntN(9))))
			}
			from = to
		}
		if len(fragments) > maxParts {
			return
		}
		rnd.Shuffle(len(fragments), func(i, j int) { fragments[i], fragments[j] = fragments[j], fragments[i] })
		var a DTLSAssembler
		var got [][]byte
		for len(fragments) > 0 {
			k := min(len(fragments), 1+rnd.IntN(3))
			datagram := dtlsRecord(fragments[:k]...)
			if len(datagram)-dtlsRecordHeaderLen > 0xffff {
				k = 1
				datagram = dtlsRecord(fragments[0])
			}
			fragments = fragments[k:]
			out, err := a.Next(datagram)
			require.NoError(t, err)
			if out != nil {
				got = append(got, slices.Clone(out))
			}
		}
		require.Equal(t, [][]byte{msg}, got)
	})
}

// FuzzDTLSDatagrams checks that the assembler holds no more bytes than the
// datagrams have, and returns only messages.
func FuzzDTLSDatagrams(f *testing.F) {
	addHellos(f, func(msg []byte, _ Transport) {
		n := len(msg) - headerLen
		f.Add(dtlsRecord(dtlsFragment(msg, 0, n/2, n)), dtlsRecord(dtlsFragment(msg, 0, 0, n/2+1)))
	})
	f.Fuzz(func(t *testing.T, one, two []byte) {
		var a DTLSAssembler
		for _, d := range [][]byte{one, two, one, two} {
			msg, err := a.Next(d)
			require.False(t, msg != nil && err != nil)
			if msg != nil {
				require.True(t, len(msg) >= headerLen && len(msg) == tlsrecord.MessageLen(msg) && msg[0] == tlsrecord.ClientHello)
			}
			var e *Error
			if errors.As(err, &e) {
				require.LessOrEqual(t, e.Offset, len(d))
			}
			require.LessOrEqual(t, a.Buffered(), len(one)+len(two))
			require.LessOrEqual(t, len(a.Pending()), headerLen+a.Buffered())
		}
	})
}

// FuzzText checks that text is printable and gives the same bytes back.
func FuzzText(f *testing.F) {
	f.Add([]byte("a.test"))
	f.Add([]byte("a\r\n\x00\x1b\\\xff\u2028\u00e9"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := Text(b)
		require.True(t, utf8.ValidString(s))
		for _, c := range s {
			require.True(t, unicode.IsPrint(c), "%q", s)
		}
		back, err := UnescapeText(s)
		require.NoError(t, err)
		require.Equal(t, string(b), string(back))
	})
}
