package parser

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDecodeFillsEveryField names a field of an extension that decode leaves empty
// for all bodies of extensionBodies.
func TestDecodeFillsEveryField(t *testing.T) {
	filled := map[string]bool{}
	for _, c := range extensionBodies {
		var h ClientHello
		h.decode(c.typ, fromHex(c.hex))
		v := reflect.ValueOf(h)
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				filled[v.Type().Field(i).Name] = true
			}
		}
	}
	fields := reflect.TypeFor[ClientHello]()
	first, ok := fields.FieldByName("ServerName")
	require.True(t, ok)
	for i := first.Index[0]; i < fields.NumField(); i++ { // those before are not of extensions
		if f := fields.Field(i); f.IsExported() {
			assert.True(t, filled[f.Name], "decode leaves %s empty", f.Name)
		}
	}
}

func TestDecodeSessionTicket(t *testing.T) {
	var h ClientHello
	require.True(t, h.decode(ExtSessionTicket, []byte("ticket")))
	assert.Equal(t, "ticket", string(h.SessionTicket))
}

// TestPSKsWithoutContent: neither decode nor the table takes an empty list or an
// empty element for well formed.
func TestPSKsWithoutContent(t *testing.T) {
	binder := "20" + strings.Repeat("ab", 32)
	for name, body := range map[string]string{
		"no identity":                 "0000 0021" + binder,
		"an empty identity":           "000f 0003 616263 00000001 0000 00000002 0042" + binder + binder,
		"only an empty identity":      "0006 0000 00000001 0021" + binder,
		"no binder":                   "0009 0003 616263 00000001 0000",
		"a binder of fewer bytes":     "0009 0003 616263 00000001 0020 1f" + strings.Repeat("ab", 31),
		"a short binder after a long": "0012 0003 616263 00000001 0003 616263 00000001 0023" + binder + "01ab",
	} {
		b := fromHex(body)
		assert.False(t, new(ClientHello).decode(ExtPreSharedKey, b), name)
		assert.NotNil(t, new(ClientHello).check(&Extension{Type: ExtPreSharedKey, Data: b}), name)
	}
}

// TestDecodeECHType: of an inner hello and of a type that is not defined, the type
// alone is decoded.
func TestDecodeECHType(t *testing.T) {
	for _, body := range []string{"\x01", "\x07what follows"} {
		var h ClientHello
		require.True(t, h.decode(ExtEncryptedClientHello, []byte(body)))
		assert.Equal(t, &EncryptedClientHello{Type: body[0]}, h.ECH)
	}
}
