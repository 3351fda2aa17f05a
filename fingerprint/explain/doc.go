// Package explain says what a fingerprint is made of, part by part, how two
// fingerprints or two hellos differ, and what other tools print for a hello.
//
// [Hello] explains the fingerprints of a hello, with the text behind each digest.
// [Text] explains a fingerprint whose text alone is known; samples of known
// clients, given to [Explanation.AddSamples], add the texts that its digests may
// come from. [Diff] and [DiffTexts] compare. [JA3Deviations] and [JA4Deviations]
// list the values that tools print which do not follow the specification. See the
// examples of [Text], [ParseJA4] and [DiffTexts].
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
// From v1.0.0 on, exported names follow semantic versioning. Until then, a minor
// version may rename them, and CHANGELOG.md says so.
//
// The keys of the JSON, and the names of parts, fields and explanations, stay
// within a major version; new ones may be added. Meanings, notes and deviations are
// text for people, and may change in any version.
package explain
