// Code generated from releases.jsonl by make generate. DO NOT EDIT.

package known

const releasesDate = "2026-10-13"

var releaseDays = [numBrowsers][]releaseDay{
	chromium: {
		{83, 18401},  // 2020-05-19
		{94, 18891},  // 2021-09-21
		{110, 19395}, // 2023-02-07
		{120, 19696}, // 2023-12-05
		{131, 20039}, // 2024-11-12
		{144, 20466}, // 2026-01-13
		{150, 20634}, // 2026-06-30
		{153, 20704}, // 2026-09-08
		{154, 20718}, // 2026-09-22
	},
	firefox: {
		{76, 18387},  // 2020-05-05
		{100, 19115}, // 2022-05-03
		{120, 19682}, // 2023-11-21
		{137, 20179}, // 2025-04-01
		{154, 20683}, // 2026-08-18
		{156, 20711}, // 2026-09-15
		{158, 20739}, // 2026-10-13
	},
	safari: {
		{15, 18890}, // 2021-09-20
		{16, 19247}, // 2022-09-12
		{17, 19618}, // 2023-09-18
		{18, 19982}, // 2024-09-16
		{26, 20346}, // 2025-09-15
		{27, 20711}, // 2026-09-15
	},
}

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
	{0, 125},   // Chromium: extensions in a fixed order
	{0, 85},    // Chromium: channel_id
	{0, 109},   // Chromium: HTTP/2 settings without ENABLE_PUSH
	{0, 119},   // Chromium: HTTP/2 settings with MAX_CONCURRENT_STREAMS
	{112, 0},   // Chromium: HTTP/2 settings without MAX_CONCURRENT_STREAMS
	{124, 0},   // Firefox: X25519MLKEM768
	{18, 0},    // Safari: X25519MLKEM768
	{0, 17},    // Safari: no TLS 1.3
	{17, 0},    // Safari: HTTP/2 settings with NO_RFC7540_PRIORITIES
}
