package known

import "slices"

// tlsStackOf returns the family whose TLS stack the clients of a family have: Safari has that
// of Apple's systems, and okhttp that of Android.
func tlsStackOf(family string) string {
	switch family {
	case "Safari":
		return appleFamily
	case "okhttp":
		return "Conscrypt"
	}
	return family
}

// SameStack reports whether the clients of two families have one TLS stack, so that many
// of their hellos are equal: Safari and Apple's services, okhttp and Android's.
func SameStack(a, b string) bool { return tlsStackOf(a) == tlsStackOf(b) }

// genuineSlack is how much farther, in thousandths, the original of an imitation
// may be and still come before it.
const genuineSlack = 150

// imitationSlack is how far, in thousandths, a hello may be from an imitation's
// and still be taken for it. An imitation sends exactly what it was made to send;
// a hello farther away comes from a client that is not known, such as another
// program on the same library.
const imitationSlack = 50

// originalSlack is how much farther than another client, in thousandths, the original of
// an imitation may be and still come before it, if a hello is nearer to the imitation, but
// not near. Then it is likelier one of the original, of a version that is not known.
const originalSlack = 50

// imitationReach is how far, in thousandths, a hello may be from an imitation's and still
// be taken for its original because of it.
const imitationReach = 150

// isOriginal reports whether c is not farther than genuineSlack from what imitation
// imitates.
func (c *Candidate) isOriginal(imitation *Candidate) bool {
	return c.Kind != KindImpersonator && SameStack(c.Family, imitation.Family) && c.Distance <= imitation.Distance+genuineSlack
}

// preferGenuine moves imitations behind clients that imitate nobody: those farther
// than imitationSlack behind all others, and the first candidate, if it is an
// imitation, behind its original. An imitation is made after a version of the
// original that may not be known here, and more people use the original.
func preferGenuine(list []Candidate) {
	if len(list) == 0 {
		return
	}
	first := list[0]
	slices.SortStableFunc(list, func(a, b Candidate) int { return btoi(isFarImitation(&a)) - btoi(isFarImitation(&b)) })
	if first.Kind != KindImpersonator || first.Distance > imitationReach {
		return
	}
	i := slices.IndexFunc(list, func(c Candidate) bool { return c.isOriginal(&first) })
	if i > 0 && (list[0].Kind == KindImpersonator || list[i].Distance <= list[0].Distance+originalSlack) {
		c := list[i]
		copy(list[1:i+1], list[:i])
		list[0] = c
	}
}

func isFarImitation(c *Candidate) bool {
	return c.Kind == KindImpersonator && c.Distance > imitationSlack
}
