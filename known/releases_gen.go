// Code generated from releases.jsonl by make generate. DO NOT EDIT.

package known

const releasesDate = "2026-10-13"

var featureBounds = [len(versionFeatures)]versionBounds{
	{133, 0},   // Chromium: trust_anchors
	{146, 0},   // Chromium: ids in trust_anchors
	{144, 0},   // Chromium: ML-DSA among the signature algorithms
	{0, 155},   // Chromium: no ML-DSA among the signature algorithms
	{127, 0},   // Chromium: application_settings at 44cd
	{124, 0},   // Chromium: X25519MLKEM768
	{105, 141}, // Chromium: X25519Kyber768Draft00
	{105, 0},   // Chromium: encrypted_client_hello
	{0, 97},    // Chromium: TLS_RSA_WITH_3DES_EDE_CBC_SHA
	{0, 119},   // Chromium: TLS 1.0 among the versions
	{0, 109},   // Chromium: HTTP/2 settings without ENABLE_PUSH
	{0, 119},   // Chromium: HTTP/2 settings with MAX_CONCURRENT_STREAMS
	{112, 0},   // Chromium: HTTP/2 settings without MAX_CONCURRENT_STREAMS
	{124, 0},   // Firefox: X25519MLKEM768
}
