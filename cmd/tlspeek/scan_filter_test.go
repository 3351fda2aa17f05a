package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tlspeek/tlspeek/internal/hellotest"
	"github.com/tlspeek/tlspeek/known"
	"github.com/tlspeek/tlspeek/parser"
)

// filteredCaptures writes captures of many clients, with and without a server name, and of
// clients with tells.
func filteredCaptures(t *testing.T) (dir string) {
	dir, _, _ = captures(t)
	f := newPcapFile(50000)
	port := uint16(2000)
	for name, h := range hellotest.Real(t) {
		if h.Transport != parser.TLS {
			continue
		}
		f.hello(byte(len(name)), port, h.Raw)
		without := slices.DeleteFunc(slices.Clone(h.Extensions), func(e parser.Extension) bool { return e.Type == parser.ExtServerName })
		f.hello(byte(len(name)), port+1, hellotest.Rebuild(t, h, h.CipherSuites, without).Raw)
		if h.HasExtension(parser.ExtServerName) {
			f.hello(byte(len(name)), port+2, namedHello(t, h, fmt.Sprintf("Name%d.example", port)))
		}
		port += 3
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "real.pcap"), f.Bytes(), 0o600))
	return dir
}

// TestNotSelectsTheOthers: each hello is selected by exactly one of a filter and its
// opposite, and the output has the same lines as without a filter, in every form.
func TestNotSelectsTheOthers(t *testing.T) {
	dir := filteredCaptures(t)
	all := slices.Sorted(strings.Lines(scanned(t, dir)))
	require.Greater(t, len(all), 100)
	for _, f := range []string{
		"sni=", "sni=name*", "sni=,test.example", "ja3=*", "ja3=0149*", "ja4=t13*", "transport=tls", "host=192.0.2.0/29", "port=2003,2004", "client=Chromium",
		"client=*", "client=unknown", "family=fire*,openssl", "kind=browser", "kind=tool,library", "tell", "tell=frozen-order", "tell=frozen-grease,sorted",
	} {
		with, without := scanned(t, "--"+f, dir), scanned(t, "--not-"+f, dir)
		got := slices.Sorted(strings.Lines(with + without))
		assert.Equal(t, all, got, f)
		count := strings.TrimSpace(scanned(t, "--count", "--"+f, dir))
		assert.Equal(t, strconv.Itoa(strings.Count(with, "\n")), count, f)
		assert.Equal(t, with, scanned(t, "-j", "8", "--"+f, dir), f)
	}
	assert.NotEmpty(t, scanned(t, "--sni=", dir))
	assert.NotContains(t, scanned(t, "--sni=", dir), `"sni":"Name`)
}

// TestClientsAreThoseOfTop: --client selects at least the hellos that --top counts under
// the name, and exactly those that no client is near as unknown.
func TestClientsAreThoseOfTop(t *testing.T) {
	dir := filteredCaptures(t)
	rows := 0
	for line := range strings.Lines(scanned(t, "--top", "client.name", "--tsv", dir)) {
		number, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		n, err := strconv.Atoi(number)
		if err != nil || name == "" { // the header
			continue
		}
		rows++
		selected, err := strconv.Atoi(strings.TrimSpace(scanned(t, "--count", "--client", name, dir)))
		require.NoError(t, err)
		assert.GreaterOrEqual(t, selected, n, name)
		if name == known.Unknown {
			assert.Equal(t, n, selected)
		}
	}
	assert.Greater(t, rows, 5)
}

// TestTellsWithoutOutput: a filter on tells finds those of several connections also where
// the output shows no clients.
func TestTellsWithoutOutput(t *testing.T) {
	dir, orders, values := captures(t)
	assert.Equal(t, fmt.Sprintln(orders), scanned(t, "--count", "--tell=frozen-order", dir))
	assert.Equal(t, fmt.Sprintln(values), scanned(t, "--count", "--tell=frozen-grease", "--tell=sorted", dir))
	total := 0
	for line := range strings.Lines(scanned(t, "--top", "ja4", "--tsv", "--tell=frozen-order", dir)) {
		number, _, _ := strings.Cut(line, "\t")
		n, _ := strconv.Atoi(number)
		total += n
	}
	assert.Equal(t, orders, total)
}
