package known

import "fmt"

// The places of GREASE in rememberedHello.mixed, 4 bits each, from the last on. Before
// them are 5 bits for the signature schemes, of which the upper one says that there is GREASE.
const (
	greaseVersion = iota
	greaseGroup
	greaseSuite
	greaseExtension2
	greaseExtension1
	numGREASEPlaces
	sameGREASE   = numGREASEPlaces     // not a place: suite, group and version have one value
	greaseScheme = numGREASEPlaces + 1 // a place that not all versions have
)

// How many hellos in a row are a tell: with one of 16 values in one place, or with one
// value in three places. Genuine clients have so many by chance once in a million million
// hellos.
const (
	minGREASERun = 11
	minSameRun   = 5
)

// greaseRuns counts for each place how many hellos in a row had the same value there:
// the value in the upper 4 bits, and the number up to 15 in the lower ones.
type greaseRuns [numGREASEPlaces + 2]uint8

// add counts the values of a hello, and returns the first run that is long enough for a
// tell, or none.
func (g *greaseRuns) add(values uint32) (long greaseRun) {
	scheme := values & 31
	values >>= 5
	for place := range numGREASEPlaces {
		if v := uint8(values>>(4*place)) & 15; g.count(place, v) && !long.isTell() {
			long = greaseRun{place, v, true}
		}
	}
	if scheme == 0 {
		g[greaseScheme] = 0
	} else if v := uint8(scheme & 15); g.count(greaseScheme, v) && !long.isTell() {
		long = greaseRun{greaseScheme, v, true}
	}
	suite := values >> (4 * greaseSuite) & 15
	if suite != values>>(4*greaseGroup)&15 || suite != values>>(4*greaseVersion)&15 {
		g[sameGREASE] = 0
	} else if g[sameGREASE]++; g[sameGREASE] >= minSameRun {
		g[sameGREASE] = minSameRun
		if !long.isTell() {
			long = greaseRun{sameGREASE, uint8(suite), true}
		}
	}
	return long
}

// count counts the value in a place, and reports whether the run is long enough.
func (g *greaseRuns) count(place int, v uint8) bool {
	if g[place]>>4 != v || g[place]&15 == 0 {
		g[place] = v << 4
	}
	if g[place]&15 < 15 {
		g[place]++
	}
	return g[place]&15 >= minGREASERun
}

// A greaseRun is a run of hellos that is long enough for a tell. The zero value is none.
type greaseRun struct {
	place int
	value uint8
	long  bool
}

func (r greaseRun) isTell() bool { return r.long }

// String returns what was found.
func (r greaseRun) String() string {
	if r.place == sameGREASE {
		return fmt.Sprintf("one GREASE value in cipher_suites, supported_groups and supported_versions, in %d connections in a row", minSameRun)
	}
	names := [...]string{greaseVersion: "in supported_versions", greaseGroup: "in supported_groups", greaseSuite: "in cipher_suites",
		greaseExtension2: "as the last extension", greaseExtension1: "as the first extension", greaseScheme: "in signature_algorithms"}
	return fmt.Sprintf("the GREASE value %04x %s, in %d connections in a row", 0x0a0a+0x1010*uint16(r.value), names[r.place], minGREASERun)
}
