package parser

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// withoutListNames returns f as its JSON has it: without the names of f and of
// the elements of lists.
func withoutListNames(f Field) Field {
	f.Name = ""
	f.Bytes = append([]byte{}, f.Bytes...) // of no bytes: not nil
	return withoutElementNames(f)
}

func withoutElementNames(f Field) Field {
	if len(f.Children) == 0 {
		return f
	}
	children := make([]Field, len(f.Children))
	for i, c := range f.Children {
		if f.List && c.isElement() {
			c.Name = ""
		}
		children[i] = withoutElementNames(c)
	}
	f.Children = children
	return f
}

// requireJSONRoundTrip fails unless the JSON of a tree gives the same tree and
// the same JSON.
func requireJSONRoundTrip(t testing.TB, root Field) {
	text := root.AppendJSON(nil)
	back := Field{Name: "x", Note: "x", List: true}
	require.NoError(t, back.UnmarshalJSON(text), "%s", text)
	require.Equal(t, string(text), string(back.AppendJSON(nil)))
	require.Equal(t, withoutListNames(root), back)
}

func TestFieldJSONRoundTrip(t *testing.T) {
	for _, h := range readHellos(t) {
		requireJSONRoundTrip(t, Dissect(h))
		for n := range h.Raw { // truncated
			if n < 200 || n%50 == 0 {
				requireJSONRoundTrip(t, Dissect(&ClientHello{Transport: h.Transport, Raw: h.Raw[:n]}))
			}
		}
	}
	for _, c := range extensionBodies {
		for _, body := range variantsOf(fromHex(c.hex)) {
			requireJSONRoundTrip(t, Dissect(&ClientHello{Raw: helloWith(c.typ, body)}))
		}
	}
	for n := range sslv2Hello {
		requireJSONRoundTrip(t, Dissect(&ClientHello{Raw: sslv2Hello[:n]}))
	}
}

func TestFieldJSONInAStruct(t *testing.T) {
	root := Dissect(readHellos(t)["chromium-156"])
	type document struct{ Hello, None *Field }
	text, err := json.Marshal(document{Hello: &root}) // escapes < and >
	require.NoError(t, err)
	var back document
	require.NoError(t, json.Unmarshal(text, &back))
	assert.Equal(t, withoutListNames(root), *back.Hello)
	assert.Nil(t, back.None)

	f := root
	require.NoError(t, f.UnmarshalJSON([]byte("null")))
	assert.Equal(t, root, f, "null changes nothing")
}

func TestFieldJSONErrors(t *testing.T) {
	for text, want := range map[string]string{
		`7`:                                 "not an object",
		`[]`:                                "not an object",
		`{"offset":0,"size":0,"raw":""} {}`: "text after the object",
		`{"offset":-1,"size":0,"raw":""}`:   "offset: ",
		`{"offset":0,"size":1.5,"raw":""}`:  "size: ",
		`{"offset":0,"size":1,"raw":"0g"}`:  "raw: ",
		`{"offset":0,"size":2,"raw":"00"}`:  "1 bytes, which is not its size",
		`{"offset":0,"raw":""}`:             "0 bytes, which is not its size",
		`{}`:                                "0 bytes, which is not its size",
		`{"offset":0,"size":1,"raw":"00","value":-1}`:                       "value: ",
		`{"offset":0,"size":0,"raw":"","x":[]}`:                             "x: an array",
		`{"offset":0,"size":0,"raw":"","list":[1]}`:                         "list: an element that is not an object",
		`{"offset":0,"size":0,"raw":"","x":{"offset":0,"size":0,"raw":""}}`: "both raw and fields",
		`{"offset":0,"size":1,"x":{"offset":1,"size":1,"raw":"00"}}`:        "a field begins at byte 1, not 0",
		`{"offset":0,"size":1,"x":{"offset":0,"size":2,"raw":"00"}}`:        "x: 1 bytes, which is not its size",
		`{"offset":0,`: "",
		`{"offset":0`:  "",
		``:             "",
		strings.Repeat(`{"x":`, 1000) + strings.Repeat(`}`, 1000): "more than 100 fields inside each other",
	} {
		f := Field{Name: "kept"}
		err := f.UnmarshalJSON([]byte(text))
		require.ErrorContains(t, err, want, text)
		assert.ErrorContains(t, err, "parser: JSON of a field: ", text)
		assert.Equal(t, Field{Name: "kept"}, f, text)
	}
}

func TestFieldJSONIgnoresUnknownMembers(t *testing.T) {
	var f Field
	require.NoError(t, f.UnmarshalJSON([]byte(`{"offset":3,"size":1,"raw":"ab","value":18446744073709551615,"more":true,"most":null,"text":"x","number":1}`)))
	assert.Equal(t, Field{Offset: 3, Bytes: []byte{0xab}, Value: uint64(1<<64 - 1)}, f)
}

// FuzzFieldJSON checks that the tree of any message comes back from its JSON,
// and that a tree read from any text does as well.
func FuzzFieldJSON(f *testing.F) {
	addHellos(f, func(msg []byte, transport Transport) {
		f.Add(msg, transport == DTLS)
		root := Dissect(&ClientHello{Transport: transport, Raw: msg})
		f.Add(root.AppendJSON(nil), false)
	})
	f.Add([]byte(`{"offset":0,"size":2,"list":[{"offset":1,"size":1,"raw":"00"}],"undecoded":{"offset":2,"size":0,"raw":""},"a\"":{"offset":0,"size":1,"raw":"00"}}`), false)
	f.Fuzz(func(t *testing.T, data []byte, dtls bool) {
		h := ClientHello{Raw: data}
		if dtls {
			h.Transport = DTLS
		}
		requireJSONRoundTrip(t, Dissect(&h))

		var got Field
		if got.UnmarshalJSON(data) == nil && string(data) != "null" {
			requireJSONRoundTrip(t, got)
		}
	})
}
