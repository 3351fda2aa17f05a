package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
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
	"github.com/tlspeek/tlspeek/parser"
)

// namedHello returns h with another server name.
func namedHello(t *testing.T, h *parser.ClientHello, name string) []byte {
	list := append([]byte{0, byte(len(name) >> 8), byte(len(name))}, name...)
	data := append(binary.BigEndian.AppendUint16(nil, uint16(len(list))), list...)
	extensions := slices.Clone(h.Extensions)
	i := slices.IndexFunc(extensions, func(e parser.Extension) bool { return e.Type == parser.ExtServerName })
	extensions[i].Data = data
	return hellotest.Rebuild(t, h, h.CipherSuites, extensions).Raw
}

// TestTablesWithinMemory: tables of many server names are within --max-memory, have the
// most frequent names, and account for each hello.
func TestTablesWithinMemory(t *testing.T) {
	const names, frequent = 6000, 400
	f := newPcapFile(1000)
	h := hellotest.Real(t)["chromium-156"]
	for i := range names {
		f.hello(1, uint16(1024+i), namedHello(t, h, fmt.Sprintf("host-%d.example", i)))
		if i >= names/2 && i%7 == 0 {
			f.hello(2, uint16(1024+i), namedHello(t, h, "late.example"))
		}
	}
	file := filepath.Join(t.TempDir(), "names.pcap")
	require.NoError(t, os.WriteFile(file, f.Bytes(), 0o600))
	hellos, err := strconv.Atoi(strings.TrimSpace(scanned(t, "--count", file)))
	require.NoError(t, err)
	require.Greater(t, hellos, names+frequent)

	run := func(args ...string) (stdout, stderr string, err error) {
		var out, errs bytes.Buffer
		cmd := scanCommand()
		cmd.SilenceUsage, cmd.SilenceErrors = true, true
		cmd.SetArgs(append(args, "--max-memory", "1", file))
		cmd.SetOut(&out)
		cmd.SetErr(&errs)
		err = cmd.Execute()
		return out.String(), errs.String(), err
	}
	stdout, stderr, err := run("--top", "sni")
	require.ErrorIs(t, err, errReported)
	sum, lines := 0, strings.SplitAfter(stdout, "\n")
	for _, line := range lines[:len(lines)-1] {
		n, err := strconv.Atoi(strings.Fields(line)[0])
		require.NoError(t, err)
		sum += n
	}
	assert.Equal(t, hellos, sum)
	assert.Regexp(t, `^ +4\d\d  late\.example`, lines[0])
	others := strings.TrimSuffix(strings.TrimSpace(lines[len(lines)-2]), "  (others)")
	n, err := strconv.ParseInt(others, 10, 64)
	require.NoError(t, err, lines[len(lines)-2])
	assert.Contains(t, stderr, group(n)+" hellos with values that the table has no row for, for lack of memory (--max-memory)")
	assert.Contains(t, stderr, "tlspeek: the table is full: "+group(n)+" hellos")

	stdout, _, err = run("--unique=sni")
	require.ErrorIs(t, err, errReported)
	sum = 0
	for line := range strings.Lines(stdout) {
		var row struct{ Count, Others int }
		require.NoError(t, json.Unmarshal([]byte(line), &row))
		sum += row.Count + row.Others
	}
	assert.Equal(t, hellos, sum)

	whole := scanned(t, "--top", "sni", file)
	assert.Equal(t, names+1, strings.Count(whole, "\n"))
	assert.Equal(t, whole, scanned(t, "--top", "sni", "-j", "8", file))
	assert.NotContains(t, whole, "others")
	assert.NotContains(t, whole, "at most")
}
