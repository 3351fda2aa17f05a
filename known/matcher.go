package known

// A Matcher finds the candidates for hellos, one after the other. The zero
// value is ready and knows the built-in clients. It is not for use by several
// goroutines at once.
type Matcher struct {
	Users *Database // more clients, those of a user's own file; may be nil
}

// AppendCandidates appends to dst who may have sent the hello: all clients that
// send one of its shape, or else those that send the nearest ones, best first.
func (m *Matcher) AppendCandidates(dst []Candidate, o *Observation) []Candidate {
	return dst
}

// A Database is a set of clients and the hellos that they send.
type Database struct{}
