package known

import (
	"math"
	"slices"
	"time"
)

// A nature says what a tell shows.
type nature uint8

const (
	// A contradiction is what no version of any TLS stack, or of that browser, can send.
	contradiction nature = iota + 1
	// A novelty is what the browser did not send in any version that is known. Later
	// versions may send it.
	novelty
	// A lead is unusual, but too few genuine clients are known to say that none does it.
	lead
)

// knowledge is what tells and claims rest on that ages: the newest versions that are
// known, the versions that have a feature, and when versions were released.
type knowledge struct {
	database *Database
	bounds   []versionBounds // of versionFeatures
	releases *[numBrowsers][]releaseDay
}

var current = knowledge{&builtin, featureBounds[:], &releaseDays}

// A releaseDay is the day on which a version was released, in days since 1970.
type releaseDay struct{ version, day int }

// releaseSlack is how many days a version may be ahead of the calendar: previews of
// the next versions, early releases, and clocks that are wrong.
const releaseSlack = 42

// isNewer reports whether version is newer than all that are known of b, which may be
// none.
func (k *knowledge) isNewer(b browser, version int) bool {
	newest := k.database.newest[b]
	return newest == 0 || version > newest
}

// mayExist reports whether a version of b may exist at t, or now if t is zero, by the
// calendar. All that are known exist.
func (k *knowledge) mayExist(b browser, version int, t time.Time) bool {
	if !k.isNewer(b, version) {
		return true
	}
	if t.IsZero() {
		t = time.Now()
	}
	return version <= newestOn(k.releases[b], int(t.Unix()/(24*60*60))+releaseSlack)
}

// newestOn returns the newest version that was released by a day, assuming a steady
// pace between two dates, and after the last one the pace of the last two. There is no
// limit where fewer than two dates are known, and the first version for earlier days.
func newestOn(list []releaseDay, day int) int {
	if len(list) < 2 {
		return math.MaxInt
	}
	i := 0
	for i < len(list)-1 && list[i+1].day <= day {
		i++
	}
	from := min(i, len(list)-2)
	a, b := list[from], list[from+1]
	return list[i].version + max(0, day-list[i].day)*(b.version-a.version)/(b.day-a.day)
}

// isNovel reports whether a novelty in the hello of v, which has a browser's shape, may
// be one of a version that is not known yet, and so is no evidence. Without a claimed
// version it may, unless the hello has what only known versions have.
func (k *knowledge) isNovel(v view) bool {
	seen := *v.Observation // a copy escapes through the function variables, and only where there is a novelty
	if k.isDated(v.browser, &seen) {
		return false
	}
	a := parseUserAgent(v.Request.UserAgent)
	if a.browser != v.browser || a.major == 0 {
		return true
	}
	return k.isNewer(a.browser, a.major) && k.mayExist(a.browser, a.major, v.Time)
}

// isDated reports whether a hello of b has a feature that no version after a known one
// has.
func (k *knowledge) isDated(b browser, o *Observation) bool {
	for i, f := range versionFeatures {
		until := k.bounds[i].until
		if f.browser == b && until > 0 && until <= k.database.newest[b] && f.present(o) {
			return true
		}
	}
	return false
}

// IsEvidence reports whether one of the tells is evidence that another client made the
// hello: see [Tell.Novel] and [Tell.Lead].
func IsEvidence(tells []Tell) bool {
	return slices.ContainsFunc(tells, func(t Tell) bool { return t.IsEvidence() })
}
