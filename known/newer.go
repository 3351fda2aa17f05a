package known

import (
	"iter"
	"slices"
	"strconv"
)

// A newerVersion is the text for a version that is newer than the given one.
type newerVersion struct {
	version int
	text    string
}

// nameNewer gives the first candidate the version "newer than 156" if it is a browser
// that is near, or whose shape the hello has, and the hello is not equal to its own. The
// hello must have a value that no known hello of that browser has, and nothing that only
// known versions have. It reports whether it did.
func (m *Matcher) nameNewer(list []Candidate, db *Database, o *Observation) bool {
	if len(list) == 0 || list[0].Kind != KindBrowser || list[0].Distance == 0 {
		return false
	}
	c := &list[0]
	b := browserOf(o.Hello.Transport, list)
	if b == noBrowser {
		b = browserShapeOf(o.Hello)
	}
	if b == noBrowser || c.Family != b.name() {
		return false
	}
	newest := db.newest[b]
	if m.Clients != nil {
		newest = max(newest, m.Clients.newest[b])
	}
	k := m.ages
	if k == nil {
		k = &current
	}
	m.dated.Hello = o.Hello
	dated := k.isDated(b, &m.dated)
	m.dated.Hello = nil
	if newest == 0 || dated {
		return false
	}
	for f := suites; f <= protocols; f++ {
		for _, v := range m.shape.lists[f] {
			if !db.browserSends(b, f, v) && (m.Clients == nil || !m.Clients.browserSends(b, f, v)) {
				if m.newer[b].version != newest {
					m.newer[b].version, m.newer[b].text = newest, "newer than "+strconv.Itoa(newest)
				}
				c.Name, c.Version = b.name(), m.newer[b].text // also where a browser made of it is nearest
				return true
			}
		}
	}
	return false
}

// sentValues are the values in the lists of all known hellos of a browser's family, in
// numeric order, by browser and field.
type sentValues [numBrowsers][protocols + 1][]uint16

// read sets the values from the shapes of db.
func (s *sentValues) read(db *Database) {
	for i := range db.shapes {
		e := &db.shapes[i]
		for b := range db.browsersOf(e) {
			for f := suites; f <= protocols; f++ {
				s[b][f] = append(s[b][f], db.lists[f][e.lists[f]]...)
			}
		}
	}
	for b := range s {
		for f := range s[b] {
			slices.Sort(s[b][f])
			s[b][f] = slices.Clone(slices.Compact(s[b][f])) // without the room of the values that come again
		}
	}
}

// browsersOf returns the browsers whose family has a client with a shape, each once.
func (db *Database) browsersOf(e *entry) iter.Seq[browser] {
	return func(yield func(browser) bool) {
		for b := chromium; b <= safari; b++ {
			sends := func(c Candidate) bool { return c.Kind == KindBrowser && c.Family == b.name() }
			if slices.ContainsFunc(db.clients[e.first:e.first+e.n], sends) && !yield(b) {
				return
			}
		}
	}
}

// browserSends reports whether a known hello of a browser's family has a value in a list.
func (db *Database) browserSends(b browser, f field, value uint16) bool {
	_, found := slices.BinarySearch(db.searchIndex().sent[b][f], value)
	return found
}

// addVersion counts the version of an entry among those that are known of a browser. Of
// Safari too few hellos are known to say what it has not done up to any version.
func (db *Database) addVersion(e *Entry) {
	for b := chromium; b <= firefox; b++ {
		if major, ok := product(e.Version, ""); ok && e.Kind == KindBrowser && e.Name == b.name() {
			db.newest[b] = max(db.newest[b], major)
		}
	}
}
