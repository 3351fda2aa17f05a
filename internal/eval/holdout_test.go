package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/known"
)

func TestHoldOut(t *testing.T) {
	const (
		apple = "0301 0303 32|1301 1302 c02b c02f c02c c030 009c 009d|00|0000,000a=0004001d0017"
		other = "0301 0303 0|0004 0005 000a 0009 0064 0062 0003 0006|00|"
	)
	published := func(name, version, family, source, signature string) known.Entry {
		e := known.Entry{Name: name, Version: version, Family: family, Kind: known.KindBrowser, Grade: "recorded", Transport: "tls", Source: source, Signature: signature}
		require.NoError(t, e.Fingerprint())
		return e
	}
	entries := []known.Entry{
		published("Safari", "17", "Safari", "a/b one (MIT)", apple),
		published("Safari", "18", "Safari", "a/b two (MIT)", apple),
		published("services", "", "Apple", "c/d one (MIT)", apple+",0023="),
		published("services", "", "Apple", "c/d two (MIT)", strings.Replace(apple, "009d", "0035", 1)),
		published("alone", "1", "Alone", "a/b three (MIT)", other),
		{Name: "copy", Family: "Safari", Kind: known.KindImpersonator, Transport: "tls", Signature: apple},
	}
	var b strings.Builder
	require.NoError(t, holdOut(&b, entries, true))
	text := b.String()
	assert.NotContains(t, text, "missed")
	for _, want := range []string{
		"without its version: 4 hellos, TLS stack right in first 100.0 %, in first three 100.0 %; family right in first 50.0 %; an impersonator first: 0\n",
		"without its name and source: 4 hellos, TLS stack right in first 100.0 %, in first three 100.0 %; family right in first 0.0 %; an impersonator first: 0\n",
		"without its shape: 4 hellos, TLS stack right in first 100.0 %",
	} {
		assert.Contains(t, text, want)
	}
	assert.NotContains(t, text, "Alone", "nothing of it is left")
}
