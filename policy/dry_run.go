package policy

// DryRun reports whether p was loaded with [LoadOptions.DryRun].
func (p *Policy) DryRun() bool { return p.dryRun }

// EndsAtHello reports whether the rule with the given name, or the default, ends the
// connection where it decides at the stage hello. In a dry run the rules of the stage
// request are not for such a connection: it would not have had a request.
func (p *Policy) EndsAtHello(rule string) bool {
	r := p.defaults
	if rule != DefaultName {
		r = nil
		for _, of := range p.stages[AtHello] {
			if of.Name == rule {
				r = of
				break
			}
		}
	}
	if r == nil || !r.At(AtHello) || r.Mode == Count {
		return false
	}
	v := Verdict{Action: r.Do}
	return v.Ends()
}

// endsAtHello reports whether v, of the stage hello, is the end of the connection, or
// would be.
func (p *Policy) endsAtHello(v *Verdict) bool {
	return v.Ends() || p.dryRun && p.EndsAtHello(v.Rule)
}
