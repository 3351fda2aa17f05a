// Package policy has rules over Events: what an operator wants to happen to a client,
// and what an analyst looks for in captures. Both are expressions in CEL, the Common
// Expression Language (https://cel.dev):
//
//	env, err := policy.NewEnv(policy.EnvOptions{})
//	x, err := env.Compile(`sni.endsWith(".example") && client.exists(c, c.family == "Go")`, policy.Hello)
//	var in policy.Input
//	in.Reset(&e, nil)
//	matched, err := x.Match(&in)
//
// # What expressions see
//
// Each key of an Event's JSON form is a variable, and typed as in JSON: a text is a
// string, a list a list, and an object has its keys as fields. The time is a timestamp,
// and the object event has all of the keys. What an Event does not have reads as the
// zero value of its type: "", 0, false, an empty list, or an object of which all fields
// are zero. So no expression fails for what is absent, and has(event.sni) tells what is
// absent from what is empty.
//
// In the request stage, request has the method, host, path, query and protocol of an
// HTTP request, and request.header("accept") a header field of it.
//
// The functions are those of CEL, those of its extensions for strings and networks, such
// as cidr("192.0.2.0/24").containsIP(src_ip), and two of this package: inList asks
// whether a list has a value, and agg returns the [signals.Values] of one.
//
// # Cost
//
// An expression has no loops but over the lists of an Event, and ends with an error when
// it has cost more than it may.
//
// # Compatibility
//
// From v1.0.0 on, exported names follow semantic versioning. Until then, a minor
// version may rename them, and CHANGELOG.md says so.
package policy
