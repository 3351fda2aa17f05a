// Package explain says what a fingerprint is made of, part by part, how two
// fingerprints or two hellos differ, and what other tools print for a hello.
//
// [Hello] explains the fingerprints of a hello, with the text behind each digest.
// [Text] explains a fingerprint of which only the text is known; samples of known
// clients, given to [Explanation.AddSamples], add the texts that its digests may
// come from. [Diff] and [DiffTexts] compare. [JA3Deviations] and [JA4Deviations]
// list the values that tools print which do not follow the specification.
//
// # Terms
//
//   - A part is one piece of a fingerprint, such as the version or a digest.
//   - The meaning of a part is a phrase in English, for people to read.
//   - A deviation is a known difference between a tool and the specification.
//   - A sample is the hello of a known client, or a fingerprint of it.
//
// # Concurrency
//
// The package has no state. An [Explanation] must not be changed by several
// goroutines at once.
//
// # Compatibility
//
// Exported names, and the names of parts, fields and explanations, stay as they
// are within a major version. Meanings, notes and deviations are text for people,
// and may change in any version.
package explain
