package known

// CheckClaim holds what the client says it is against its hello and its HTTP/2
// settings. Without an [Agent] the verdict is Unknown.
func CheckClaim(o *Observation) Claim {
	return Claim{}
}
