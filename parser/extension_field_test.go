package parser

import (
	"encoding/binary"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestReset names a field that reset leaves.
func TestReset(t *testing.T) {
	var h ClientHello
	v := reflect.ValueOf(&h).Elem()
	for i := range v.NumField() {
		if v.Type().Field(i).IsExported() {
			setNonzero(v.Field(i))
		}
	}
	h.reset(nil)
	for i := range v.NumField() {
		switch f, name := v.Field(i), v.Type().Field(i).Name; {
		case name == "Transport" || !v.Type().Field(i).IsExported(): // Transport is the caller's
		case f.Kind() == reflect.Slice:
			assert.Zero(t, f.Len(), "ClientHello.reset leaves %s", name)
		default:
			assert.True(t, f.IsZero(), "ClientHello.reset leaves %s", name)
		}
	}
}

func setNonzero(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Array:
		setNonzero(v.Index(0))
	default:
		v.SetUint(1)
	}
}

// TestSecondOfTwoExtensions: of two extensions of one type, the fields have the
// first one's values. That needs a bit of extensionBit for each type that decode
// reads.
func TestSecondOfTwoExtensions(t *testing.T) {
	compared := map[ExtensionType]bool{}
	for _, c := range extensionBodies {
		first := fromHex(c.hex)
		if !new(ClientHello).decode(c.typ, first) {
			continue
		}
		want := fieldsOf(t, c.typ, first)
		for _, second := range variantsOf(first) {
			if !new(ClientHello).decode(c.typ, second) || reflect.DeepEqual(want, fieldsOf(t, c.typ, second)) {
				continue // no field shows which of the two was read
			}
			compared[c.typ] = true
			if !assert.Equal(t, want, fieldsOf(t, c.typ, first, second), "the second %s replaces the first: extensionBit lacks it", c.typ) {
				break
			}
		}
	}
	assert.Greater(t, len(compared), 15)
}

// fieldsOf returns the fields that extensions of one type fill.
func fieldsOf(t *testing.T, typ ExtensionType, bodies ...[]byte) map[string]any {
	var block []byte
	for _, body := range bodies {
		block = binary.BigEndian.AppendUint16(block, uint16(typ))
		block = binary.BigEndian.AppendUint16(block, uint16(len(body)))
		block = append(block, body...)
	}
	var h ClientHello
	require.Nil(t, h.unmarshalExtensions(block, 0))
	fields := map[string]any{}
	v := reflect.ValueOf(&h).Elem()
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && f.Name != "Extensions" && !v.Field(i).IsZero() {
			fields[f.Name] = v.Field(i).Interface()
		}
	}
	return fields
}
