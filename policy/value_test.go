package policy

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/parser"
)

// jsonOf returns what encoding/json reads from the JSON form of v, without what is
// absent.
func jsonOf(t *testing.T, v ref.Val) any {
	switch v := v.(type) {
	case types.String:
		return string(v)
	case types.Bool:
		return bool(v)
	case types.Int:
		return float64(v)
	case types.Double:
		return float64(v)
	case types.Bytes:
		b, err := json.Marshal([]byte(v))
		require.NoError(t, err)
		return strings.Trim(string(b), `"`)
	case types.Timestamp:
		return v.Time.Format(time.RFC3339Nano)
	case *object:
		m := make(map[string]any)
		for _, key := range v.st.keys {
			if v.IsSet(types.String(key)) == types.True {
				m[key] = jsonOf(t, v.Get(types.String(key)))
			}
		}
		return m
	case traits.Lister:
		list := []any{}
		for it := v.Iterator(); it.HasNext() == types.True; {
			list = append(list, jsonOf(t, it.Next()))
		}
		return list
	case traits.Mapper:
		m := make(map[string]any)
		for it := v.Iterator(); it.HasNext() == types.True; {
			key := it.Next()
			m[string(key.(types.String))] = jsonOf(t, v.Get(key))
		}
		return m
	}
	require.Failf(t, "no JSON form", "of %T", v)
	return nil
}

// filled returns an Event in which each field but the tree of the hello has a value.
func filled() *event.Event {
	e := new(event.Event)
	fill(reflect.ValueOf(e).Elem())
	return e
}

func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)))
		return
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.MustParseAddr("2001:db8::1")))
		return
	case *parser.Field:
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	default:
		v.Set(reflect.ValueOf(1).Convert(v.Type()))
	}
}

// TestJSONView: expressions see of an Event what is in its JSON form, and nothing else.
func TestJSONView(t *testing.T) {
	events := []*event.Event{theEvent(), new(event.Event), filled()}
	var ob event.Observer
	for _, h := range hellotest.Real(t) {
		e := new(event.Event)
		ob.Fill(e, &event.Observation{Time: time.Date(2026, 11, 29, 12, 0, 0, 5, time.UTC), Index: 1, Hello: h}, event.Detail)
		events = append(events, e)
	}
	s := newSchema()
	seen := make(map[string]bool)
	for _, e := range events {
		b, err := e.AppendJSON(nil)
		require.NoError(t, err)
		var want map[string]any
		require.NoError(t, json.Unmarshal(b, &want))
		if want["transport"] == "" {
			delete(want, "transport") // "" is as absent
		}
		got := jsonOf(t, s.event.value(reflect.ValueOf(e)))
		assert.Equal(t, want, got)
		for key := range want {
			seen[key] = true
		}
	}
	for _, key := range s.event.keys {
		assert.True(t, seen[key], "no Event here has %s", key)
	}
	for i := range event.Fields {
		assert.Contains(t, s.event.fields, event.Fields[i].Key)
	}
	assert.Len(t, s.event.keys, len(event.Fields))
}
