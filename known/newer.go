package known

import (
	"slices"
	"strconv"
)

// A newerVersion is the text for a version that is newer than the given one.
type newerVersion struct {
	version int
	text    string
}

// nameNewer gives the first candidate the version "newer than 156", if it is a browser
// that is near, or whose shape the hello has, but not equal, and the hello has a value that no known hello of that
// browser has, and nothing that only known versions have. It reports whether it did.
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
			if !db.browserSends(c.Family, f, v) && (m.Clients == nil || !m.Clients.browserSends(c.Family, f, v)) {
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

// browserSends reports whether a known hello of a browser's family has a value in a list.
func (db *Database) browserSends(family string, f field, value uint16) bool {
	for i := range db.shapes {
		e := &db.shapes[i]
		for j := e.first; j < e.first+e.n; j++ {
			if c := &db.clients[j]; c.Kind == KindBrowser && c.Family == family && slices.Contains(db.lists[f][e.lists[f]], value) {
				return true
			}
		}
	}
	return false
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
