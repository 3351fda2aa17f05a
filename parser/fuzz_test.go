package parser

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// addHellos seeds f with the messages of testdata, and with extension bodies
// that no client there sends.
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

// requireTiles fails unless the leaves of f are msg, each byte once and in
// order.
func requireTiles(t testing.TB, f Field, msg []byte) {
	at := 0
	var walk func(Field)
	walk = func(f Field) {
		require.Equal(t, at, f.Offset, f.Name)
		if f.Children == nil {
			require.Equal(t, msg[at:at+len(f.Bytes)], f.Bytes, f.Name)
			at += len(f.Bytes)
			return
		}
		require.Nil(t, f.Value, f.Name)
		for _, c := range f.Children {
			walk(c)
		}
		require.Equal(t, at, f.Offset+len(f.Bytes), f.Name)
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

// requireSameErrors fails unless the tree remarks on each extension what
// Unmarshal found wrong with it.
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
		require.Equal(t, "malformed: "+describe(e.Err), data.Note, "%s", e.Type)
		require.GreaterOrEqual(t, e.Err.Offset, e.Offset+4)
		require.LessOrEqual(t, e.Err.Offset, e.Offset+4+len(e.Data))
	}
}

// FuzzDissect holds that the tree covers each byte once, whatever the message,
// and says of each extension what Unmarshal says.
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
		if err != nil {
			var e *Error
			require.True(t, errors.As(err, &e))
			require.LessOrEqual(t, e.Offset, len(msg))
			return
		}
		if !h.SSLv2 {
			requireSameErrors(t, &h, root)
		}
		require.Equal(t, h.Extensions, h.Clone().Extensions)
	})
}

// FuzzReuse holds that what h held before leaves no trace.
func FuzzReuse(f *testing.F) {
	addHellos(f, func(msg []byte, transport Transport) { f.Add(msg, msg[:len(msg)/2]) })
	f.Fuzz(func(t *testing.T, before, msg []byte) {
		var h, fresh ClientHello
		_ = h.Unmarshal(before)
		require.Equal(t, fresh.Unmarshal(msg), h.Unmarshal(msg))
		requireSameHello(t, &fresh, &h)
	})
}

// requireSameHello fails unless got has what want has.
func requireSameHello(t testing.TB, want, got *ClientHello) {
	require.Equal(t, *want.Clone(), *got.Clone())
	require.ElementsMatch(t, want.CipherSuites, got.CipherSuites)
}
