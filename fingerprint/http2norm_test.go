package fingerprint_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/fingerprint"
)

func TestNormalizeHTTP2(t *testing.T) {
	const plain = "1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p"
	for text, want := range map[string]string{
		plain: plain,
		"1:65536;2:0;4:6291456;6:262144;2570:99|15663105|0|m,a,s,p":         plain,
		"1:65536;2:0;4:6291456;6:262144;6714:4294967295|15663105|0|m,a,s,p": plain, // 0x1a3a
		"64250:0;1:65536;2:0;4:6291456;6:262144|15663105|0|m,a,s,p":         plain, // 0xfafa
		"1:65536;2:0;27242:7;4:6291456;6:262144|15663105|0|m,a,s,p":         plain, // 0x6a6a
		"1:65536;2:0;4:6291456;6:262144;GREASE|15663105|0|m,a,s,p":          plain,
		"1:65536;2:0;4:6291456;6:262144;:3814263365|15663105|0|m,a,s,p":     plain, // without the id
		"2570:1|00|0|m":     "|00|0|m",
		"2570:1;2586:2|0|0": "|0|0",
		"2571:1|00|0|m":     "2571:1|00|0|m",
		"2570:1":            "2570:1",
		"":                  "",
	} {
		assert.Equal(t, want, fingerprint.NormalizeHTTP2(text), text)
	}
}

func TestIsGREASESetting(t *testing.T) {
	n := 0
	for id := range 1 << 16 {
		if fingerprint.IsGREASESetting(uint16(id)) {
			n++
		}
	}
	assert.Equal(t, 256, n)
	assert.True(t, fingerprint.IsGREASESetting(0x1a3a))
	assert.False(t, fingerprint.IsGREASESetting(0x0a0b))
}
