package policy

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/tlspeek/tlspeek/fingerprint"
	"github.com/tlspeek/tlspeek/parser"
)

// A structType is the type of objects in expressions that show a Go struct in its JSON
// view: the fields have the keys and the types that encoding/json gives them.
type structType struct {
	name   string // "tlspeek.Claim"
	goType reflect.Type
	keys   []string // in the order of the JSON form
	fields map[string]*structField
}

// A structField is a key of a structType.
type structField struct {
	celType *types.Type
	zero    ref.Val // of objects that lack the key
	of      func(reflect.Value) ref.Val
	has     func(reflect.Value) bool

	variable int // of an Event: one more than the number of the variable that it is, too
}

// A typeSet has the structTypes of a Go struct and of all that it refers to.
type typeSet map[reflect.Type]*structType

// add returns the structType of t, which it makes once.
func (s typeSet) add(t reflect.Type) *structType {
	if st, ok := s[t]; ok {
		return st
	}
	st := &structType{name: "tlspeek." + t.Name(), goType: t, fields: make(map[string]*structField)}
	s[t] = st // before the fields, which may refer to it
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Type == reflect.TypeFor[fingerprint.Values]() {
			for m := range fingerprint.Methods {
				st.set(fingerprint.Methods[m].Key, s.fingerprint(i, m))
			}
			continue
		}
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || key == "-" || key == "" {
			continue
		}
		st.set(key, s.field(i, f.Type, strings.Contains(options, "omit")))
	}
	return st
}

func (st *structType) set(key string, f *structField) {
	st.keys = append(st.keys, key)
	st.fields[key] = f
}

// fingerprint returns the field of a method, which is number m of those in field i.
func (s typeSet) fingerprint(i, m int) *structField {
	of := func(v reflect.Value) reflect.Value { return v.Field(i).Index(m) }
	return &structField{
		celType: types.StringType,
		zero:    types.String(""),
		of:      func(v reflect.Value) ref.Val { return types.String(of(v).String()) },
		has:     func(v reflect.Value) bool { return of(v).Len() > 0 },
	}
}

// field returns field i, whose type is t. A field with omit is not there if it is zero.
func (s typeSet) field(i int, t reflect.Type, omit bool) *structField {
	c := s.conversion(t)
	return &structField{
		celType: c.celType,
		zero:    c.zero,
		of: func(v reflect.Value) ref.Val {
			f := v.Field(i)
			if omit && f.IsZero() {
				return c.zero
			}
			return c.of(f)
		},
		has: func(v reflect.Value) bool {
			f := v.Field(i)
			switch f.Kind() {
			case reflect.Slice, reflect.Map, reflect.String: // omitempty
				return f.Len() > 0
			}
			return !omit || !f.IsZero()
		},
	}
}

// A conversion shows values of a Go type.
type conversion struct {
	celType *types.Type
	zero    ref.Val
	of      func(reflect.Value) ref.Val
}

// names is a set that is an array of names in JSON.
type names interface{ Names() []string }

func (s typeSet) conversion(t reflect.Type) conversion {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return conversion{types.TimestampType, types.Timestamp{}, func(v reflect.Value) ref.Val {
			return types.Timestamp{Time: v.Interface().(time.Time)}
		}}
	case t == reflect.TypeFor[*parser.Field]():
		return treeConversion
	case t.Implements(reflect.TypeFor[names]()):
		return conversion{types.NewListType(types.StringType), emptyList, func(v reflect.Value) ref.Val {
			return types.NewStringList(types.DefaultTypeAdapter, v.Interface().(names).Names())
		}}
	case t.Kind() == reflect.Uint8 && t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return enumeration(t)
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return conversion{types.StringType, types.String(""), func(v reflect.Value) ref.Val {
			b, err := v.Interface().(encoding.TextMarshaler).MarshalText()
			if err != nil {
				return types.WrapErr(err)
			}
			return types.String(b)
		}}
	}
	switch t.Kind() {
	case reflect.String:
		return conversion{types.StringType, types.String(""), func(v reflect.Value) ref.Val { return types.String(v.String()) }}
	case reflect.Bool:
		return conversion{types.BoolType, types.False, func(v reflect.Value) ref.Val { return types.Bool(v.Bool()) }}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return conversion{types.IntType, types.IntZero, func(v reflect.Value) ref.Val { return types.Int(v.Int()) }}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return conversion{types.IntType, types.IntZero, func(v reflect.Value) ref.Val { return types.Int(v.Uint()) }}
	case reflect.Float32, reflect.Float64:
		return conversion{types.DoubleType, types.Double(0), func(v reflect.Value) ref.Val { return types.Double(v.Float()) }}
	case reflect.Pointer:
		return s.pointer(t)
	case reflect.Struct:
		st := s.add(t)
		return conversion{st.celType(), &object{st: st}, func(v reflect.Value) ref.Val { return &object{st: st, v: v} }}
	case reflect.Slice:
		return s.slice(t)
	}
	panic("policy: no type for " + t.String()) // a test has all keys of an Event
}

// enumeration shows values of a small set of names, all of which are made once.
func enumeration(t reflect.Type) conversion {
	var texts [256]ref.Val
	for i := range texts {
		v := reflect.New(t).Elem()
		v.SetUint(uint64(i))
		b, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			texts[i] = types.WrapErr(err)
			continue
		}
		texts[i] = types.String(b)
	}
	return conversion{types.StringType, types.String(""), func(v reflect.Value) ref.Val { return texts[v.Uint()] }}
}

func (s typeSet) pointer(t reflect.Type) conversion {
	c := s.conversion(t.Elem())
	return conversion{c.celType, c.zero, func(v reflect.Value) ref.Val {
		if v.IsNil() {
			return c.zero
		}
		return c.of(v.Elem())
	}}
}

func (s typeSet) slice(t reflect.Type) conversion {
	switch t.Elem().Kind() {
	case reflect.Uint8:
		return conversion{types.BytesType, types.Bytes(nil), func(v reflect.Value) ref.Val { return types.Bytes(v.Bytes()) }}
	case reflect.String:
		return conversion{types.NewListType(types.StringType), emptyList, func(v reflect.Value) ref.Val {
			return types.NewStringList(types.DefaultTypeAdapter, v.Interface().([]string))
		}}
	}
	c := s.conversion(t.Elem())
	if st, ok := s[t.Elem()]; ok {
		return conversion{types.NewListType(c.celType), emptyList, func(v reflect.Value) ref.Val { return newObjectList(st, v) }}
	}
	return conversion{types.NewListType(c.celType), emptyList, func(v reflect.Value) ref.Val {
		list := make([]ref.Val, v.Len())
		for i := range list {
			list[i] = c.of(v.Index(i))
		}
		return types.NewRefValList(types.DefaultTypeAdapter, list)
	}}
}

var emptyList = types.NewRefValList(types.DefaultTypeAdapter, nil)

// treeConversion shows the tree of a hello as its JSON form is read by any program:
// names are dynamic, and numbers are doubles.
var treeConversion = conversion{
	celType: types.NewMapType(types.StringType, types.DynType),
	zero:    types.NewStringInterfaceMap(types.DefaultTypeAdapter, nil),
	of: func(v reflect.Value) ref.Val {
		f := v.Interface().(*parser.Field)
		if f == nil {
			return types.NewStringInterfaceMap(types.DefaultTypeAdapter, nil)
		}
		var tree map[string]any
		if err := json.Unmarshal(f.AppendJSON(nil), &tree); err != nil {
			return types.WrapErr(err)
		}
		return types.NewStringInterfaceMap(types.DefaultTypeAdapter, tree)
	},
}

func (st *structType) celType() *types.Type { return types.NewObjectType(st.name) }

// The methods of [types.StructTypeDescriptor] and [ref.Type].

func (st *structType) ReflectType() reflect.Type { return st.goType }

func (st *structType) FieldNames() []string { return slices.Clone(st.keys) }

func (st *structType) FindFieldType(key string) (*types.FieldType, bool) {
	f, ok := st.fields[key]
	if !ok {
		return nil, false
	}
	return &types.FieldType{
		Type:    f.celType,
		IsSet:   func(obj any) bool { o, ok := obj.(*object); return ok && o.v.IsValid() && f.has(o.v) },
		GetFrom: func(obj any) (any, error) { return obj.(*object).get(f), nil },
	}, true
}

func (st *structType) NewValue(types.Adapter, map[string]ref.Val) ref.Val {
	return types.NewErr("%s cannot be constructed", st.name)
}

func (st *structType) Adapt(_ types.Adapter, value any) ref.Val {
	return st.value(reflect.ValueOf(value))
}

func (st *structType) HasTrait(trait int) bool { return st.celType().HasTrait(trait) }
func (st *structType) TypeName() string        { return st.name }

// value returns v, which is a struct of the type or a pointer to one.
func (st *structType) value(v reflect.Value) ref.Val {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return &object{st: st, v: v}
}

// An object is a value of a structType.
type object struct {
	st *structType
	v  reflect.Value // not valid for an object that is absent
	in *Input        // that has the fields of the variable event as variables
}

func (o *object) get(f *structField) ref.Val {
	if !o.v.IsValid() {
		return f.zero
	}
	if o.in != nil && f.variable > 0 {
		return o.in.variable(f.variable-1, f)
	}
	return f.of(o.v)
}

// The methods of [ref.Val] and of the traits of objects.

func (o *object) ConvertToNative(t reflect.Type) (any, error) {
	if o.v.IsValid() && o.v.Type() == t {
		return o.v.Interface(), nil
	}
	return nil, errNoNative
}

func (o *object) ConvertToType(t ref.Type) ref.Val {
	switch t.TypeName() {
	case o.st.name:
		return o
	case types.TypeType.TypeName():
		return o.st.celType()
	}
	return types.NewErr("%s cannot be converted to %s", o.st.name, t.TypeName())
}

func (o *object) Equal(other ref.Val) ref.Val {
	p, ok := other.(*object)
	switch {
	case !ok || p.st != o.st || p.v.IsValid() != o.v.IsValid():
		return types.False
	case !o.v.IsValid():
		return types.True
	}
	return types.Bool(reflect.DeepEqual(o.v.Interface(), p.v.Interface()))
}

func (o *object) Type() ref.Type { return o.st.celType() }
func (o *object) Value() any     { return o }

func (o *object) Get(key ref.Val) ref.Val {
	if f, ok := o.st.fields[string(key.(types.String))]; ok {
		return o.get(f)
	}
	return types.NewErr("no such field: %v", key)
}

func (o *object) IsSet(key ref.Val) ref.Val {
	f, ok := o.st.fields[string(key.(types.String))]
	return types.Bool(ok && o.v.IsValid() && f.has(o.v))
}

func (o *object) IsZeroValue() bool { return !o.v.IsValid() || o.v.IsZero() }
