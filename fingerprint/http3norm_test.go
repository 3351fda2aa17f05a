package fingerprint_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/tlspeek/tlspeek/fingerprint"
)

func TestNormalizeHTTP3(t *testing.T) {
	const chromium = "1:65536;6:262144;7:100;51:1;GREASE|m,a,s,p"
	for text, want := range map[string]string{
		chromium: chromium,
		"1:65536;6:262144;7:100;51:1;GREASE|GREASE|984832|m,a,s,p":              chromium,
		"51:1;GREASE;7:100;6:262144;1:65536|m,a,s,p":                            chromium,
		"1:65536;33:4;6:262144;7:100;51:1|m,a,s,p":                              chromium,
		"1:65536;6:262144;7:100;51:1;GREASE|m,a,s,p|GREASE;1:30000;15:AUTO|0,8": chromium,
		"|13|m":  "|m",
		"6:1|":   "6:1|",
		"2:1":    "2:1",
		"x|m":    "x|m",
		"6:1|x":  "6:1|x",
		"6:1|13": "6:1|13",
		"6|m":    "6|m",
		"":       "",
	} {
		assert.Equal(t, want, fingerprint.NormalizeHTTP3(text), text)
	}
}
