package known

import (
	"maps"
	"slices"
)

// Names are those that candidates may have.
type Names struct {
	Clients  []string // sorted
	Families []string // sorted
}

// NamesOf returns the names of the built-in clients and of those in db, which may be nil.
func NamesOf(db *Database) Names {
	clients, families := make(map[string]bool), make(map[string]bool)
	add := func(list []Candidate) {
		for i := range list {
			clients[list[i].Name] = true
			families[list[i].Family] = true
		}
	}
	for _, d := range [...]*Database{&builtin, db} {
		for ; d != nil; d = d.learned {
			add(d.clients)
			for _, list := range d.namedClients {
				add(list)
			}
		}
	}
	return Names{slices.Sorted(maps.Keys(clients)), slices.Sorted(maps.Keys(families))}
}

// KindNames returns the names of all kinds of clients. The caller owns the list.
func KindNames() []string {
	var names []string
	for k := KindOther; k <= KindMalware; k++ {
		names = append(names, k.String())
	}
	return names
}

// trackerTells are the names of the tells that a Tracker finds.
var trackerTells = [...]string{
	"frozen-order", "frozen-grease", "narrow-grease", "repeated-random", "repeated-session-id", "nss-session-id", "repeated-key-share", "repeated-ech",
}

// TellNames returns the names of all tells: of [TellKinds], and then of those that a
// [Tracker] finds. The caller owns the list.
func TellNames() []string {
	var names []string
	for i := range tells {
		names = append(names, tells[i].name)
	}
	return append(names, trackerTells[:]...)
}
