package known

// CheckClaim holds what the client says it is against its hello, for which the
// candidates were found, and its HTTP/2 settings. Without an [Agent] the
// verdict is Unknown.
func CheckClaim(o *Observation, candidates []Candidate) Claim {
	return Claim{}
}
