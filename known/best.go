package known

// Unknown stands where a client is named whose hello is not near that of any known
// one.
const Unknown = "unknown"

// Best returns the candidate that a hello is counted under: the first, if it is less
// than 100 away. It returns nil if no known client is as near. Candidates are as
// [Matcher.AppendCandidates] and [PreferImitations] order them.
func Best(candidates []Candidate) *Candidate {
	if len(candidates) == 0 || candidates[0].Distance >= nearDistance {
		return nil
	}
	return &candidates[0]
}

// IsAsGood reports whether c, another candidate of the hello, is as near as best, which
// Best has returned.
func (c *Candidate) IsAsGood(best *Candidate) bool { return c.Distance <= best.Distance }
