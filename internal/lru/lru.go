// Package lru keeps elements in the order of their age and says which to evict
// when they take more room than they may.
//
// A [List] is intrusive: each element has its [Node] in itself, so that adding
// one allocates nothing. A List is not safe for concurrent use.
package lru

import "iter"

// A List orders elements from the oldest to the newest and adds up their sizes.
// The zero value is an empty List.
type List[T any] struct {
	oldest, newest *Node[T]
	len            int
	size           int
}

// A Node is the place of an element in a [List]. It must be a field of the
// element, and must not be copied while it is in a List. The zero value is in
// no List.
//
// It has a pointer to its element because the alternative, a method of the
// element that returns its Node, took five times as long to add and remove
// elements: generic code calls such a method through a dictionary.
type Node[T any] struct {
	older, newer *Node[T]
	list         *List[T]
	element      *T
	size         int
}

// List returns the List that n is in, or nil.
func (n *Node[T]) List() *List[T] { return n.list }

// Size returns the size of the element, or 0 if it is in no List.
func (n *Node[T]) Size() int { return n.size }

// Add adds an element of the given size as the newest. Its Node n must be in no
// List.
func (l *List[T]) Add(n *Node[T], element *T, size int) {
	*n = Node[T]{older: l.newest, list: l, element: element, size: size}
	if n.older != nil {
		n.older.newer = n
	} else {
		l.oldest = n
	}
	l.newest = n
	l.len++
	l.size += size
}

// Remove removes the element whose Node is n. It reports whether the element was
// in l.
func (l *List[T]) Remove(n *Node[T]) bool {
	if n.list != l {
		return false
	}
	if n.older != nil {
		n.older.newer = n.newer
	} else {
		l.oldest = n.newer
	}
	if n.newer != nil {
		n.newer.older = n.older
	} else {
		l.newest = n.older
	}
	l.len--
	l.size -= n.size
	*n = Node[T]{}
	return true
}

// Resize sets the size of an element of l. Its age stays the same.
func (l *List[T]) Resize(n *Node[T], size int) {
	l.size += size - n.size
	n.size = size
}

// Evict removes and returns the oldest element if the sizes add up to more than
// maxSize. Otherwise it returns nil. Call it until it does.
func (l *List[T]) Evict(maxSize int) *T {
	if l.size <= maxSize || l.oldest == nil {
		return nil
	}
	element := l.oldest.element
	l.Remove(l.oldest)
	return element
}

// Oldest returns the oldest element, or nil if l is empty.
func (l *List[T]) Oldest() *T {
	if l.oldest == nil {
		return nil
	}
	return l.oldest.element
}

// Len returns the number of elements.
func (l *List[T]) Len() int { return l.len }

// Size returns the sum of the sizes.
func (l *List[T]) Size() int { return l.size }

// All returns the elements from the oldest to the newest. The loop may remove
// the element at hand.
func (l *List[T]) All() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for n := l.oldest; n != nil; {
			newer := n.newer
			if !yield(n.element) {
				return
			}
			n = newer
		}
	}
}
