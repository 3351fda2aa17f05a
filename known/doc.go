// Package known says which client sent a ClientHello, and whether the client is
// what it says it is.
//
// Programs that share a TLS library and its settings send the same hello. So the
// answer to "who" is a list of [Candidate], and the answer to "is it genuine" is a
// list of [Tell], each with its evidence, and a [Claim]. [Identify] gives all
// three, as the package example shows; a [Matcher] is for many hellos.
//
// # Terms
//
//   - The shape of a hello is what stays the same in all hellos of a client with
//     one configuration; see [Matcher.AppendCandidates].
//   - The distance between two shapes is a weighted sum of how much their lists
//     differ, in thousandths.
//   - A family is a set of clients whose hellos are made the same way: a program
//     that keeps its library's settings belongs to the library's family.
//   - The kind of a client says what it is; an impersonator sends the hello of a
//     browser.
//   - A tell is a sign that a hello was not made by the client whose shape it has: a
//     contradiction in each version, or a novelty, which a later version may send.
//   - A claim is the User-Agent, compared with the hello, HTTP/2 settings and headers.
//   - A scanner sends many hellos, to find out what a server accepts.
//
// # Concurrency and memory
//
// A [Database] and [Trackers] are safe for concurrent use, a [Matcher] and a [Tracker]
// are not. The built-in database is code and costs nothing at start-up.
//
// # Compatibility
//
// From v1.0.0 on, exported names follow semantic versioning. Until then, a minor
// version may rename them, and CHANGELOG.md says so.
//
// JSON keys and the names of tells stay within a major version; new ones may be
// added. Which clients are known, their order, distances and the texts of found,
// expected and reasons may change in any version.
package known
