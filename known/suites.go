package known

import "slices"

// What a library offers changes less than its extensions: those depend on what the program
// asks for. So if no known hello is near, a client with exactly the same suites in the same
// order comes first.
const (
	// suitesDistance is how far, in thousandths, the nearest hello is from where on the
	// same suites say more than it.
	suitesDistance = 150

	// minSuites is the least number of suites that say something.
	minSuites = 8
)

// sameSuites returns the nearest ordinary shape that has the suites of d's shape, if the
// nearest of the neighbours is far and these are enough to say something.
func (d *search) sameSuites(x *searchIndex, rows []row, near []neighbour) (nearest neighbour, ok bool) {
	if len(d.shape.lists[suites]) < minSuites || slices.ContainsFunc(near, func(n neighbour) bool { return n.distance <= suitesDistance*1000 }) {
		return neighbour{}, false
	}
	for i := range rows {
		r := &rows[i]
		if d.sets[r.lists[0]] != 0 || ok && d.sums[i] > nearest.distance || !d.db.shapes[r.shape].ordinary() {
			continue
		}
		n := neighbour{shape: int(r.shape), distance: d.sums[i] + d.order(x, r)}
		if d.orders[r.lists[0]] == 1 && (!ok || d.db.compare(n, nearest) < 0) {
			nearest, ok = n, true
		}
	}
	return nearest, ok
}

// hasSuites reports whether n, which is ordinary, has the suites of s, while the nearest
// neighbour is far.
func (db *Database) hasSuites(n, nearest neighbour, s *shape) bool {
	return nearest.distance > suitesDistance*1000 && len(s.lists[suites]) >= minSuites &&
		n.differs&FieldCipherSuites == 0 && db.shapes[n.shape].ordinary()
}

// hasSuites reports whether c has the suites of s and imitates nobody, while the first
// candidate is far.
func (c *Candidate) hasSuites(first *Candidate, s *shape) bool {
	return first.Distance > suitesDistance && len(s.lists[suites]) >= minSuites &&
		c.Differs&FieldCipherSuites == 0 && c.Kind != KindImpersonator
}

// preferSameSuites moves the first candidate that has the suites of s to the front, if the
// first one lacks them and is far.
func preferSameSuites(list []Candidate, s *shape) {
	i := slices.IndexFunc(list, func(c Candidate) bool { return c.hasSuites(&list[0], s) })
	if i > 0 {
		c := list[i]
		copy(list[1:i+1], list[:i])
		list[0] = c
	}
}
