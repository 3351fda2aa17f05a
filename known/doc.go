// Package known says which client sent a ClientHello, and whether the client is
// what it says it is.
//
// Programs that share a TLS library and its settings send the same hello. So the
// answer to "who" is a list of [Candidate], and the answer to "is it genuine" is a
// list of [Tell], each with its evidence, and a [Claim]. [Identify] gives all
// three; a [Matcher] is for many hellos.
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
//   - A tell is a sign that a hello was not made by the client whose shape it has.
//   - A claim is the User-Agent, held against hello, HTTP/2 settings and headers.
//   - A scanner sends many hellos, to find out what a server accepts.
//
// # Concurrency and memory
//
// A [Database] is safe for concurrent use, a [Matcher] and a [Tracker] are not. The
// built-in database is code and costs nothing at start-up.
//
// # Compatibility
//
// Exported names, JSON keys and the names of tells stay as they are within a major
// version. New versions add clients, tells and keys, and change distances.
package known
