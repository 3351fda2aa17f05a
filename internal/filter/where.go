package filter

import (
	"cmp"
	"fmt"
	"slices"
	"sync"

	"github.com/tlspeek/tlspeek/event"
	"github.com/tlspeek/tlspeek/policy"
)

// A Where is a list of expressions of package policy, of which one must be true of a
// hello. It is safe for use by several goroutines. The zero value is true of all hellos.
type Where struct {
	exprs  []*policy.Expr
	size   event.Size
	client bool

	mu     sync.Mutex
	failed int64
	first  WhereError
}

// A WhereError says of which hello an expression failed, and why.
type WhereError struct {
	File   string
	Packet int64
	Err    error
}

func (e *WhereError) Error() string { return fmt.Sprintf("%s packet %d: %v", e.File, e.Packet, e.Err) }

func (e *WhereError) Unwrap() error { return e.Err }

// NewWhere compiles expressions. The keys of live connections are empty in captures, so
// that all keys may be asked for.
func NewWhere(texts []string, o policy.EnvOptions) (*Where, error) {
	w := new(Where)
	if len(texts) == 0 {
		return w, nil
	}
	env, err := policy.NewEnv(o)
	if err != nil {
		return nil, err
	}
	for _, text := range texts {
		x, err := env.Compile(text, policy.AtRequest)
		if err != nil {
			return nil, err
		}
		w.exprs = append(w.exprs, x)
		w.size = max(w.size, x.Size())
		w.client = w.client || x.NeedsClients()
	}
	return w, nil
}

// IsSet reports whether there is an expression.
func (w *Where) IsSet() bool { return len(w.exprs) > 0 }

// Uses reports whether an expression calls a function, such as agg.
func (w *Where) Uses(function string) bool {
	return slices.ContainsFunc(w.exprs, func(x *policy.Expr) bool { return x.Uses(function) })
}

// Size returns the least size of Event that the expressions need.
func (w *Where) Size() event.Size { return w.size }

// NeedsClients reports whether the expressions ask about clients, tells or claims.
func (w *Where) NeedsClients() bool { return w.client }

// LiveKeys returns the keys that the expressions read and that no Event of a capture has.
func (w *Where) LiveKeys() (keys []string) {
	for _, x := range w.exprs {
		keys = append(keys, x.LiveKeys()...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Warnings returns what in the expressions is of no use, although it is valid. Lists are
// those that they were compiled with.
func (w *Where) Warnings(lists map[string]policy.Set) (all []policy.Warning) {
	for _, x := range w.exprs {
		all = append(all, x.Check(lists)...)
	}
	return all
}

// Failed returns of how many hellos it could not be told whether they meet the
// expressions, and the first of them by file and packet.
func (w *Where) Failed() (n int64, first WhereError) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed, w.first
}

func (w *Where) fail(e *event.Event, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed++; w.failed > 1 && cmp.Or(cmp.Compare(e.File, w.first.File), cmp.Compare(e.Packet, w.first.Packet)) >= 0 {
		return
	}
	w.first = WhereError{e.File, e.Packet, err}
}

// A Judge asks the expressions of a Where about one Event after the other. It is not for
// use by several goroutines at once.
type Judge struct {
	Where *Where
	input policy.Input
}

// Match reports whether an expression is true of e. One that fails is not.
func (j *Judge) Match(e *event.Event) bool {
	if !j.Where.IsSet() {
		return true
	}
	j.input.Reset(e, nil)
	var failed error
	for _, x := range j.Where.exprs {
		switch matched, err := x.Match(&j.input); {
		case matched:
			return true
		case err != nil && failed == nil:
			failed = err
		}
	}
	if failed != nil {
		j.Where.fail(e, failed)
	}
	return false
}
