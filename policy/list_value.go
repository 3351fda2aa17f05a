package policy

import (
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// An objectList is a list of objects, which stand together in memory: the lists of CEL
// take four allocations more.
type objectList struct {
	objects []object
}

func newObjectList(st *structType, v reflect.Value) *objectList {
	l := &objectList{make([]object, v.Len())}
	for i := range l.objects {
		l.objects[i] = object{st: st, v: v.Index(i)}
	}
	return l
}

// list returns l as a list of CEL, for what expressions seldom do.
func (l *objectList) list() traits.Lister {
	values := make([]ref.Val, len(l.objects))
	for i := range values {
		values[i] = &l.objects[i]
	}
	return types.NewRefValList(types.DefaultTypeAdapter, values)
}

// The methods of [traits.Lister].

func (l *objectList) Size() ref.Val { return types.Int(len(l.objects)) }

func (l *objectList) Get(index ref.Val) ref.Val {
	if i, ok := index.(types.Int); ok && i >= 0 && int(i) < len(l.objects) {
		return &l.objects[i]
	}
	return l.list().Get(index)
}

func (l *objectList) Iterator() traits.Iterator { return &objectIterator{list: l} }

func (l *objectList) Add(other ref.Val) ref.Val { return l.list().Add(other) }

func (l *objectList) Contains(v ref.Val) ref.Val { return l.list().Contains(v) }

func (l *objectList) Equal(other ref.Val) ref.Val { return l.list().Equal(other) }

func (l *objectList) ConvertToNative(t reflect.Type) (any, error) { return l.list().ConvertToNative(t) }

func (l *objectList) ConvertToType(t ref.Type) ref.Val { return l.list().ConvertToType(t) }

func (l *objectList) Type() ref.Type { return types.ListType }

func (l *objectList) Value() any { return l.list().Value() }

func (l *objectList) IsZeroValue() bool { return len(l.objects) == 0 }

// An objectIterator is at an element of a list.
type objectIterator struct {
	object // for the methods of a value, which nothing calls
	list   *objectList
	next   int
}

func (it *objectIterator) HasNext() ref.Val { return types.Bool(it.next < len(it.list.objects)) }

func (it *objectIterator) Next() ref.Val {
	if it.next == len(it.list.objects) {
		return nil
	}
	it.next++
	return &it.list.objects[it.next-1]
}
