package lru

import (
	"container/list"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type element struct {
	name string
	node Node[element]
}

func names(l *List[element]) (s string) {
	for e := range l.All() {
		s += e.name
	}
	return s
}

func TestList(t *testing.T) {
	var l List[element]
	assert.Nil(t, l.Oldest())
	assert.Nil(t, l.Evict(0))
	assert.Nil(t, l.Evict(-1), "there is nothing to evict")
	a, b, c := &element{name: "a"}, &element{name: "b"}, &element{name: "c"}
	for i, e := range []*element{a, b, c} {
		assert.Nil(t, e.node.List())
		l.Add(&e.node, e, 10*(i+1))
		assert.Same(t, &l, e.node.List())
	}
	assert.Equal(t, "abc", names(&l))
	assert.Equal(t, 3, l.Len())
	assert.Equal(t, 60, l.Size())
	assert.Same(t, a, l.Oldest())
	l.Resize(&a.node, 15)
	assert.Equal(t, 15, a.node.Size())
	assert.Equal(t, 65, l.Size())

	assert.True(t, l.Remove(&b.node))
	assert.False(t, l.Remove(&b.node), "it is in no List")
	var other List[element]
	other.Add(&b.node, b, 1)
	assert.False(t, l.Remove(&b.node), "it is in another List")
	assert.Equal(t, "ac", names(&l))
	assert.Equal(t, "b", names(&other))
	assert.Equal(t, 45, l.Size())

	for e := range l.All() {
		l.Remove(&e.node)
	}
	assert.Zero(t, l.Len())
	assert.Zero(t, l.Size())
	assert.Nil(t, l.Oldest())
	l.Add(&c.node, c, 1)
	l.Add(&a.node, a, 1)
	for e := range l.All() {
		assert.Same(t, c, e)
		break
	}
}

func TestEvict(t *testing.T) {
	const maxSize = 10
	var l List[element]
	a, b, c := &element{name: "a"}, &element{name: "b"}, &element{name: "c"}
	l.Add(&a.node, a, 4)
	l.Add(&b.node, b, 6)
	assert.Nil(t, l.Evict(maxSize), "the limit is reached, not exceeded")
	l.Add(&c.node, c, 5)
	assert.Same(t, a, l.Evict(maxSize))
	assert.Nil(t, a.node.List())
	assert.Same(t, b, l.Evict(maxSize))
	assert.Nil(t, l.Evict(maxSize))
	assert.Equal(t, "c", names(&l))
	l.Resize(&c.node, 11)
	assert.Same(t, c, l.Evict(maxSize), "a single element may be too large")
	assert.Nil(t, l.Evict(maxSize))
}

// TestRandom compares a List with container/list over random operations.
func TestRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var l List[element]
	want := list.New()
	elements := make([]element, 20)
	in := make(map[*element]*list.Element)
	for range 10_000 {
		e := &elements[random.IntN(len(elements))]
		if o := in[e]; o != nil {
			require.True(t, l.Remove(&e.node))
			want.Remove(o)
			delete(in, e)
		} else {
			l.Add(&e.node, e, 1)
			in[e] = want.PushBack(e)
		}
		var expected []*element
		for o := want.Front(); o != nil; o = o.Next() {
			expected = append(expected, o.Value.(*element))
		}
		require.Equal(t, expected, slices.Collect(l.All()))
		require.Equal(t, len(expected), l.Len())
		require.Equal(t, len(expected), l.Size())
	}
}

func TestAllocs(t *testing.T) {
	var l List[element]
	elements := make([]element, 3)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		for i := range elements {
			e := &elements[i]
			l.Remove(&e.node)
			l.Add(&e.node, e, 1)
			l.Evict(2)
		}
	}))
}

func BenchmarkAddRemove(b *testing.B) {
	var l List[element]
	elements := make([]element, 4096)
	for i := range elements {
		l.Add(&elements[i].node, &elements[i], 1)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		e := &elements[i%len(elements)]
		l.Remove(&e.node)
		l.Add(&e.node, e, 1)
	}
}
